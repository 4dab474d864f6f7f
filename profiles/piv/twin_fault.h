/*
 * The fault an emulated card has been given, and when it strikes. Faults that come and go (a lost
 * answer, a reset) strike once in a card's life, so that a station may recover; the others stay.
 */
#ifndef KILN_PIV_TWIN_FAULT_H
#define KILN_PIV_TWIN_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "own.h"
#include "profile.h"

enum twin_fault_kind {
	FAULT_NONE,
	FAULT_DROP,                /* once: a command or its answer is lost in the reader */
	FAULT_CORRUPT,             /* once: the reader's answer has another sequence number */
	FAULT_STALL,               /* the reader answers nothing any more */
	FAULT_RESET,               /* once: the device leaves the bus and comes back */
	FAULT_REFUSE,              /* 6F00 */
	FAULT_MUTE,                /* the card does not answer its reader */
	FAULT_REMOVED,             /* the card is out of its reader from then on */
	FAULT_ENDLESS,             /* the card asks for more time, for ever */
	FAULT_PIN_BLOCKED,         /* the PIN's counter is at 0 */
	FAULT_WRONG_KEY,           /* proves with another key than the certificate's */
	FAULT_WRONG_NONCE,         /* proves another message than it was given */
	FAULT_BAD_CSR_SIGNATURE,   /* a bit of the request's signature is wrong */
	FAULT_LYING_READBACK,      /* a bit of the certificate it gives back is wrong */
	FAULT_SHORT_ATTESTATION,   /* the last byte is missing, under 9000 */
	FAULT_FOREIGN_ATTESTATION, /* its attestation key is certified by somebody else */
	FAULT_POWER_CUT,           /* once: the power goes in the middle of a write to the flash */
	FAULT_DUPLICATE_SERIAL,    /* made by kiln-twin: the card itself knows nothing of it */
};

enum { TWIN_FAULT_CUT_MAX = 9999, TWIN_FAULT_CUT_PICK = 6 };

struct twin_fault {
	enum twin_fault_kind kind;
	enum step_id step;
	int64_t cut;     /* the write, from 1, of a power cut */
	bool torn;       /* the write it cuts is lost; else it is the last that was done */
	bool before;     /* the command is lost, not its answer; the reset comes before the act */
	uint64_t random; /* state of the generator */
};

/* What --fault takes, NULL at the end. */
extern const char *const twin_fault_names[];

/*
 * text is "name", "name:step", "power-cut:N" or NULL. Errors: CONFIG "twin.fault" (an unknown name, a
 * step where the fault makes no sense).
 */
must_check int twin_fault_parse(struct twin_fault *ret, const char *text, uint64_t seed,
    struct err *e);

/* True while it is that fault at that step; struck: how often it has struck already. */
bool twin_fault_strikes(const struct twin_fault *f, enum twin_fault_kind kind, enum step_id step,
    int64_t struck);

#endif
