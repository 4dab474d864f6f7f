/*
 * USB/IP (the kernel's Documentation/usb/usbip_protocol.rst), the device's side of a connection on which
 * a device is plugged already: transfers come as USBIP_CMD_SUBMIT and are answered in any order.
 */
#ifndef KILN_USBIP_H
#define KILN_USBIP_H

#include "pump.h"

enum { USBIP_HEADER_LEN = 48, USBIP_TRANSFER_MAX = 1 << 20 };

struct usbip {
	int fd;            /* stream socket; borrowed */
	struct pump *pump; /* borrowed */
	struct buf in;     /* read and not yet taken apart */
};
void usbip_free(struct usbip *u);
OWNED_STRUCT(usbip, usbip_free)

/*
 * Reads what is there, without blocking where there is nothing, and submits or cancels it. *ret_end: the
 * host has closed. Errors: LINK "twin.usbip" (that is no USB/IP).
 */
must_check int usbip_read(struct usbip *u, bool *ret_end, struct err *e);
/* Turns the pump and answers what is done. Errors: LINK "twin.usbip", as pump_turn. */
must_check int usbip_answer(struct usbip *u, struct err *e);

#endif
