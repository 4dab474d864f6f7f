/*
 * MCTP (DMTF DSP0236) to the one device on a link: messages of up to MCTP_BODY_MAX bytes in packets of
 * 64. The link's medium chooses the binding: on a serial line (DSP0253) each packet is in a frame with
 * a checksum, over USB (DSP0283) whole packets share a transfer. What is damaged, unknown or not asked
 * for is dropped without an answer, as the standards say: it shows as a timeout.
 */
#ifndef KILN_MCTP_H
#define KILN_MCTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "own.h"
#include "transport.h"

enum {
	MCTP_HEADER_LEN = 4,
	MCTP_PAYLOAD_MAX = 64, /* baseline transmission unit */
	MCTP_PACKET_MIN = MCTP_HEADER_LEN + 1,
	MCTP_PACKET_MAX = MCTP_HEADER_LEN + MCTP_PAYLOAD_MAX,
	MCTP_BODY_MAX = 0x10400,
	MCTP_USB_TRANSFER_MAX = 512,

	MCTP_EID_NULL = 0, /* whoever is at the other end */
	MCTP_EID_STATION = 8,
	MCTP_EID_DEVICE = 9,

	MCTP_TYPE_CONTROL = 0x00,
	MCTP_TYPE_SPDM = 0x05,
};

/* One packet in its frame for a line, appended to ret. len is MCTP_PACKET_MIN .. MCTP_PACKET_MAX. */
must_check int mctp_frame(const uint8_t *packet, size_t len, struct buf *ret, struct err *e);

/* Finds frames in a stream of bytes; { 0 } hunts for the first flag. */
struct mctp_framer {
	enum mctp_framer_state {
		MCTP_HUNT,
		MCTP_FLAG,
		MCTP_COUNT,
		MCTP_DATA,
		MCTP_ESCAPE,
		MCTP_FCS_HIGH,
		MCTP_FCS_LOW,
		MCTP_END,
	} state;
	uint16_t fcs;      /* over what has come */
	uint16_t sent_fcs; /* what the frame says */
	size_t want, len;
	uint8_t packet[MCTP_PACKET_MAX];
};
/* True where byte completes a frame: its packet is packet[0 .. len) until the next call. */
must_check bool mctp_framer_push(struct mctp_framer *f, uint8_t byte);

/* The same for USB. */
must_check int mctp_usb_frame(const uint8_t *packet, size_t len, struct buf *ret, struct err *e);
/* The length of the packet that a transfer begins with, up to what its frame can say (beyond
 * MCTP_PACKET_MAX); 0 where it begins with none. */
must_check size_t mctp_usb_find(const uint8_t *transfer, size_t len, const uint8_t **ret_packet);

struct mctp_message {
	uint8_t destination, source; /* endpoint ids */
	uint8_t tag;                 /* 0..7, the requester's choice */
	bool owner;                  /* the sender chose the tag: a request */
	uint8_t type;                /* MCTP_TYPE_... */
	struct buf body;             /* without the type byte */
};
void mctp_message_free(struct mctp_message *m);
OWNED_STRUCT(mctp_message, mctp_message_free)

/* One side of a link. */
struct mctp {
	struct transport *link;      /* borrowed */
	uint8_t tag;                 /* of the last request */
	uint8_t sequence;            /* of the next packet */
	struct mctp_framer framer;   /* of a serial line */
	struct mctp_message partial; /* under assembly while partial_open */
	bool partial_open;
	uint8_t partial_sequence;          /* of its last packet */
	size_t partial_unit;               /* payload of its first packet */
	uint8_t in[MCTP_USB_TRANSFER_MAX]; /* read and not yet looked at: in[in_pos .. in_len) */
	size_t in_pos, in_len;
};
void mctp_init(struct mctp *m, struct transport *link);
void mctp_free(struct mctp *m);

/* Blocks until all of it is written. Errors as transport_write. */
must_check int mctp_send(struct mctp *m, const struct mctp_message *message, int64_t deadline,
    struct err *e);
/* The next whole message, whatever it is. Errors as transport_read. */
must_check int mctp_receive(struct mctp *m, struct mctp_message *ret, int64_t deadline,
    struct err *e);

/*
 * Sends a request under a new tag to whoever is on the line and waits for its answer, whose body is
 * put in ret. Answers to earlier requests, and any other message, are dropped.
 */
must_check int mctp_request(struct mctp *m, uint8_t type, const struct buf *body, struct buf *ret,
    int64_t deadline, struct err *e);

/* Listens until then and drops what comes: a pause that notices when the device leaves. Errors: LINK
 * "link.gone". */
must_check int mctp_idle(struct mctp *m, int64_t until, struct err *e);

#endif
