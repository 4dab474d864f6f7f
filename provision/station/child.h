/*
 * One child process on the station's loop: started, greeted, opened, asked one thing at a time, killed
 * when it misses a deadline, reaped. It never blocks the loop.
 */
#ifndef KILN_CHILD_H
#define KILN_CHILD_H

#include <sys/types.h>

#include <event2/event.h>

#include "json.h"

struct child;

/* answer is the "ok" object (borrowed), or NULL where e says why. e->code "child.timeout" and
 * "child.died" are the child's own end; everything else is what the child answered. */
typedef void child_answer(void *context, const json_t *answer, const struct err *e);

struct child_events {
	/* The child greeted, and answered the open request where there was one. -1 with e: it is of no
	 * use, and is ended for that. */
	int (*ready)(void *context, const json_t *answer, struct err *e);
	/* It is gone (killed, crashed, refused to open); why says so. The child is freed right after
	 * this returns; an outstanding question has been answered before. */
	void (*ended)(void *context, const struct err *why);
	void *context;
};

/*
 * Starts program with arguments (NULL at the end). open is the first request (taken over, may be
 * NULL), its answer due within open_ms. domain is blamed for what goes wrong with the child itself.
 * Two calls never happen before this returns: ready and ended.
 */
must_check int child_start(struct child **ret, struct event_base *loop, const char *program,
    const char *const arguments[], json_t *open, int open_ms, enum err_domain domain,
    const struct child_events *events, struct err *e);

/* A child of this process that another program made (stem.h), with the other end of fd as its SERVE_FD. */
struct child_process {
	pid_t pid;
	int fd;
};

/* As child_start with such a process, which does not greet, and is taken over, also where this fails. */
must_check int child_adopt(struct child **ret, struct event_base *loop, const char *program,
    const struct child_process *process, json_t *open, int open_ms, enum err_domain domain,
    const struct child_events *events, struct err *e);
/* SIGKILL, reaped before this returns: nobody wants it. */
void child_discard(const struct child_process *process);

/* One question at a time. request is taken over and gets "id" and "deadline" (deadline_ms from now,
 * with a grace for the answer's way back). answer is called exactly once, never before this returns. */
must_check int child_ask(struct child *c, json_t *request, int64_t deadline_ms,
    child_answer *answer, void *context, struct err *e);

/* The same, and the child receives the descriptor fd with it, which stays the caller's. */
must_check int child_ask_with(struct child *c, json_t *request, int fd, int64_t deadline_ms,
    child_answer *answer, void *context, struct err *e);

/* Ends it from the loop, not from here, also while it is busy; events->ended gets why. */
void child_end(struct child *c, const struct err *why);
bool child_is_busy(const struct child *c);
/* Closes the channel and waits until it has ended by itself; kills it after grace_ms. No event is
 * called any more. */
void child_stop(struct child *c, int grace_ms);
/* SIGKILL, reaped before this returns. No event is called any more. */
void child_kill(struct child *c);

#endif
