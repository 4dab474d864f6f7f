/*
 * Children of one kind behind one queue: enrollers, the signer. A child that ends is started again
 * with a growing pause, up to a limit; what it was asked is answered with the error. While none of
 * them can be started, questions are answered with the last reason.
 */
#ifndef KILN_POOL_H
#define KILN_POOL_H

#include "child.h"

struct pool;

struct pool_config {
	const char *program;
	enum err_domain domain;
	size_t children;
	int open_ms; /* how long the open request may take */
	/* Makes the request that opens a child; called at every start. */
	json_t *(*make_open)(void *context, struct err *e);
	/* Every end of a child, for the events; the pool goes on by itself. */
	void (*ended)(void *context, const char *program, const struct err *why);
	void *context;
};

/* config's texts outlive the pool. */
must_check int pool_start(struct pool **ret, struct event_base *loop,
    const struct pool_config *config, struct err *e);

/* Queues a question (request is taken over). answer is called exactly once, never before this
 * returns; deadline_ms counts from when a child is asked. */
must_check int pool_ask(struct pool *p, json_t *request, int64_t deadline_ms, child_answer *answer,
    void *context, struct err *e);

size_t pool_waiting(const struct pool *p);
/* Ends the children; what is queued is never answered. */
void pool_stop(struct pool *p);
OWNED_PTR(pool, pool_stop)

#endif
