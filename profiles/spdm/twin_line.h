/* The device's end of a serial line: bytes at a baud rate. Or of USB: a message for each transfer. */
#ifndef KILN_TWIN_LINE_H
#define KILN_TWIN_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "own.h"
#include "twin.h"

struct twin_line {
	int fd;                       /* master of a pty, or a SOCK_SEQPACKET; not owned */
	int64_t baud;                 /* 10 bits per byte; 0: as fast as it goes */
	bool whole;                   /* what is written together is one transfer */
	struct twin_account *account; /* not owned; may be NULL */
};

/* Blocks until there is something; 1..len bytes. Errors: LINK "twin.line" (the pty is gone). */
must_check int twin_line_read(const struct twin_line *l, void *data, size_t len, size_t *ret_got,
    struct err *e);
/* Takes as long as the line would. What nobody reads is lost, as it would be. */
must_check int twin_line_write(const struct twin_line *l, const void *data, size_t len,
    struct err *e);
/* Lets time pass. */
void twin_line_wait_ms(int64_t ms);

#endif
