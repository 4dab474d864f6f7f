/*
 * One interface of one USB device, as bytes: its bulk endpoints, and what smart card readers need
 * beside them. The address says where and what:
 *
 *   usb:pci-0000:00:14.0/usb2/3.1?interface=mctp      (usb_tree.h has places)
 *
 * "mctp" and "ccid" stand for the interface's class, wherever in the device it is. Opens by place; never
 * resets, never sets a configuration; takes the interface from a kernel driver that has it. After open
 * nothing is opened any more: kiln-slot's sandbox relies on it.
 *
 * A write is one transfer of at most USB_TRANSFER_MAX bytes, ended by a zero-length packet where its
 * length asks for one (not in CCID, whose messages tell their length). A read is one transfer with room
 * for len, rounded up to whole packets: what it brought beyond len is there at the next read. What a
 * transfer had received at the deadline is given, not dropped. A flush drops what is on this side; what
 * is still in the device has not arrived.
 */
#ifndef KILN_USB_H
#define KILN_USB_H

#include "transport.h"

enum { USB_TRANSFER_MAX = 16384 };

/* t was opened by usb_transport. Borrowed; the class-specific descriptor of the interface (what stands
 * behind it in the configuration), NULL where it has none of that type. */
const uint8_t *usb_class_descriptor(const struct transport *t, uint8_t type, size_t *ret_len);

/* True where the interface has an interrupt IN endpoint. */
bool usb_has_interrupt(const struct transport *t);

/*
 * One interrupt transfer. Errors: LINK "link.timeout" (retry), "link.gone". What comes while nobody
 * waits is lost, as on any interrupt endpoint; what is longer than len is cut.
 */
must_check int usb_interrupt(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e);

/* A class request to the interface without data (CCID's ABORT). Errors as write. */
must_check int usb_class_request(struct transport *t, uint8_t request, uint16_t value,
    int64_t deadline, struct err *e);

#endif
