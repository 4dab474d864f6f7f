/* What goes wrong on the USB of an emulated device, and when. */
#ifndef KILN_GADGET_PLAN_H
#define KILN_GADGET_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "own.h"

enum gadget_fault {
	GADGET_FAULT_NONE,
	GADGET_FAULT_STALL, /* once: the endpoint halts in front of a message */
	GADGET_FAULT_SHORT, /* once: a short packet in the middle of a message */
	GADGET_FAULT_NO_ZLP, /* from then on: no zero-length packet behind a last packet that is full */
	GADGET_FAULT_UNPLUG, /* once: it is unplugged in the middle of a message */
	GADGET_FAULT_BABBLE, /* once: more than the host has room for; the message is lost */
};

enum { GADGET_PLAN_NTH_MAX = 9999, GADGET_PLAN_PICK = 16 };

struct gadget_plan {
	enum gadget_fault fault;
	int step;      /* enum step_id; -1: counted */
	int64_t nth;   /* the message to the host, from 1, where it is counted */
	int64_t count; /* messages so far */
	bool struck;
	bool spent; /* what strikes in a transfer, not in front of it, has done so */
};

/* What --fault takes on USB, NULL at the end. */
extern const char *const gadget_plan_faults[];

/* "usb-..." */
bool gadget_plan_is(const char *fault);

/*
 * "name", "name:STEP" (a step that the twin notes) or "name:N", the N-th message to the host; without
 * either the seed picks one of the first GADGET_PLAN_PICK. Errors: CONFIG "twin.fault".
 */
must_check int gadget_plan_parse(struct gadget_plan *ret, const char *fault, uint64_t seed,
    bool tells_step, struct err *e);

/* Counts a message to the host; true where the fault strikes it. */
bool gadget_plan_strikes(struct gadget_plan *p, int step);

#endif
