/*
 * The kernel's virtual USB host controller (drivers/usb/usbip/vhci_sysfs.c): free ports, and devices
 * that are plugged into them by handing over a socket on which they speak USB/IP.
 */
#ifndef KILN_VHCI_H
#define KILN_VHCI_H

#include <stddef.h>

#include "err.h"
#include "own.h"

#define VHCI_FOLDER "/sys/devices/platform/vhci_hcd.0"

enum { VHCI_PLACE_MAX = 48 };

enum vhci_speed { VHCI_FULL = 2, VHCI_HIGH = 3 }; /* enum usb_device_speed of <linux/usb/ch9.h> */

struct vhci_port {
	unsigned number;            /* what attach and detach call it */
	char place[VHCI_PLACE_MAX]; /* usb_tree.h has places */
};

/*
 * The first count free ports that take devices of those speeds. Errors: CONFIG "twin.vhci" (there is no
 * controller, it may not be written, too few ports: each with what to do).
 */
must_check int vhci_find(const char *folder, struct vhci_port *ret, size_t count, struct err *e);

/* Plugs the device behind the stream socket, which the kernel keeps. Waits until the port is free of
 * the one before. Errors: CONFIG "twin.vhci". */
must_check int vhci_attach(const char *folder, unsigned port, int fd, unsigned devid,
    enum vhci_speed speed, struct err *e);
/* Unplugs; nothing happens where nothing is plugged. */
void vhci_detach(const char *folder, unsigned port);

#endif
