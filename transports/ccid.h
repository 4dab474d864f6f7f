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
	CCID_ANSWER_MAX = 256 + 2,
};

/* What a reader has beside its bulk pair: as usb.h, which is ccid_usb_port. */
struct ccid_port {
	const uint8_t *(*descriptor)(const struct transport *t, uint8_t type, size_t *ret_len);
	bool (*has_interrupt)(const struct transport *t);
	int (*interrupt)(struct transport *t, void *data, size_t len, size_t *ret_got,
	    int64_t deadline, struct err *e);
	int (*request)(struct transport *t, uint8_t request, uint16_t value, int64_t deadline,
	    struct err *e);
};
extern const struct ccid_port ccid_usb_port;

/* What the reader wants in a block: the card's own protocol, or APDUs (5.1, dwFeatures). */
enum ccid_level { CCID_TPDU, CCID_SHORT_APDU, CCID_EXTENDED_APDU };

struct ccid {
	struct transport *link; /* borrowed; opened by usb_transport */
	const struct ccid_port *port;
	enum ccid_level level;
	uint8_t sequence; /* of the last command */
	bool powered;
	uint32_t message_max; /* dwMaxCCIDMessageLength */
	uint32_t features;    /* dwFeatures */
	uint32_t protocols;   /* dwProtocols: bit per T */
	uint8_t voltages;     /* bVoltageSupport */
	uint8_t atr[CCID_ATR_MAX];
	size_t atr_len;
	struct ccid_t1 { /* the card speaks T=1 and the reader leaves that to us: ccid_t1.h */
		bool used;
		uint8_t information_max; /* IFSC */
		bool send_sequence, receive_sequence;
	} t1;
};

/* Reads the reader's class descriptor; no I/O. Errors: LINK "ccid.reader" (an exchange level or a
 * feature that is not supported, with its name). */
must_check int ccid_init(struct ccid *c, const struct ccid_port *port, struct transport *link,
    struct err *e);

/*
 * Waits for a card and powers it; one that has power is reset. Errors: LINK "ccid.no-card" (none until
 * the deadline), "ccid.reader" (the card's protocol is not one of the reader's); DEVICE "ccid.mute" (the
 * card does not answer to reset); LINK as the transport's.
 */
must_check int ccid_power_on(struct ccid *c, int64_t deadline, struct err *e);

/*
 * One command APDU, one response APDU (data and SW1 SW2; ret is replaced). The card's and the reader's
 * requests for more time are granted until the deadline; then the command is aborted, and where that
 * fails the card has to be powered on again. With T=0 and no reader between, 61xx and 6Cxx are the
 * application's, as they are in ISO 7816-4. Errors: LINK "link.timeout", "link.gone", "ccid.removed" (the
 * card left its reader), "ccid.power" (it has to be powered on first), "ccid.protocol"; DEVICE
 * "ccid.mute", "ccid.slot" (any other slot error, by its number); CONFIG "ccid.apdu".
 */
must_check int ccid_transmit(struct ccid *c, const struct buf *apdu, struct buf *ret,
    int64_t deadline, struct err *e);

#endif
