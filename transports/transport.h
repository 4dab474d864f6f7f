/* Bytes to one device and back. A transport knows no protocol. */
#ifndef KILN_TRANSPORT_H
#define KILN_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "own.h"

struct transport;

/* What carries the bytes: a framing has a form for each (DSP0253 and DSP0283 for MCTP). */
enum transport_medium { MEDIUM_SERIAL, MEDIUM_USB };

struct transport_ops {
	const char *scheme; /* what an address begins with: "serial" */
	enum transport_medium medium;

	/*
	 * Opens the place that address names ("serial:/dev/ttyUSB0?baud=115200"), for this process
	 * alone. Errors: LINK "link.absent", "link.permission", "link.locked", "link.address",
	 * "link.interface" (another kind of device is there), "link.gone". A place in USB is given two
	 * seconds to be all there; nothing else is waited for.
	 */
	int (*open)(struct transport **ret, const char *address, struct err *e);

	/*
	 * Reads at least one and at most len bytes; blocks until the deadline (absolute monotonic ms).
	 * Errors: LINK "link.timeout" (retry; nothing was read), "link.gone" (unplugged). On USB also
	 * "link.stall" (retry; the device refused, and its halt was taken back), "link.error" (retry),
	 * "link.babble" (it sent more than it may), "link.memory", "link.size".
	 */
	int (*read)(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
	    struct err *e);

	/* Writes all of len bytes. Errors as read; after one it is unknown how much was written. */
	int (*write)(struct transport *t, const void *data, size_t len, int64_t deadline,
	    struct err *e);

	/* Drops what has arrived and was not read. Never blocks. */
	void (*flush)(struct transport *t);

	void (*close)(struct transport *t);
};

/* An implementation embeds this as its first member. */
struct transport {
	const struct transport_ops *ops;
};

extern const struct transport_ops serial_transport, usb_transport;

/* Opens with the implementation that the address's scheme names. */
must_check int transport_open(struct transport **ret, const char *address, struct err *e);
/* Short for t->ops->...; close takes NULL. */
must_check int transport_read(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e);
must_check int transport_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e);
void transport_flush(struct transport *t);
void transport_close(struct transport *t);
OWNED_PTR(transport, transport_close)

#endif
