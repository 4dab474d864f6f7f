/*
 * The fault an emulated device has been given, and when it strikes. Faults that come and go (a lost
 * answer, a reset) strike once in a device's life, so that a station may recover; the others stay.
 */
#ifndef KILN_TWIN_PLAN_H
#define KILN_TWIN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "own.h"
#include "profile.h"

enum twin_fault {
	TWIN_FAULT_NONE,
	TWIN_FAULT_DROP,            /* once: a request or its answer is lost */
	TWIN_FAULT_CORRUPT,         /* once: a frame of the answer has a wrong FCS */
	TWIN_FAULT_CORRUPT_MESSAGE, /* once: the answer has a wrong byte under a right FCS */
	TWIN_FAULT_STALL,           /* nothing is answered any more */
	TWIN_FAULT_RESET,           /* once: the device resets instead of answering */
	TWIN_FAULT_REFUSE,          /* ERROR */
	TWIN_FAULT_BUSY,            /* Busy a few times */
	TWIN_FAULT_LYING_READBACK,  /* serves a chain of its own over its key, digests and all */
	TWIN_FAULT_SHORT_PORTIONS,  /* fewer bytes than asked: a legal device, no fault */
	TWIN_FAULT_WRONG_KEY,       /* signs the challenge with another key */
	TWIN_FAULT_WRONG_NONCE,     /* signs over another nonce */
	TWIN_FAULT_WRONG_SERIAL,    /* says another serial later */
	TWIN_FAULT_OTHER_CSR_SUBJECT,
	TWIN_FAULT_BAD_CSR_SIGNATURE,
	TWIN_FAULT_GARBAGE,   /* boot console text before the first frame: no fault either */
	TWIN_FAULT_POWER_CUT, /* once: the power goes in the middle of a write to the flash */
	TWIN_FAULT_DUPLICATE_SERIAL, /* made by kiln-twin: the device itself knows nothing of it */
};

enum { TWIN_BUSY_TIMES = 3, TWIN_CUT_MAX = 9999, TWIN_CUT_PICK = 4 };

struct twin_plan {
	enum twin_fault fault;
	enum step_id step;
	int64_t cut;     /* the write, from 1, of a power cut */
	uint64_t random; /* state of the generator */
	bool before;     /* the request is lost, not its answer; the reset comes before the act */
	bool not_ready;  /* a short key generation is answered with ResponseNotReady all the same */
};

/* What --fault takes, NULL at the end. */
extern const char *const twin_plan_faults[];

/*
 * fault is "name", "name:step", "power-cut:N" or NULL. has_keygen: the device makes keys on request. Errors:
 * CONFIG "twin.fault" (an unknown name, a step where the fault makes no sense).
 */
must_check int twin_plan_parse(struct twin_plan *ret, const char *fault, uint64_t seed,
    bool has_keygen, struct err *e);

/* True while the plan has that fault at that step; struck: how often it has struck already. */
bool twin_plan_strikes(const struct twin_plan *p, enum twin_fault fault, enum step_id step,
    int64_t struck);

uint32_t twin_plan_random(struct twin_plan *p);

#endif
