/*
 * A USB device without I/O (USB 2.0, chapters 5, 8 and 9): one configuration, one interface of a struct
 * twin_usb with its bulk pair, and an interrupt endpoint where it has a notice. Transfers of the host
 * and whole messages of the twin in, what the device makes of them out. It knows no time.
 */
#ifndef KILN_GADGET_H
#define KILN_GADGET_H

#include "buf.h"
#include "gadget_plan.h"
#include "twin.h"

enum gadget_speed { GADGET_FULL, GADGET_HIGH };

enum {
	GADGET_OUT = 0x01, /* endpoint addresses */
	GADGET_IN = 0x81,
	GADGET_NOTICE = 0x82,
	GADGET_NOTICE_MAX = 8,
	GADGET_SETUP_LEN = 8,
	GADGET_MESSAGE_MAX = 65536, /* more without a short packet halts the endpoint */
};

/* What became of a transfer. */
enum gadget_fate {
	GADGET_DONE,
	GADGET_WAITS,   /* NAK: not over yet; asked again it goes on */
	GADGET_STALLED, /* STALL: a request error, or the endpoint is halted */
	GADGET_BABBLED, /* the device sent more than there was room for */
	GADGET_GONE,    /* it left in the middle */
};

struct gadget {
	const struct twin_usb *usb; /* borrowed, as the texts */
	const char *model, *serial;
	enum gadget_speed speed;
	struct gadget_plan plan;
	uint8_t configuration;
	bool halted_out, halted_in, halted_notice;
	bool notice_due;
	bool gone;
	struct buf received; /* from the host */
	bool received_whole;
	struct buf sending; /* to the host */
	bool sending_busy;
	size_t sending_cut; /* its first transfer ends after so many bytes; 0: not cut */
	size_t transferred; /* of the transfer that is on its way, already with the host */
};
/* Powered and not configured. usb, model and serial outlive it. */
void gadget_init(struct gadget *g, const struct twin_usb *usb, enum gadget_speed speed,
    const char *model, const char *serial);
void gadget_free(struct gadget *g);
OWNED_STRUCT(gadget, gadget_free)

/* wMaxPacketSize of the bulk endpoints. */
size_t gadget_packet(const struct gadget *g);

/* Appends a descriptor (USB 2.0, 9.6); nothing where the device has none of that type and index. */
must_check int gadget_descriptor(const struct gadget *g, uint8_t type, uint8_t index,
    struct buf *ret, struct err *e);

/*
 * A control transfer. data is what the host sends; where it reads, it is replaced by what it gets, at
 * most its wLength. Never GADGET_WAITS.
 */
must_check int gadget_control(struct gadget *g, const uint8_t setup[static GADGET_SETUP_LEN],
    struct buf *data, enum gadget_fate *ret, struct err *e);

/* A transfer to GADGET_OUT; zero: the host ends it with a zero-length packet if it needs one. While a
 * message waits for gadget_take it is GADGET_WAITS, and nothing of it was taken. */
must_check int gadget_out(struct gadget *g, const void *data, size_t len, bool zero,
    enum gadget_fate *ret, struct err *e);

/* A transfer from GADGET_IN or GADGET_NOTICE: appends up to room bytes to data, also where it says
 * GADGET_WAITS. */
must_check int gadget_in(struct gadget *g, uint8_t endpoint, size_t room, struct buf *data,
    enum gadget_fate *ret, struct err *e);

/* A whole message from the host, moved to ret (replaced); false where there is none. */
bool gadget_take(struct gadget *g, struct buf *ret);

/* A message of the twin, sent while it does step (or -1). Only while sending_busy is false. */
must_check int gadget_put(struct gadget *g, const void *data, size_t len, int step, struct err *e);

#endif
