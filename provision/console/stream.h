/*
 * What one browser hears, as Server-Sent Events, for as long as it listens:
 *
 *   snapshot   view.h's; first (with an id), after the station was away, and as it changes
 *   told       an event of the station; its id is RUN-N, by which a browser that was cut off goes on
 *   heartbeat  the station's sign of life
 *   silent     {code, message}: the station is gone; it is tried again every 1 to 5 s
 *
 * A browser that does not read costs a bounded amount of memory, and is closed after a while.
 */
#ifndef KILN_STREAM_H
#define KILN_STREAM_H

#include <event2/event.h>
#include <event2/http.h>

#include "err.h"
#include "own.h"

struct stream;

/* path: of the control socket; outlives the stream. Answers the request and keeps it. ended is called
 * once, when the stream has freed itself; not by stream_close. */
must_check int stream_open(struct stream **ret, struct event_base *loop,
    struct evhttp_request *request, const char *path, void (*ended)(void *context), void *context,
    struct err *e);
/* At once, with the browser's connection. */
void stream_close(struct stream *s);

#endif
