/* One conversation with the station: its control socket (control.h), on a loop. */
#ifndef KILN_FEED_H
#define KILN_FEED_H

#include <event2/event.h>

#include "json.h"

struct feed;

struct feed_hooks {
	/* The station greets, with the name of its run. False: the feed was closed in here. */
	bool (*greeted)(void *context, const char *run);
	/* An answer or an event. False: the feed was closed in here. */
	bool (*line)(void *context, const json_t *line);
	/* The conversation is over; the last call. The feed is to be closed. */
	void (*gone)(void *context, const struct err *why);
};

/* Begins to connect. hooks outlive the feed. Errors: OPERATOR "station.absent". */
must_check int feed_open(struct feed **ret, struct event_base *loop, const char *path,
    const struct feed_hooks *hooks, void *context, struct err *e);
void feed_close(struct feed *f);

/* Takes request over (which may be NULL after a failed constructor), and gives it its id, and the word that
 * a console asks and not the command line, whatever a browser says. */
must_check int feed_ask(struct feed *f, int64_t id, json_t *request, struct err *e);
/* While it is held nothing is read: the station keeps what it tells, as long as it keeps anything. */
void feed_hold(struct feed *f, bool held);

#endif
