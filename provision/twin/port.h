/* The tty of one plugged device: a raw pseudo terminal, and the link by which a station finds it. */
#ifndef KILN_TWIN_PORT_H
#define KILN_TWIN_PORT_H

#include "err.h"
#include "own.h"

/*
 * The twin's process keeps the slave open too: else the master would report a hang-up whenever no
 * station has the port open.
 */
struct port {
	int master, slave;
	const char *link; /* borrowed */
};

/* Makes the tty and the link to it. Errors: CONFIG "twin.port". */
must_check int port_open(struct port *ret, const char *link, struct err *e);
/* Waits a little until the station has read what the device sent last. */
void port_drain(const struct port *p);
/* Removes the link, then the tty. */
void port_close(struct port *p);

#endif
