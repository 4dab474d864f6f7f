/*
 * The control socket: consoles and commands ask the station, and hear what happens. A Unix stream
 * socket with one JSON object a line (line.h); whoever connects is greeted with
 * {"hello":"kiln-station","build","protocol":1,"run"}.
 *
 *   status                   {snapshot}
 *   subscribe [from, run]    {n, reset, [snapshot]}; then every event above n, once and in order. from and
 *                            run: where the listener was; reset: that is not kept any more (or of another
 *                            run), so it begins at n with the snapshot
 *   unsubscribe              {}
 *
 * are answered here, anything else by the owner. A client that does not read costs a bounded amount of
 * memory and is closed when what it has not heard is no longer kept; nobody waits for it.
 */
#ifndef KILN_CONTROL_H
#define KILN_CONTROL_H

#include <sys/types.h>

#include <event2/event.h>

#include "told.h"

enum { CONTROL_CLIENTS_MAX = 128, CONTROL_PROTOCOL = 1 };

struct control;

/* A request that is to be answered, now or later; its client may have gone meanwhile. */
struct control_question {
	struct control *control;
	uint64_t client;
	int64_t id;
	uid_t uid;       /* of the client's process */
	json_t *request; /* owned */
};
/* Both take the question over; ok is taken over too, and may be NULL for an empty one. */
void control_answer(struct control_question *q, json_t *ok);
void control_refuse(struct control_question *q, const struct err *why);

struct control_terms {
	const char *path; /* of the socket; a stale one is replaced */
	mode_t mode;
	gid_t group; /* whose members may ask, beside root and this user; (gid_t)-1: nobody else */
};

struct control_hooks {
	/* The state of everything, owned by the caller; NULL where memory ran out. */
	json_t *(*snapshot)(void *context);
	void (*asked)(void *context, struct control_question *q);
	void *context;
};

/* Errors: CONFIG "control.socket" (a path too long, a folder that is not there), "control.used". */
must_check int control_open(struct control **ret, struct event_base *loop,
    const struct control_terms *terms, const struct control_hooks *hooks, struct err *e);
/* Every question has been answered before. */
void control_close(struct control *c);
OWNED_PTR(control, control_close)

/* Numbers the event and sends it to whoever listens. */
must_check int control_tell(struct control *c, json_t *event, struct err *e);
/* A sign of life to listeners who have heard everything; not kept, without a number. */
void control_beat(struct control *c);

#endif
