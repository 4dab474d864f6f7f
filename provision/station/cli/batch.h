/* A batch: the station run until a list or a count is done. kiln batch and what rehearses it use it. */
#ifndef KILN_BATCH_H
#define KILN_BATCH_H

#include <event2/event.h>

#include "json.h"
#include "list.h"

struct batch;

struct batch_options {
	const char *config; /* path of station.yaml */
	const char *list;   /* path, or NULL */
	long count;         /* units, or 0: no limit */
	/* Sees every event of the station (station.h), "missing" and "summary" as well. */
	void (*event)(void *context, const json_t *event);
	/* The slots are armed; b is for batch_no_more. May be NULL. */
	void (*armed)(void *context, struct batch *b);
	void *context;
};

struct batch_result {
	int exit_code;
	long passed, failed, refused, pending, missing;
	struct err why; /* of a station fault */
};

/*
 * Runs on loop until done. SIGINT or SIGTERM: finishes what is in flight; the second one ends now.
 * Returns 0 with *ret, or -1 where it could not begin.
 */
must_check int batch_run(struct event_base *loop, const struct batch_options *options,
    struct batch_result *ret, struct err *e);
/* From a hook: no more units will come; the batch ends when those in flight have ended. */
void batch_no_more(struct batch *b);

#endif
