/*
 * The device's end of a serial line: bytes at a baud rate. Or of USB: a message for each transfer. The device
 * has a clock of its own, which its line, its computing and its waits advance. An answer leaves when it is due by that
 * clock: one sleep for all that was before it.
 */
#ifndef KILN_TWIN_LINE_H
#define KILN_TWIN_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "own.h"
#include "twin.h"

struct twin_line {
	int fd;       /* master of a pty, or a SOCK_SEQPACKET; not owned; O_NONBLOCK */
	int64_t baud; /* 10 bits per byte; 0: as fast as it goes */
	bool whole;   /* what is written together is one transfer */
	struct twin_account *account; /* not owned; may be NULL */
	int unplugged;                /* struct twin_config's */

	int64_t free_us; /* the device's clock, monotonic: then all so far is over */
	int64_t cpu_us;  /* of this process when the last bytes came; 0: none have since it wrote */
};

/* Errors of all: LINK "twin.line" (the pty is gone), "twin.unplugged". */

/* Blocks until there is something; 1..len bytes, which may still be on their way. */
must_check int twin_line_read(struct twin_line *l, void *data, size_t len, size_t *ret_got,
    struct err *e);
/* Takes as long as the line would. What nobody reads is lost, as it would be. */
must_check int twin_line_write(struct twin_line *l, const void *data, size_t len, struct err *e);
/* The device works so long. */
void twin_line_wait_ms(struct twin_line *l, int64_t ms);
/* Blocks until all so far is over. */
must_check int twin_line_settle(const struct twin_line *l, struct err *e);

#endif
