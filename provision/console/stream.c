#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "clock.h"
#include "feed.h"
#include "reply.h"
#include "sse.h"

enum {
	TICK_MS = 500,
	STATE_MS = 400, /* a snapshot at most so often */
	RETRY_MIN_MS = 1000,
	RETRY_MAX_MS = 5000,
	CONNECT_MS = 10000,
	UNREAD_MAX = 128 * 1024, /* then the station is not heard until the browser has read */
	STALL_MS = 20000,        /* a browser that reads nothing for so long is closed */
};

/* What the station was asked. */
enum { ASKED_SUBSCRIBE = 1, ASKED_STATUS = 2 };

struct stream {
	struct event_base *loop;
	struct evhttp_request *request;
	struct evhttp_connection *connection;
	const char *path;
	void (*ended)(void *context);
	void *context;
	struct feed *feed; /* NULL: between two tries */
	struct event *tick;
	struct sse_place place;    /* what the browser has heard */
	char run[SSE_RUN_MAX + 1]; /* of the station that greeted */
	bool listens;              /* the station tells */
	bool asking, changed;      /* for a snapshot; something was told since the last one */
	int64_t asked_ms, retry_ms, try_at, stalled_at;
};

static void stream_free(struct stream *s)
{
	if (s->feed != NULL)
		feed_close(s->feed);
	if (s->tick != NULL)
		event_free(s->tick);
	free(s);
}

static size_t unread(const struct stream *s)
{
	return evbuffer_get_length(
	    bufferevent_get_output(evhttp_connection_get_bufferevent(s->connection)));
}

static void on_read(struct evhttp_connection *connection, void *context)
{
	struct stream *s = context;

	(void)connection;
	s->stalled_at = 0;
	if (s->feed != NULL)
		feed_hold(s->feed, false);
}

static void send_bytes(struct stream *s, const void *data, size_t len)
{
	struct evbuffer *part = evbuffer_new();

	if (part != NULL && evbuffer_add(part, data, len) == 0)
		evhttp_send_reply_chunk_with_cb(s->request, part, on_read, s);
	if (part != NULL)
		evbuffer_free(part);
	if (s->stalled_at == 0)
		s->stalled_at = clock_now_ms();
	if (s->feed != NULL && unread(s) > UNREAD_MAX)
		feed_hold(s->feed, true);
}

/* What can not be said for lack of memory is made good by the next snapshot. */
static void say(struct stream *s, const char *name, bool numbered, const json_t *data)
{
	AUTO_STRUCT(buf) json = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (data == NULL || json_canonical(data, &json, &e) != 0 ||
	    sse_add(&text, name, numbered ? &s->place : NULL, (const char *)json.data, json.len,
		&e) != 0)
		return;
	send_bytes(s, text.data, text.len);
}

static void lose(struct stream *s, const struct err *why)
{
	AUTO(json_t) *silent = json_pack("{s:s, s:s}", "code", why->code, "message", why->message);

	if (s->feed != NULL)
		feed_close(s->feed);
	s->feed = NULL;
	s->listens = s->asking = false;
	s->retry_ms = s->retry_ms == 0 ? RETRY_MIN_MS : s->retry_ms * 2;
	if (s->retry_ms > RETRY_MAX_MS)
		s->retry_ms = RETRY_MAX_MS;
	s->try_at = clock_now_ms() + s->retry_ms;
	say(s, "silent", false, silent);
}

static void ask_state(struct stream *s)
{
	struct err e = { 0 };

	s->changed = false;
	s->asking = true;
	s->asked_ms = clock_now_ms();
	if (feed_ask(s->feed, ASKED_STATUS, json_pack("{s:s}", "do", "status"), &e) != 0)
		s->asking = false; /* the next change asks again */
}

/* Whatever is told changes the state; the state is the station's to say. */
static void on_changed(struct stream *s)
{
	s->changed = true;
	if (!s->asking && clock_now_ms() - s->asked_ms >= STATE_MS)
		ask_state(s);
}

static bool on_greeted(void *context, const char *run)
{
	struct stream *s = context;
	struct err e = { 0 };

	(void)snprintf(s->run, sizeof(s->run), "%s", run);
	if (feed_ask(s->feed, ASKED_SUBSCRIBE,
		json_pack("{s:s, s:I, s:s}", "do", "subscribe", "from", (json_int_t)s->place.n,
		    "run", s->place.run),
		&e) == 0)
		return true;
	lose(s, &e);
	return false;
}

static void on_subscribed(struct stream *s, const json_t *ok)
{
	const json_t *snapshot = json_object_get(ok, "snapshot");

	s->listens = true;
	s->retry_ms = 0;
	memcpy(s->place.run, s->run, sizeof(s->run));
	s->place.n = json_opt_int(ok, "n", 0);
	if (snapshot != NULL)
		say(s, "snapshot", true, snapshot);
	else
		ask_state(s);
}

