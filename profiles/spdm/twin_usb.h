/*
 * DSP0283 as the device side speaks it: MCTP packets behind each other in a bulk transfer, each with a
 * header that says its length. Written from the specification and not from the driver.
 */
#ifndef KILN_TWIN_USB_H
#define KILN_TWIN_USB_H

#include <stdbool.h>

#include "buf.h"

enum {
	TWIN_USB_CLASS =
	    0x14, /* of the interface: MCTP, device, version 1 (DSP0283, USB descriptors) */
	TWIN_USB_SUBCLASS = 0x00,
	TWIN_USB_PROTOCOL = 0x01,
	TWIN_USB_TRANSFER_MAX = 512,
};

/* The next packet of a transfer; *at begins with 0. False at its end, and at what is no packet: a
 * receiver can not find its way behind that. */
bool twin_usb_next(const uint8_t *transfer, size_t len, size_t *at, const uint8_t **ret_packet,
    size_t *ret_len);

/* A packet of len fits behind what the transfer has. */
bool twin_usb_has_room(const struct buf *transfer, size_t len);
/* Appends one with its header. len is at least 5 and at most 251. */
must_check int twin_usb_add(const uint8_t *packet, size_t len, struct buf *transfer, struct err *e);

#endif
