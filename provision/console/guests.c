#include "guests.h"

#include <stdlib.h>

#include <event2/bufferevent.h>

#include "clock.h"

enum { SWEEP_MS = 200, INPUT_MAX = 32 * 1024 };

/* A reference to the connection's channel keeps it in memory, not open: evhttp lets go when it likes. */
struct guest {
	struct bufferevent *channel; /* NULL: free */
	int64_t deadline;            /* INT64_MAX: it was heard */
};

struct guests {
	struct event_base *loop;
	struct evconnlistener *listener;
	struct event *sweep;
	size_t count;
	struct guest guest[GUESTS_MAX];
};

/* evhttp takes its callbacks away when it frees a channel. */
static bool has_left(const struct guest *guest)
{
	bufferevent_event_cb event = NULL;
	bufferevent_data_cb read = NULL, write = NULL;
	void *context = NULL;

	bufferevent_getcb(guest->channel, &read, &write, &event, &context);
	return event == NULL;
}

static void let_go(struct guests *g, struct guest *guest)
{
	(void)bufferevent_decref(guest->channel); /* it says whether that was the last one */
	*guest = (struct guest){ 0 };
	if (g->count-- == GUESTS_MAX)
		(void)evconnlistener_enable(g->listener); /* the next sweep tries again */
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
	struct guests *g = context;
	const int64_t now = clock_now_ms();

	(void)fd;
	(void)what;
	for (size_t i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &g->guest[i];

		if (guest->channel == NULL)
			continue;
		if (!has_left(guest) && now > guest->deadline)
			bufferevent_trigger_event(guest->channel,
			    BEV_EVENT_READING | BEV_EVENT_TIMEOUT, 0);
		if (has_left(guest))
			let_go(g, guest);
	}
}

static void keep(struct guests *g, struct bufferevent *channel)
{
	for (size_t i = 0; i < GUESTS_MAX; i++) {
		if (g->guest[i].channel != NULL)
			continue;
		bufferevent_incref(channel);
		g->guest[i] = (struct guest){ channel, clock_now_ms() + GUESTS_ASK_MS };
		if (++g->count == GUESTS_MAX)
			(void)evconnlistener_disable(g->listener); /* then evhttp alone bounds it */
		return;
	}
}

static struct bufferevent *on_accept(struct event_base *loop, void *context)
{
	struct bufferevent *channel = bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE);

	if (channel == NULL)
		return NULL; /* evhttp tries, and fails too */
	bufferevent_setwatermark(channel, EV_READ, 0, INPUT_MAX);
	keep(context, channel);
	return channel;
}

int guests_open(struct guests **ret, struct event_base *loop, struct evhttp *server,
    struct evconnlistener *listener, struct err *e)
{
	const struct timeval every = { 0, SWEEP_MS * 1000 };
	struct guests *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return err_nomem(e);
	*g = (struct guests){ .loop = loop, .listener = listener };
	g->sweep = event_new(loop, -1, EV_PERSIST, on_sweep, g);
	if (g->sweep == NULL || event_add(g->sweep, &every) != 0) {
		guests_close(g);
		return err_nomem(e);
	}
	evhttp_set_bevcb(server, on_accept, g);
	*ret = g;
	return 0;
}

void guests_close(struct guests *g)
{
	for (size_t i = 0; i < GUESTS_MAX; i++)
		if (g->guest[i].channel != NULL)
			(void)bufferevent_decref(g->guest[i].channel); /* evhttp has freed it */
	if (g->sweep != NULL)
		event_free(g->sweep);
	free(g);
}

void guests_heard(struct guests *g, struct evhttp_connection *connection)
{
	const struct bufferevent *channel = evhttp_connection_get_bufferevent(connection);

	for (size_t i = 0; i < GUESTS_MAX; i++)
		if (g->guest[i].channel == channel)
			g->guest[i].deadline = INT64_MAX;
}
