/* A child process that a command asks synchronously, outside any loop (kiln hsm, doctor). */
#ifndef KILN_PEER_H
#define KILN_PEER_H

#include <sys/types.h>

#include "line.h"

struct peer {
	const char *program;
	pid_t pid; /* 0: not running */
	struct line line;
	int64_t id;
	json_t *greeting;
};

/* Starts it and reads its greeting, which stays in p->greeting. program outlives the peer. */
must_check int peer_start(struct peer *p, const char *program, const char *const arguments[],
    struct err *e);
/* Asks and waits at most ms. request is taken over; *ret is the "ok" object. */
must_check int peer_ask(struct peer *p, json_t *request, int64_t ms, json_t **ret, struct err *e);
/* Closes the channel, waits up to two seconds, then kills. */
void peer_stop(struct peer *p);
OWNED_STRUCT(peer, peer_stop)

#endif
