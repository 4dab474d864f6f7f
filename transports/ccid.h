/*
 * A smart card behind a USB CCID reader (USB-IF CCID 1.10), or a token that is both: APDUs to the card
 * and back. Knows no card application.
 */
#ifndef KILN_CCID_H
#define KILN_CCID_H

#include "buf.h"
#include "transport.h"

enum {
	CCID_ATR_MAX = 33,
	CCID_APDU_MAX =
	    5 + 255 + 1, /* short APDUs: chaining is the application's (ISO 7816-4 5.1.1) */
};

struct ccid {
	struct transport *link; /* borrowed; opened by usb_transport */
	uint8_t sequence;       /* of the last command */
	bool powered;
	uint32_t message_max; /* dwMaxCCIDMessageLength */
	uint32_t features;    /* dwFeatures */
	uint8_t atr[CCID_ATR_MAX];
	size_t atr_len;
};

/* Reads the reader's class descriptor; no I/O. Errors: LINK "ccid.reader" (an exchange level or a
 * feature that is not supported, with its name). */
must_check int ccid_init(struct ccid *c, struct transport *link, struct err *e);

/*
 * Waits for a card and powers it. Errors: LINK "ccid.no-card" (none until the deadline), DEVICE
 * "ccid.mute" (the card does not answer to reset), LINK as the transport's.
 */
must_check int ccid_power_on(struct ccid *c, int64_t deadline, struct err *e);

/*
 * One command APDU, one response APDU (data and SW1 SW2; ret is replaced). The card's and the reader's
 * requests for more time are granted until the deadline; then the command is aborted. Errors: LINK
 * "link.timeout", "link.gone", "ccid.removed" (the card left its reader), "ccid.protocol"; DEVICE
 * "ccid.mute", "ccid.slot" (any other slot error, by its number).
 */
must_check int ccid_transmit(struct ccid *c, const struct buf *apdu, struct buf *ret,
    int64_t deadline, struct err *e);

#endif
