#include "feed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "line.h"

struct feed {
	struct bufferevent *channel;
	const struct feed_hooks *hooks;
	void *context;
	bool greeted;
};

static int say_absent(struct err *e, const char *what)
{
	return err_set(e, ERR_OPERATOR, "station.absent", "the station is silent: %s", what);
}

static void end(struct feed *f, const struct err *why)
{
	f->hooks->gone(f->context, why);
}

/* False: the feed is closed. */
static bool take_greeting(struct feed *f, const json_t *line)
{
	const char *run = json_opt_str(line, "run", NULL);
	struct err why = { 0 };

	if (run != NULL) {
		f->greeted = true;
		return f->hooks->greeted(f->context, run);
	}
	if (json_object_get(line, "err") != NULL)
		(void)json_to_err(json_object_get(line, "err"), &why);
	else
		(void)say_absent(&why, "what listens there is no station");
	end(f, &why);
	return false;
}

static bool take_line(struct feed *f, const char *text, size_t len)
{
	AUTO(json_t) *line = NULL;
	struct err why = { 0 };

	if (json_parse(text, len, &line, ERR_OPERATOR, &why) != 0) {
		end(f, &why);
		return false;
	}
	return f->greeted ? f->hooks->line(f->context, line) : take_greeting(f, line);
}

static void on_input(struct bufferevent *channel, void *context)
{
	struct evbuffer *in = bufferevent_get_input(channel);
	struct feed *f = context;
	struct err why = { 0 };
	bool open = true;

	/* One that is held in between goes on when it is released. */
	while (open && (bufferevent_get_enabled(channel) & EV_READ) != 0) {
		size_t len;
		char *text = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);

		if (text == NULL)
			break;
		open = take_line(f, text, len);
		free(text);
		if (!open)
			return;
	}
	if (evbuffer_get_length(in) < LINE_MAX_LEN)
		return;
	if (evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_LF).pos >= 0)
		return;
	(void)say_absent(&why, "it says a line that is too long");
	end(f, &why);
}

static void on_change(struct bufferevent *channel, short what, void *context)
{
	struct err why = { 0 };

	(void)channel;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		return;
	(void)say_absent(&why, (what & BEV_EVENT_EOF) != 0 ? "it has ended" : "nobody answers");
	end(context, &why);
}

int feed_open(struct feed **ret, struct event_base *loop, const char *path,
    const struct feed_hooks *hooks, void *context, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct feed *f;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(e, ERR_CONFIG, "control.socket",
		    "%s: the path of a socket has at most %zu characters", path,
		    sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return err_nomem(e);
	*f = (struct feed){ .hooks = hooks, .context = context };
	f->channel =
	    bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (f->channel == NULL) {
		free(f);
		return err_nomem(e);
	}
	bufferevent_setcb(f->channel, on_input, NULL, on_change, f);
	bufferevent_setwatermark(f->channel, EV_READ, 0, 2 * LINE_MAX_LEN);
	if (bufferevent_enable(f->channel, EV_READ | EV_WRITE) != 0 ||
	    bufferevent_socket_connect(f->channel, (struct sockaddr *)&address, sizeof(address)) !=
		0) {
		feed_close(f);
		return say_absent(e, "nobody listens");
	}
	*ret = f;
	return 0;
}

void feed_close(struct feed *f)
{
	bufferevent_free(f->channel);
	free(f);
}

int feed_ask(struct feed *f, int64_t id, json_t *request, struct err *e)
{
	AUTO(json_t) *owned = request;
	AUTO_STRUCT(buf) text = { 0 };

	if (owned == NULL)
		return err_nomem(e);
	if (json_set_int(owned, "id", id, e) != 0 ||
	    json_set_str(owned, "via", "console", e) != 0 || json_canonical(owned, &text, e) != 0 ||
	    buf_add_u8(&text, '\n', e) != 0)
		return -1;
	return bufferevent_write(f->channel, text.data, text.len) == 0 ? 0 : err_nomem(e);
}

void feed_hold(struct feed *f, bool held)
{
	bool is_held = (bufferevent_get_enabled(f->channel) & EV_READ) == 0;

	if (held == is_held)
		return;
	if (held) {
		(void)bufferevent_disable(f->channel, EV_READ); /* fails only without a socket */
		return;
	}
	(void)bufferevent_enable(f->channel, EV_READ); /* fails only without a socket */
	bufferevent_trigger(f->channel, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}
