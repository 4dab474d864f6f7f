/* Which serial port an address means: a path, or what is behind a USB device at a place. */
#ifndef KILN_SERIAL_PORT_H
#define KILN_SERIAL_PORT_H

#include "address.h"
#include "usb_tree.h"

struct serial_port {
	char path[ADDRESS_WHERE_MAX + 1];
	unsigned baud;
	int interface; /* of the device; -1: its only one */
	bool by_place;
	struct usb_device device; /* where by_place: what is there */
};

/*
 * serial:PATH[?baud=N], serial:PLACE[?baud=N][&interface=M]; a place is looked up; by_place is set in any
 * case. Errors: LINK "link.address", "link.absent"; CONFIG "usb".
 */
must_check int serial_port_parse(const char *address, struct serial_port *ret, struct err *e);

/*
 * That fd, which was opened by port->path, is the port that the place has: ttyACM0 is given to the next
 * device when one leaves. Errors: LINK "link.absent".
 */
must_check int serial_port_check(const struct serial_port *port, int fd, struct err *e);

/* The number of a pseudo terminal's slave. */
bool serial_port_is_pty(dev_t dev);

#endif
