/* One CCID command and its answer. Private to ccid*.c. */
#ifndef KILN_CCID_BLOCK_H
#define KILN_CCID_BLOCK_H

#include "ccid.h"

enum {
	CCID_HEADER_LEN = 10,
	/* A T=1 block is the longest that a reader has to say: 3 + 254 + 2; an APDU is shorter. */
	CCID_DATA_MAX = 259,

	CCID_POWER_ON = 0x62,
	CCID_SLOT_STATUS = 0x65,
	CCID_XFR_BLOCK = 0x6f,
	CCID_ABORT = 0x72,
	CCID_IS_DATA_BLOCK = 0x80,
	CCID_IS_SLOT_STATUS = 0x81,

	CCID_CARD_ACTIVE = 0, /* bmICCStatus */
	CCID_CARD_INACTIVE = 1,
	CCID_CARD_ABSENT = 2,
};

struct ccid_command {
	uint8_t type;
	uint8_t parameters[3]; /* bytes 7 to 9 */
	const uint8_t *data;
	size_t len;
};

struct ccid_answer {
	uint8_t card;  /* bmICCStatus */
	bool failed;   /* bmCommandStatus */
	uint8_t error; /* bError, where it failed */
	uint8_t chain; /* bChainParameter of a data block */
	uint8_t data[CCID_DATA_MAX];
	size_t len;
};

/*
 * Sends the command and waits for the answer of that type, granting what time the card asks for. A
 * failed command is an answer, too. At the deadline it is aborted. Errors: LINK "ccid.protocol", and as
 * the transport's.
 */
must_check int ccid_exchange(struct ccid *c, const struct ccid_command *command,
    uint8_t answer_type, struct ccid_answer *ret, int64_t deadline, struct err *e);

/* XfrBlock; a failed one is an error. */
must_check int ccid_block(struct ccid *c, const uint8_t *data, size_t len, uint16_t level,
    struct ccid_answer *ret, int64_t deadline, struct err *e);

/* The failed command as an error: "ccid.removed", "ccid.mute", "ccid.slot". Returns -1. */
int ccid_failed(struct ccid *c, const struct ccid_answer *a, struct err *e);

/* Waits a moment, not beyond the deadline, and drops what comes: a reader without interrupts is asked
 * again and again. Errors: LINK "link.gone". */
must_check int ccid_pause(struct ccid *c, int64_t deadline, struct err *e);

#endif
