/* One thing that a browser asks the station to do: asked once, answered once. */
#ifndef KILN_DEED_H
#define KILN_DEED_H

#include <event2/event.h>
#include <event2/http.h>

#include "json.h"

struct deed;

/*
 * Takes asked (deed_text.h) over, and answers the request when the station has: 200 {"ok"}, 409 {"err"} where it
 * refuses, 503 where it is silent. ended is called once, when the deed has freed itself; not by deed_close.
 */
must_check int deed_open(struct deed **ret, struct event_base *loop, struct evhttp_request *request,
    json_t *asked, const char *path, void (*ended)(void *context), void *context, struct err *e);
/* At once, with the browser's connection. */
void deed_close(struct deed *d);

#endif
