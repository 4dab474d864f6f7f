/*
 * Between a host and a twin: the transfers that the host has submitted wait here until the device has
 * what they need, and the twin's messages until the host asks. Never blocks.
 */
#ifndef KILN_PUMP_H
#define KILN_PUMP_H

#include "gadget.h"
#include "skin.h"

/* One transfer of the host. */
struct urb {
	struct urb *next;
	uint64_t id;      /* the host's */
	uint8_t endpoint; /* GADGET_OUT, GADGET_IN, GADGET_NOTICE; 0: control */
	uint8_t setup[GADGET_SETUP_LEN];
	bool zero;       /* ends with a zero-length packet if it needs one */
	bool whole;      /* less than asked for is an error */
	size_t room;     /* for what comes in */
	struct buf data; /* to the device; replaced by what came */
	size_t actual;   /* bytes moved */
	int status;      /* of the kernel: 0 or negative errno */
};
void urb_free(struct urb *u);
OWNED_PTR(urb, urb_free)

struct urb_list {
	struct urb *first, **last; /* last: NULL while it is empty */
};

struct pump {
	struct gadget gadget;
	const struct skin_plug *plug; /* borrowed */
	int fd;                       /* of the twin's socket; owned; -1 after it has hung up */
	bool kept;                    /* that the fault has struck is in the device's folder */
	struct buf message;           /* to the twin */
	bool message_due;
	struct urb_list waiting, done;
};

/* Takes over fd, in any case. The device is powered and not configured. Errors: CONFIG "twin.fault". */
must_check int pump_open(struct pump *ret, const struct skin_plug *plug, enum gadget_speed speed,
    int fd, struct err *e);
void pump_close(struct pump *p);
OWNED_STRUCT(pump, pump_close)

/* Takes over u. */
void pump_submit(struct pump *p, struct urb *u);
/* Stops one that waits: it is among the done then, with -ECONNRESET. False where none waits. */
bool pump_cancel(struct pump *p, uint64_t id);
/* Moves what can be moved. Errors: CONFIG "twin.pump" (its folder), memory. */
must_check int pump_turn(struct pump *p, struct err *e);
/* The next that is done, or NULL; the caller's. */
struct urb *pump_reap(struct pump *p);

/* Events for poll(2) on fd: 0 where there is nothing to wait for. */
short pump_events(const struct pump *p);
/* What the twin has said is with the host. */
bool pump_is_drained(const struct pump *p);

#endif
