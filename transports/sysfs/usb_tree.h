/*
 * What is plugged into USB, and where, as sysfs tells it: no device is opened. A place is a position
 * in the tree of hubs that stays the same when a device is replaced, re-enumerates or the machine
 * starts again:
 *
 *   pci-0000:00:14.0/usb2/3.1.2
 *
 * the host controller (its bus and its name on it), the root hub by the USB version it speaks ("usb1",
 * "usb2", "usb3": a controller has one of each at most, and counts their ports apart), and the ports
 * down to the device. Bus numbers and device addresses change and are in no place.
 */
#ifndef KILN_USB_TREE_H
#define KILN_USB_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "own.h"

enum {
	USB_PLACE_MAX = 127,
	USB_TEXT_MAX = 126, /* a string descriptor's characters (USB 2.0, 9.6.7) */
	USB_INTERFACES_MAX = 16,
	USB_DEPTH_MAX = 6, /* ports from the root hub to a device */

	USB_CLASS_MCTP = 0x14, /* DSP0283 */
	USB_CLASS_CCID = 0x0b,
};

struct usb_interface {
	uint8_t number, class, subclass, protocol;
	char driver[32]; /* of the kernel; "" */
	char tty[32];    /* "ttyACM0"; "" where it is no serial port */
};

/* Texts are what the device claims: printable ASCII, anything else is '?'; "" where it says nothing. */
struct usb_device {
	char place[USB_PLACE_MAX + 1];
	char
	    peer[USB_PLACE_MAX + 1]; /* the same connector below the other root hub (USB 2/3); "" */
	char node[32];               /* "/dev/bus/usb/003/017" */
	dev_t dev;                   /* of the node: another one after each plug */
	uint16_t vendor, product;
	uint32_t speed_kbit; /* 1500, 12000, 480000, 5000000, ...; 0: not said */
	bool is_hub;
	char manufacturer[USB_TEXT_MAX + 1], product_name[USB_TEXT_MAX + 1],
	    serial[USB_TEXT_MAX + 1];
	struct usb_interface interfaces[USB_INTERFACES_MAX];
	size_t interface_count;
};

/* The text is a place in the one spelling that a place has. Error: CONFIG "place". */
must_check int usb_place_check(const char *text, struct err *e);

/*
 * All devices but the root hubs, ordered by place; free the array with free(). root: "" for this
 * machine's /sys, else a folder that has one. A machine without USB has none. Errors: CONFIG "usb"
 * (sysfs is not readable).
 */
must_check int usb_tree_read(const char *root, struct usb_device **ret, size_t *ret_count,
    struct err *e);

/* The device at a place. Errors: LINK "link.absent"; CONFIG "usb". */
must_check int usb_tree_find(const char *root, const char *place, struct usb_device *ret,
    struct err *e);

/*
 * The serial port behind the device: the one tty, or the tty of that interface (number >= 0). Borrowed
 * from device. Errors: LINK "link.absent" (there is none yet), "link.address" (several and no number).
 */
must_check int usb_device_tty(const struct usb_device *device, int number, const char **ret,
    struct err *e);

#endif
