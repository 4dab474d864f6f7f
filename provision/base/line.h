/*
 * The one language between kiln's programs: a JSON object per line on a stream socket. Lines are
 * bounded, so that no peer can grow this process.
 */
#ifndef KILN_LINE_H
#define KILN_LINE_H

#include <stdbool.h>

#include "json.h"

/* Of a line with its end. */
enum { LINE_MAX_LEN = 256 * 1024 };

/* A blocking end. The owner closes fd. Buffered input is wiped as it is consumed. */
struct line {
	int fd;
	struct buf in;
};

void line_free(struct line *l);
OWNED_STRUCT(line, line_free)

/*
 * Reads one object. *ret_eof is set, and *ret untouched, when the peer has closed between lines.
 * deadline: absolute CLOCK_MONOTONIC ms, INT64_MAX for none. Errors are of the domain given:
 * "line.timeout", "line.closed" (inside a line), "line.long", "json".
 */
must_check int line_read(struct line *l, json_t **ret, bool *ret_eof, int64_t deadline,
    enum err_domain domain, struct err *e);

/* Writes one object; blocks until all of it is written or the deadline has passed. With a deadline
 * (not INT64_MAX) fd is a socket. Errors: "line.timeout", "line.closed", and "line.long" before the
 * first byte is written. */
must_check int line_write(int fd, const json_t *object, int64_t deadline, enum err_domain domain,
    struct err *e);

#endif