static void on_state(struct stream *s, const json_t *ok)
{
	s->asking = false;
	if (ok != NULL)
		say(s, "snapshot", false, json_object_get(ok, "snapshot"));
}

static bool on_line(void *context, const json_t *line)
{
	const json_t *ok = json_object_get(line, "ok"), *n = json_object_get(line, "n");
	int64_t id = json_opt_int(line, "id", 0);
	struct stream *s = context;

	if (id == ASKED_STATUS) {
		on_state(s, ok);
	} else if (id == ASKED_SUBSCRIBE && ok != NULL) {
		on_subscribed(s, ok);
	} else if (id != 0) {
		struct err why = { 0 };

		(void)json_to_err(json_object_get(line, "err"), &why);
		lose(s, &why);
		return false;
	} else if (json_is_integer(n)) {
		s->place.n = json_integer_value(n);
		say(s, "told", true, line);
		on_changed(s);
	} else {
		say(s, "heartbeat", false, line);
		on_changed(s);
	}
	return true;
}

static void on_gone(void *context, const struct err *why)
{
	lose(context, why);
}

static const struct feed_hooks hooks = { on_greeted, on_line, on_gone };

static void begin(struct stream *s)
{
	struct err why = { 0 };

	s->try_at = clock_now_ms() + CONNECT_MS;
	if (feed_open(&s->feed, s->loop, s->path, &hooks, s, &why) != 0)
		lose(s, &why);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	const int64_t now = clock_now_ms();
	struct stream *s = context;
	struct err why = { 0 };

	(void)fd;
	(void)what;
	if (s->stalled_at != 0 && now - s->stalled_at > STALL_MS) {
		void (*ended)(void *context) = s->ended;
		void *owner = s->context;

		stream_close(s);
		ended(owner);
		return;
	}
	if (s->feed == NULL && now >= s->try_at) {
		begin(s);
	} else if (s->feed != NULL && !s->listens && now >= s->try_at) {
		(void)err_set(&why, ERR_OPERATOR, "station.absent",
		    "the station is silent: it does not answer");
		lose(s, &why);
	} else if (s->listens && s->changed && !s->asking && s->stalled_at == 0) {
		ask_state(s);
	}
}

/* The browser has gone. Its request is ours where the connection has let go of it. */
static void on_closed(struct evhttp_connection *connection, void *context)
{
	struct stream *s = context;
	void (*ended)(void *context) = s->ended;
	void *owner = s->context;

	(void)connection;
	if (evhttp_request_get_connection(s->request) == NULL)
		evhttp_request_free(s->request);
	stream_free(s);
	ended(owner);
}

void stream_close(struct stream *s)
{
	evhttp_connection_set_closecb(s->connection, NULL, NULL);
	evhttp_connection_free(s->connection); /* with the request */
	stream_free(s);
}

/* A browser that says nothing more is no slow one. */
static void answer(struct stream *s)
{
	static const char first[] = "retry: 1000\n\n";
	struct bufferevent *channel = evhttp_connection_get_bufferevent(s->connection);
	const struct timeval patience = { STALL_MS / 1000, 0 };

	evhttp_connection_set_closecb(s->connection, on_closed, s);
	reply_headers(s->request, "text/event-stream");
	evhttp_send_reply_start(s->request, HTTP_OK, NULL);
	(void)bufferevent_set_timeouts(channel, NULL, &patience); /* it is a socket's: no failure */
	send_bytes(s, first, sizeof(first) - 1);
}

int stream_open(struct stream **ret, struct event_base *loop, struct evhttp_request *request,
    const char *path, void (*ended)(void *context), void *context, struct err *e)
{
	const struct timeval every = { TICK_MS / 1000, TICK_MS % 1000 * 1000 };
	const char *last =
	    evhttp_find_header(evhttp_request_get_input_headers(request), "Last-Event-ID");
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_nomem(e);
	*s = (struct stream){ .loop = loop,
		.request = request,
		.connection = evhttp_request_get_connection(request),
		.path = path,
		.ended = ended,
		.context = context,
		.place.n = -1 };
	s->tick = event_new(loop, -1, EV_PERSIST, on_tick, s);
	if (s->tick == NULL || event_add(s->tick, &every) != 0) {
		stream_free(s);
		return err_nomem(e);
	}
	if (last != NULL && !sse_place_parse(last, &s->place))
		s->place.n = -1; /* no place of ours: from a snapshot on */
	answer(s);
	begin(s);
	*ret = s;
	return 0;
}
