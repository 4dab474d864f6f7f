/* The station as a service: slots always armed, a control socket, and whoever asks is told. */
#ifndef KILN_SERVICE_H
#define KILN_SERVICE_H

#include <event2/event.h>

#include "json.h"

struct service_options {
	const char *config; /* path of station.yaml */
	/* What happens, as station.h's hooks; and once everything is armed. */
	void (*event)(void *context, const json_t *event);
	void *context;
};

/*
 * Runs until SIGTERM or SIGINT (the first finishes what is in flight, the second ends now), or until the
 * station breaks: then *ret_why says why (domain NONE else). Beside control.h's own requests it answers
 *
 *   stop  {reason}   nothing begins any more; units in flight go on, what is plugged in waits
 *   start {}         ... and begins
 *
 * each an event of the records before it is answered, by the user of the client's process.
 * Returns -1 where it could not begin.
 */
must_check int service_run(struct event_base *loop, const struct service_options *options,
    struct err *ret_why, bool *ret_aborted, struct err *e);

#endif
