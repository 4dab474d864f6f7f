/*
 * A smart-card reader with its card as USB sees it: USB-IF CCID 1.10, from the device's side. Written
 * from the specification and not from transports/, so that a mistake in one does not agree with the
 * other. No I/O: transfers in, transfers out.
 */
#ifndef KILN_TWIN_CCID_H
#define KILN_TWIN_CCID_H

#include "twin_card.h"

enum {
	TWIN_CCID_HEADER = 10,
	TWIN_CCID_DESCRIPTOR = 54,
	TWIN_CCID_MESSAGE_MAX = TWIN_CCID_HEADER + 4096, /* dwMaxCCIDMessageLength */
	TWIN_CCID_PACKET = 64, /* wMaxPacketSize: a transfer of a multiple of it may go on */
	TWIN_CCID_EXTENSION_MS = 200,
};

/* The class descriptor (5.1): short and extended APDU level, and of a reader of short APDUs. */
extern const uint8_t twin_ccid_descriptor[TWIN_CCID_DESCRIPTOR];
extern const uint8_t twin_ccid_descriptor_short[TWIN_CCID_DESCRIPTOR];
/* RDR_to_PC_NotifySlotChange: a card is there, and was not before. */
extern const uint8_t twin_ccid_notice[2];

enum twin_ccid_fate {
	TWIN_CCID_SILENT, /* nothing to send: more of the message is to come, or a fault has it */
	TWIN_CCID_ANSWER, /* send the answer, once the card's work_ms are over */
	TWIN_CCID_LEAVE,  /* the device leaves the bus and comes back */
};

struct twin_ccid {
	struct twin_card *card; /* borrowed */
	bool active;            /* the card has power */
	bool out;               /* the card left its reader */
	bool endless;           /* it asks for more time, and never answers */
	int64_t wait_ms;        /* of the answer */
	struct buf message;     /* a command on its way in */
	struct buf answer;
};
void twin_ccid_free(struct twin_ccid *r);
OWNED_STRUCT(twin_ccid, twin_ccid_free)

/* Takes what one transfer carried. With TWIN_CCID_ANSWER, r->answer is to be sent after r->wait_ms. */
must_check int twin_ccid_take(struct twin_ccid *r, const uint8_t *data, size_t len,
    enum twin_ccid_fate *ret, struct err *e);

/*
 * While the answer waits: a transfer comes in. GetSlotStatus and others find the slot busy, Abort ends
 * the wait (*ret_aborted); r->answer is what to send now, and *waiting stays what was to be sent.
 */
must_check int twin_ccid_interrupt(struct twin_ccid *r, const struct buf *waiting,
    const uint8_t *data, size_t len, bool *ret_aborted, struct err *e);
/* The request for more time that goes before an answer. */
must_check int twin_ccid_extension(const struct buf *waiting, struct buf *ret, struct err *e);

#endif
