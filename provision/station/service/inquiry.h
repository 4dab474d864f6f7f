/*
 * Questions that take longer to answer than the station's loop may wait: a program (this one, with a command that reads
 * the records through a connection of its own) is started for each, and what it writes is the answer. At most
 * INQUIRY_RUNNING_MAX run at once, with little of the machine; others wait their turn.
 */
#ifndef KILN_INQUIRY_H
#define KILN_INQUIRY_H

#include <event2/event.h>

#include "json.h"

enum {
	INQUIRY_RUNNING_MAX = 2,
	INQUIRY_WAITING_MAX = 16,
	INQUIRY_ARGUMENTS_MAX = 12,
};

struct inquiry;

/*
 * answer: the object that was written, the callee's now; NULL where why says why: what the program said ({"err": {...}}),
 * or RECORDS "inquiry.died", "inquiry.timeout", OPERATOR "inquiry.long" (more than was wanted of it), "station.ending".
 */
typedef void inquiry_answer(void *context, json_t *answer, const struct err *why);

/* program: a path, which outlives it. patience_ms: from a question to its answer. */
must_check int inquiry_open(struct inquiry **ret, struct event_base *loop, const char *program,
    int patience_ms, struct err *e);
/* Kills what runs, and answers everything that was asked. */
void inquiry_close(struct inquiry *i);
OWNED_PTR(inquiry, inquiry_close)

/*
 * arguments: NULL at the end, copied. most: bytes that the answer may have. answer is called exactly once, never
 * before this returns 0. Errors: OPERATOR "inquiry.busy" (too many wait), CONFIG "proc".
 */
must_check int inquiry_ask(struct inquiry *i, const char *const arguments[], size_t most,
    inquiry_answer *answer, void *context, struct err *e);

#endif
