/* MCTP (DSP0236) as a simple endpoint on a point-to-point line: assembly, packets, control messages. */
#ifndef KILN_TWIN_MCTP_H
#define KILN_TWIN_MCTP_H

#include <stdbool.h>

#include "buf.h"

enum {
	TWIN_MCTP_CONTROL = 0x00,
	TWIN_MCTP_SPDM = 0x05,
	TWIN_EID = 9, /* until the bus owner sets another */
	TWIN_TAGS = 8,
};

/* One message on its way in; its key is (source, destination, tag). */
struct twin_assembly {
	bool open;
	uint8_t source, destination, next_sequence;
	size_t fragment; /* payload of every packet but the last */
	struct buf message;
};

struct twin_mctp {
	uint8_t eid, sequence;
	uint8_t uuid[16];
	struct twin_assembly tags[TWIN_TAGS];
};
void twin_mctp_init(struct twin_mctp *m, const uint8_t uuid[static 16]);
void twin_mctp_free(struct twin_mctp *m);
OWNED_STRUCT(twin_mctp, twin_mctp_free)

/* Where a request came from: its answer goes back there. */
struct twin_origin {
	uint8_t source, tag;
};

/*
 * Takes one packet. *ret_whole is set when it completed a request to this endpoint; message (the type
 * byte first) is then replaced. What is not for us, out of order or no request is dropped silently.
 */
must_check int twin_mctp_take(struct twin_mctp *m, const uint8_t *packet, size_t len,
    struct twin_origin *ret_origin, struct buf *message, bool *ret_whole, struct err *e);

/* Answers a control message (DSP0236 12); nothing is appended where none is due. */
must_check int twin_mctp_control(struct twin_mctp *m, const uint8_t *request, size_t len,
    struct buf *answer, struct err *e);

/* Calls put for each packet of the message (type byte first), in order. */
must_check int twin_mctp_split(struct twin_mctp *m, const struct twin_origin *to,
    const struct buf *message, int (*put)(void *context, const uint8_t *, size_t, struct err *),
    void *context, struct err *e);

#endif
