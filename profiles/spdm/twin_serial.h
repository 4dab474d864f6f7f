/*
 * DSP0253 as the device side speaks it: MCTP packets in frames on a serial line. Written from the
 * specification and not from the driver, so that a mistake in one does not agree with the other.
 */
#ifndef KILN_TWIN_SERIAL_H
#define KILN_TWIN_SERIAL_H

#include <stdbool.h>

#include "buf.h"

enum {
	TWIN_PACKET_MIN = 5,  /* MCTP header and one byte */
	TWIN_PACKET_MAX = 68, /* header and the baseline 64 bytes */
};

enum twin_serial_state {
	TWIN_SERIAL_HUNT, /* for a flag */
	TWIN_SERIAL_REVISION,
	TWIN_SERIAL_COUNT,
	TWIN_SERIAL_DATA,
	TWIN_SERIAL_ESCAPED,
	TWIN_SERIAL_FCS_HIGH,
	TWIN_SERIAL_FCS_LOW,
	TWIN_SERIAL_END,
};

/* The receiver; { 0 } is hunting. */
struct twin_serial {
	enum twin_serial_state state;
	uint8_t packet[TWIN_PACKET_MAX];
	size_t want, got;
	uint16_t fcs; /* as received */
};

/* Takes one byte off the line; true when a whole good packet (want bytes) is in t->packet. */
bool twin_serial_take(struct twin_serial *t, uint8_t byte);

/* Appends one packet's frame. len is within the two limits. */
must_check int twin_serial_frame(const uint8_t *packet, size_t len, struct buf *ret, struct err *e);

#endif
