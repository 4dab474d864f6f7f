/* Server-Sent Events (HTML, section 9.2): the text of one, and the place where a browser was. */
#ifndef KILN_SSE_H
#define KILN_SSE_H

#include "buf.h"

enum { SSE_RUN_MAX = 32 };

/* A station's run, hex, and the number of an event of it (control.h). */
struct sse_place {
	char run[SSE_RUN_MAX + 1]; /* "": nothing was heard yet */
	int64_t n;
};

/* An event's id, "RUN-N". False where the text is no such thing (ret is then untouched). */
must_check bool sse_place_parse(const char *text, struct sse_place *ret);

/* Appends one event. place: its id, NULL for none. name is ours; data may be any text. */
must_check int sse_add(struct buf *ret, const char *name, const struct sse_place *place,
    const char *data, size_t len, struct err *e);

#endif
