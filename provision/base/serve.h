/*
 * The child's end of a line channel: greet, then answer requests one at a time until the station
 * closes. A request is {"id": n, "do": "name", ...}; the answer {"id": n, "ok": {...}} or
 * {"id": n, "err": {...}} (json_from_err). Every program but the station is one such loop.
 */
#ifndef KILN_SERVE_H
#define KILN_SERVE_H

#include <sys/types.h>

#include "line.h"

/* Where a program that the station starts finds its channel. */
enum { SERVE_FD = 3 };

struct serve_call {
	const char *name;
	/* request is whole; ok is an empty object to fill. May block until the request's "deadline".
	 * SERVE_LEAVE: as 0, and it was the last that is served. */
	int (*run)(void *context, const json_t *request, json_t *ok, struct err *e);
};

enum { SERVE_LEAVE = 1 };

/* The request's "deadline" member: absolute CLOCK_MONOTONIC ms, INT64_MAX where there is none. */
int64_t serve_deadline(const json_t *request);

/*
 * Sets PR_SET_PDEATHSIG (when die_with_parent), turns core dumps off, greets with
 * {"hello": program, "build": build_id()} on SERVE_FD and answers. 0 at end of file, SERVE_LEAVE after
 * a call that says so, -1 when the channel is unusable. calls has count rows.
 */
must_check int serve(const char *program, bool die_with_parent, const struct serve_call *calls,
    size_t count, void *context, struct err *e);

/* The parts of serve, for a program with a loop of its own. PR_SET_PDEATHSIG, no core dumps, SIGPIPE
 * ignored; */
must_check int serve_harden(bool die_with_parent, struct err *e);
/* parent's death is this process's, also where it came before this; */
must_check int serve_tie(pid_t parent, struct err *e);
/* the answering, after the greeting; */
must_check int serve_on(const struct serve_call *calls, size_t count, void *context, struct err *e);
/* one answer: ok (taken over), or why where that is NULL. Where nobody is left to be told it is nothing. */
must_check int serve_answer(const json_t *request, json_t *ok, const struct err *why,
    struct err *e);

/* Hex digest over the sources this program was built from. */
const char *build_id(void);

#endif
