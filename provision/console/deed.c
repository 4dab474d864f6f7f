#include "deed.h"

#include <stdlib.h>

#include "feed.h"
#include "reply.h"

enum { ANSWER_S = 10, ID = 1, SILENT = 503, REFUSED = 409 };

struct deed {
	struct evhttp_request *request;
	struct evhttp_connection *connection;
	struct feed *feed;
	struct event *deadline;
	const struct deed_manner *manner;
	json_t *asked;
	void (*ended)(void *context);
	void *context;
};

const struct deed_manner deed_done = { ANSWER_S, reply_ok };

static void deed_free(struct deed *d)
{
	if (d->feed != NULL)
		feed_close(d->feed);
	if (d->deadline != NULL)
		event_free(d->deadline);
	json_decref(d->asked);
	free(d);
}

/* The last thing that is done with it. */
static void end(struct deed *d)
{
	void (*ended)(void *context) = d->ended;
	void *owner = d->context;

	deed_free(d);
	ended(owner);
}

static void end_with(struct deed *d, int status, const struct err *why)
{
	evhttp_connection_set_closecb(d->connection, NULL, NULL);
	reply_err(d->request, status, why);
	end(d);
}

static bool on_greeted(void *context, const char *run)
{
	struct deed *d = context;
	struct err e = { 0 };

	(void)run;
	if (feed_ask(d->feed, ID, json_incref(d->asked), &e) == 0)
		return true;
	end_with(d, SILENT, &e);
	return false;
}

static bool on_line(void *context, const json_t *line)
{
	struct deed *d = context;
	const json_t *ok = json_object_get(line, "ok");
	struct err why = { 0 };

	if (json_opt_int(line, "id", 0) != ID)
		return true;
	if (ok == NULL) {
		(void)json_to_err(json_object_get(line, "err"), &why);
		end_with(d, REFUSED, &why);
		return false;
	}
	evhttp_connection_set_closecb(d->connection, NULL, NULL);
	d->manner->reply(d->request, ok);
	end(d);
	return false;
}

static void on_gone(void *context, const struct err *why)
{
	end_with(context, SILENT, why);
}

static const struct feed_hooks hooks = { on_greeted, on_line, on_gone };

/* It may be done all the same: the page sees what the station says next. */
static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct err why = { 0 };

	(void)fd;
	(void)what;
	(void)err_set(&why, ERR_OPERATOR, "station.absent",
	    "the station is silent: it does not answer");
	end_with(context, SILENT, &why);
}

/* The browser has gone; what was asked is done or not. */
static void on_closed(struct evhttp_connection *connection, void *context)
{
	struct deed *d = context;

	(void)connection;
	if (evhttp_request_get_connection(d->request) == NULL)
		evhttp_request_free(d->request);
	end(d);
}

void deed_close(struct deed *d)
{
	evhttp_connection_set_closecb(d->connection, NULL, NULL);
	evhttp_connection_free(d->connection); /* with the request */
	deed_free(d);
}

int deed_open(struct deed **ret, struct event_base *loop, struct evhttp_request *request,
    const struct deed_manner *manner, json_t *asked, const char *path, void (*ended)(void *context),
    void *context, struct err *e)
{
	const struct timeval patience = { manner->patience_s, 0 };
	struct deed *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		json_decref(asked);
		return err_nomem(e);
	}
	*d = (struct deed){ .request = request,
		.connection = evhttp_request_get_connection(request),
		.manner = manner,
		.asked = asked,
		.ended = ended,
		.context = context };
	d->deadline = evtimer_new(loop, on_deadline, d);
	if (d->deadline == NULL || evtimer_add(d->deadline, &patience) != 0) {
		deed_free(d);
		return err_nomem(e);
	}
	if (feed_open(&d->feed, loop, path, &hooks, d, e) != 0) {
		deed_free(d);
		return -1;
	}
	evhttp_connection_set_closecb(d->connection, on_closed, d);
	*ret = d;
	return 0;
}
