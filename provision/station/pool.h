/*
 * Children of one kind behind one queue: enrollers, the signer. A child that ends is started again with
 * a growing pause, for ever, unless a person must act first (a wrong PIN is used once). One whose token
 * fails it is ended and started anew, because only a new process finds its key again (hsm.h). What a
 * child was asked when it ended is answered with the error. While none of them runs and some starts
 * have failed, questions are answered with the last reason: code "pool.down", or a final reason's own.
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
	/* Judges what a child says when it has opened; -1 with e: no child of this kind is of use. May
	 * be NULL. */
	int (*opened)(void *context, const json_t *answer, struct err *e);
	/* A child's end, for the events; the pool goes on by itself. When starts have failed again and
	 * again it is no longer told until one works. */
	void (*ended)(void *context, const char *program, const struct err *why);
	/* A child can be asked (again). May be NULL. */
	void (*ready)(void *context);
	void *context;
};

/* config's texts outlive the pool. */
must_check int pool_start(struct pool **ret, struct event_base *loop,
    const struct pool_config *config, struct err *e);

/* Queues a question (request is taken over). answer is called exactly once, never before this
 * returns; deadline_ms counts from when a child is asked. */
must_check int pool_ask(struct pool *p, json_t *request, int64_t deadline_ms, child_answer *answer,
    void *context, struct err *e);

/* The same, and the child receives the descriptor fd with it, which is taken over. */
must_check int pool_ask_with(struct pool *p, json_t *request, int fd, int64_t deadline_ms,
    child_answer *answer, void *context, struct err *e);

/* True of an answer's error that passes once a child has been started again. */
bool pool_is_outage(const struct err *why);
/* A child is missing; config.ready will tell of the next that comes. */
bool pool_is_short(const struct pool *p);
/* None of the children will run again before a person acts. */
bool pool_is_lost(const struct pool *p);
/* Ends the children, for why; new ones are started. What they were asked is answered with it. */
void pool_renew(struct pool *p, const struct err *why);
size_t pool_waiting(const struct pool *p);
/* Ends the children; what is queued is never answered. */
void pool_stop(struct pool *p);
OWNED_PTR(pool, pool_stop)

#endif
