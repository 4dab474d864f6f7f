/* Commands to a PIV card: chaining there, collecting back, and what its status words mean. */
#ifndef KILN_PIV_CARD_H
#define KILN_PIV_CARD_H

#include "buf.h"

enum { PIV_ANSWER_MAX = 32768 };

/* What carries APDUs: a CCID reader. Contracts as ccid_power_on and ccid_transmit (ccid.h). */
struct piv_reader {
	int (*power_on)(void *context, int64_t deadline, struct err *e);
	int (*transmit)(void *context, const struct buf *apdu, struct buf *ret, int64_t deadline,
	    struct err *e);
};

struct piv_card {
	const struct piv_reader *reader;
	void *context;    /* of the reader */
	int64_t deadline; /* absolute monotonic ms, of the op that runs */
};

struct piv_command {
	uint8_t ins, p1, p2;
	const uint8_t *data;
	size_t len; /* more than 255 are sent in parts */
	bool asks;  /* an answer is expected */
};

/*
 * The card's answer (ret is replaced) and its last status word: never 61xx or 6Cxx. Errors: LINK and
 * DEVICE as the reader's; DEVICE "piv.protocol" (an answer without an end, or over PIV_ANSWER_MAX).
 */
must_check int piv_command(struct piv_card *c, const struct piv_command *command, struct buf *ret,
    uint16_t *ret_status, struct err *e);

/* As piv_command, and the status is 9000: else piv_refused. */
must_check int piv_call(struct piv_card *c, const char *what, const struct piv_command *command,
    struct buf *ret, struct err *e);

/* What the card refused, with its status word. Returns -1. Codes: DEVICE "piv.status"; "piv.space" for
 * 6A84, "piv.not-allowed" for 6982. */
int piv_refused(struct err *e, const char *what, uint16_t status);

/* The answer is not what the command asks for: DEVICE "piv.protocol". Returns -1. */
int piv_nonsense(struct err *e, const char *what);

/*
 * Chooses the PIV application; label is what it calls itself, printable, "" where it does not say.
 * DEVICE "piv.application" where there is none.
 */
enum { PIV_LABEL_MAX = 64 };
must_check int piv_select(struct piv_card *c, char label[static PIV_LABEL_MAX + 1], struct err *e);

#endif
