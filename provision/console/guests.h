/*
 * The connections of a server: how many there may be, and how long one may take to say what it wants. Each
 * serves one request. It stands under evhttp, which bounds what is said and waits for each byte anew.
 */
#ifndef KILN_GUESTS_H
#define KILN_GUESTS_H

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "err.h"
#include "own.h"

enum { GUESTS_MAX = 96, GUESTS_ASK_MS = 10000 };

struct guests;

/* While there are GUESTS_MAX nobody more is let in by the listener (which evhttp owns). */
must_check int guests_open(struct guests **ret, struct event_base *loop, struct evhttp *server,
    struct evconnlistener *listener, struct err *e);
/* After evhttp_free. */
void guests_close(struct guests *g);

/* Its request is there: it may take its time from now on. */
void guests_heard(struct guests *g, struct evhttp_connection *connection);

#endif
