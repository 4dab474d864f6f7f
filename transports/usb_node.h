/* The node of the USB device at a place, opened so that it is the right one and nobody else's. */
#ifndef KILN_USB_NODE_H
#define KILN_USB_NODE_H

#include "usb_tree.h"

/*
 * ret_fd: for usbfs, locked, owned by the caller. ret: what was at the place before and after the node
 * was opened. Errors: LINK "link.address" (no place), "link.absent", "link.permission", "link.locked".
 */
must_check int usb_node_open(const char *place, struct usb_device *ret, int *ret_fd, struct err *e);

/* The kernel driver that has an interface of it, or NULL where none has: then it may be a program. */
const char *usb_node_holder(const struct usb_device *device, uint8_t interface);

#endif
