/* One thing that a browser asks the station to do: asked once, answered once. */
#ifndef KILN_DEED_H
#define KILN_DEED_H

#include <event2/event.h>
#include <event2/http.h>

#include "json.h"

struct deed;

/* How long the station may take, and how its answer is sent on. */
struct deed_manner {
	int patience_s;
	/* Ends the request. ok: what the station answered, borrowed. */
	void (*reply)(struct evhttp_request *request, const json_t *ok);
};
/* Something that is done: {"ok": ...} within 10 s. */
extern const struct deed_manner deed_done;

/*
 * Takes asked (deed_text.h) over, and answers the request when the station has: 200 {"ok"}, 409 {"err"} where it
 * refuses, 503 where it is silent. ended is called once, when the deed has freed itself; not by deed_close.
 */
must_check int deed_open(struct deed **ret, struct event_base *loop, struct evhttp_request *request,
    const struct deed_manner *manner, json_t *asked, const char *path, void (*ended)(void *context),
    void *context, struct err *e);
/* At once, with the browser's connection. */
void deed_close(struct deed *d);

#endif
