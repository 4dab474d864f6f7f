/*
 * A barcode scanner on a serial port. Whatever comes from it is hostile: lines are bounded, printable, and
 * only so many a second. It may leave and come back; nobody waits for it.
 */
#ifndef KILN_SCANNER_H
#define KILN_SCANNER_H

#include <stdint.h>

#include <event2/event.h>

#include "err.h"
#include "own.h"

struct scanner;

/* All called from the loop. */
struct scanner_hooks {
	/* A line, printable, 1 to SCAN_TEXT_MAX characters. */
	void (*scanned)(void *context, const char *text);
	/* What came is no such line. OPERATOR "scan.text", "scan.unended" (no CR or LF), "scan.flood". */
	void (*refused)(void *context, const struct err *why);
	/* It can not be read any more, told once: LINK "scanner.absent", "scanner.permission",
	 * "scanner.port" (no serial port), "scanner.used", "scanner.gone". NULL: it can be again. */
	void (*state)(void *context, const struct err *why);
	void *context;
};

/* path is borrowed. It is opened from the loop, and again and again where it is not there. */
must_check int scanner_open(struct scanner **ret, struct event_base *loop, const char *path,
    int64_t baud, const struct scanner_hooks *hooks, struct err *e);
void scanner_close(struct scanner *s);
OWNED_PTR(scanner, scanner_close)

#endif
