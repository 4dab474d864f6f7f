/* Where labels go: "tcp:192.0.2.7:9100" (a printer that takes what is sent as it comes), "tcp:[2001:db8::7]:9100",
 * or "file:/var/spool/labels/%s.zpl" (one file for each unit; %s is its serial). Host names are not looked up:
 * the station would stand still meanwhile. */
#ifndef KILN_PRINTER_ADDRESS_H
#define KILN_PRINTER_ADDRESS_H

#include <sys/socket.h>

#include "buf.h"

enum { PRINTER_ADDRESS_MAX = 400 };

struct printer_address {
	const char *pattern; /* of a path, borrowed; NULL: it is a socket's */
	struct sockaddr_storage socket;
	socklen_t len;
};

/* text outlives the address. Errors: CONFIG "printer.address". */
must_check int printer_address_parse(const char *text, struct printer_address *ret, struct err *e);
/* The unit's file, as text appended to ret: another one for each serial, and none outside the folder. */
must_check int printer_address_file(const struct printer_address *a, const char *serial,
    struct buf *ret, struct err *e);
/* Blocks for at most timeout_ms; sends nothing. CONFIG "printer.gone", "printer.folder". */
must_check int printer_address_try(const struct printer_address *a, int timeout_ms, struct err *e);

#endif
