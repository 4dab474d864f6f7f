#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <openssl/rand.h>

#include "line.h"
#include "serve.h"

enum {
	OUTPUT_MAX = 256 * 1024, /* not read by the client: then it is neither told nor heard */
	RUN_LEN = 8,
	GROUPS_MAX = 1024,
};

struct client {
	struct client *next;
	struct control *control;
	struct bufferevent *channel;
	uint64_t number;
	uid_t uid;
	bool listens, closing, lost; /* lost: it has not read for thousands of events */
	int64_t heard;               /* the last event that was sent */
};

struct control {
	struct event_base *loop;
	struct control_terms terms;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct control_hooks hooks;
	struct evconnlistener *listener;
	struct told *told;
	struct client *clients;
	size_t client_count;
	uint64_t last_number;
	char run[2 * RUN_LEN + 1];
};

static void client_free(struct client *client)
{
	struct client **at = &client->control->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->control->client_count--;
	bufferevent_free(client->channel);
	free(client);
}

static size_t unread(const struct client *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->channel));
}

/* False where memory ran out: the client is closed when what it has got is sent. */
static bool send_object(struct client *client, json_t *object)
{
	struct evbuffer *out = bufferevent_get_output(client->channel);
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (object != NULL && json_canonical(object, &text, &e) == 0 &&
	    buf_add_u8(&text, '\n', &e) == 0 && text.len <= LINE_MAX_LEN &&
	    evbuffer_add(out, text.data, text.len) == 0)
		return true;
	client->closing = true;
	return false;
}

/* What the client has not heard, as far as there is room for it. */
static void tell(struct client *client)
{
	struct evbuffer *out = bufferevent_get_output(client->channel);
	const struct told *told = client->control->told;

	while (client->listens && !client->closing && client->heard < told_last(told) &&
	       unread(client) < OUTPUT_MAX) {
		size_t len;
		const char *line = told_line(told, client->heard + 1, &len);

		if (evbuffer_add(out, line, len) != 0)
			client->closing = true;
		client->heard++;
	}
}

static json_t *answer_to(int64_t id, const char *member, json_t *value)
{
	return json_pack("{s:I, s:o}", "id", (json_int_t)id, member, value);
}

static void send_error(struct client *client, int64_t id, const struct err *why)
{
	AUTO(json_t) *line = answer_to(id, "err", json_from_err(why));

	(void)send_object(client, line); /* closes it where it can not */
}

static void send_ok(struct client *client, int64_t id, json_t *ok)
{
	AUTO(json_t) *line = answer_to(id, "ok", ok != NULL ? ok : json_object());

	(void)send_object(client, line); /* closes it where it can not */
}

static struct client *find_client(const struct control *c, uint64_t number)
{
	struct client *client = c->clients;

	while (client != NULL && client->number != number)
		client = client->next;
	return client;
}

static void question_free(struct control_question *q)
{
	json_decref(q->request);
	free(q);
}

void control_answer(struct control_question *q, json_t *ok)
{
	struct client *client = find_client(q->control, q->client);

	if (client == NULL)
		json_decref(ok);
	else
		send_ok(client, q->id, ok);
	question_free(q);
}

void control_refuse(struct control_question *q, const struct err *why)
{
	struct client *client = find_client(q->control, q->client);

	if (client != NULL)
		send_error(client, q->id, why);
	question_free(q);
}

static void do_status(struct client *client, int64_t id, const json_t *request)
{
	const struct control_hooks *h = &client->control->hooks;

	(void)request;
	send_ok(client, id, json_pack("{s:o}", "snapshot", h->snapshot(h->context)));
}

static void do_subscribe(struct client *client, int64_t id, const json_t *request)
{
	const struct control *c = client->control;
	int64_t from = json_opt_int(request, "from", -1);
	bool reset =
	    strcmp(json_opt_str(request, "run", ""), c->run) != 0 || !told_reaches(c->told, from);

	client->listens = true;
	client->heard = reset ? told_last(c->told) : from;
	send_ok(client, id,
	    json_pack("{s:I, s:b, s:o*}", "n", (json_int_t)client->heard, "reset", reset,
		"snapshot", reset ? c->hooks.snapshot(c->hooks.context) : NULL));
}

static void do_unsubscribe(struct client *client, int64_t id, const json_t *request)
{
	(void)request;
	client->listens = false;
	send_ok(client, id, NULL);
}

static const struct {
	const char *name;
	void (*run)(struct client *client, int64_t id, const json_t *request);
} own[] = {
	{ "status", do_status },
	{ "subscribe", do_subscribe },
	{ "unsubscribe", do_unsubscribe },
};

static void ask_owner(struct client *client, int64_t id, const json_t *request)
{
	struct control_question *q = calloc(1, sizeof(*q));
	const struct control_hooks *h = &client->control->hooks;
	struct err e = { 0 };

	if (q == NULL) {
		(void)err_nomem(&e);
		send_error(client, id, &e);
		return;
	}
	*q = (struct control_question){ client->control, client->number, id, client->uid,
		json_incref((json_t *)(uintptr_t)request) };
	h->asked(h->context, q);
}

static void take_request(struct client *client, const char *text, size_t len)
{
	AUTO(json_t) *request = NULL;
	struct err e = { 0 };
	const char *name;
	int64_t id = -1;

	if (json_parse(text, len, &request, ERR_OPERATOR, &e) != 0 ||
	    json_get_int(request, "id", &id, ERR_OPERATOR, &e) != 0 ||
	    json_get_str(request, "do", &name, ERR_OPERATOR, &e) != 0) {
		send_error(client, id, &e);
		return;
	}
	for (size_t i = 0; i < COUNT(own); i++) {
		if (strcmp(own[i].name, name) != 0)
			continue;
		own[i].run(client, id, request);
		return;
	}
	ask_owner(client, id, request);
}

/* The client's last words: why it is closed. */
static void close_client(struct client *client, const char *code, const char *message)
{
	struct err why = { 0 };

	(void)err_set(&why, ERR_OPERATOR, code, "%s", message);
	send_error(client, -1, &why);
	client->closing = true;
}

/* Hears it out while it reads what it is answered. */
static void take_lines(struct client *client)
{
	struct evbuffer *in = bufferevent_get_input(client->channel);

	while (!client->closing && unread(client) < OUTPUT_MAX) {
		struct evbuffer_ptr end = evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_LF);
		size_t len = end.pos < 0 ? evbuffer_get_length(in) : (size_t)end.pos;
		char *line;

		if (len >= LINE_MAX_LEN) {
			close_client(client, "line.long", "a line is longer than 256 KiB");
			return;
		}
		if (end.pos < 0)
			return;
		line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		if (line == NULL) {
			client->closing = true;
			return;
		}
		take_request(client, line, len);
		explicit_bzero(line, len); /* it may hold an operator's PIN */
		free(line);
	}
}

/* All that can be done for a client now; frees it where that was the last. */
static void pump(struct client *client)
{
	take_lines(client);
	tell(client);
	if (client->closing) {
		(void)bufferevent_disable(client->channel, EV_READ); /* it is only told the end */
		if (unread(client) == 0 || client->lost)
			client_free(client);
	}
}

static void on_input(struct bufferevent *channel, void *context)
{
	(void)channel;
	pump(context);
}

static void on_output(struct bufferevent *channel, void *context)
{
	(void)channel;
	pump(context);
}

static void on_gone(struct bufferevent *channel, short what, void *context)
{
	(void)channel;
	(void)what;
	client_free(context);
}

static bool has_group(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* The socket's mode lets nobody else in; that a mode can be changed is why it is asked again. */
static bool is_welcome(const struct control *c, int fd, uid_t *ret_uid)
{
	gid_t group = c->terms.group;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	*ret_uid = peer.uid;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	return group != (gid_t)-1 && (peer.gid == group || has_group(fd, group));
}

static void greet(struct client *client)
{
	AUTO(json_t) *hello = json_pack("{s:s, s:s, s:i, s:s}", "hello", "kiln-station", "build",
	    build_id(), "protocol", CONTROL_PROTOCOL, "run", client->control->run);

	(void)send_object(client, hello); /* closes it where it can not */
}

static struct client *add_client(struct control *c, evutil_socket_t fd)
{
	struct client *client = calloc(1, sizeof(*client));
	struct bufferevent *channel =
	    client != NULL ? bufferevent_socket_new(c->loop, fd, BEV_OPT_CLOSE_ON_FREE) : NULL;

	if (channel == NULL) {
		free(client);
		return NULL;
	}
	*client = (struct client){ .next = c->clients, .control = c, .channel = channel };
	client->number = ++c->last_number;
	c->clients = client;
	c->client_count++;
	bufferevent_setcb(channel, on_input, on_output, on_gone, client);
	bufferevent_setwatermark(channel, EV_READ, 0, LINE_MAX_LEN);
	return client;
}

static void on_connect(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
    int len, void *context)
{
	struct control *c = context;
	struct client *client = add_client(c, fd);

	(void)listener;
	(void)from;
	(void)len;
	if (client == NULL) {
		(void)close(fd); /* nothing was said */
		return;
	}
	if (!is_welcome(c, fd, &client->uid))
		close_client(client, "control.peer", "this user may not ask the station");
	else if (c->client_count > CONTROL_CLIENTS_MAX)
		close_client(client, "control.full", "the station hears too many already");
	else
		greet(client);
	(void)bufferevent_enable(client->channel,
	    EV_READ | EV_WRITE); /* fails only without a socket */
}

/* A socket that nobody listens on is left over from a station that was killed. */
static int remove_stale(const struct control *c, const struct sockaddr_un *address, struct err *e)
{
	struct stat st;
	int fd, rc;

	if (lstat(c->path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFIG, "control.socket", "%s is there and is no socket",
		    c->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "control.socket", "%s", c->path);
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	(void)close(fd); /* nothing was said */
	if (rc == 0 || errno != ECONNREFUSED)
		return err_set(e, ERR_CONFIG, "control.used", "%s: another station listens there",
		    c->path);
	return unlink(c->path) == 0 ? 0 : err_errno(e, ERR_CONFIG, "control.socket", "%s", c->path);
}

/* Nobody can connect before the mode is set: it does not listen yet. */
static int bind_socket(const struct control *c, int *ret, struct err *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	memcpy(address.sun_path, c->path, sizeof(c->path));
	if (remove_stale(c, &address, e) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "control.socket", "%s", c->path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    (c->terms.group != (gid_t)-1 && chown(c->path, (uid_t)-1, c->terms.group) != 0) ||
	    chmod(c->path, c->terms.mode) != 0) {
		(void)err_errno(e, ERR_CONFIG, "control.socket", "%s", c->path);
		(void)close(fd); /* nothing was said */
		return -1;
	}
	*ret = fd;
	return 0;
}

static int listen_at(struct control *c, struct err *e)
{
	int fd;

	if (bind_socket(c, &fd, e) != 0)
		return -1;
	c->listener = evconnlistener_new(c->loop, on_connect, c,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, fd);
	if (c->listener != NULL)
		return 0;
	(void)close(fd);
	return err_nomem(e);
}

int control_open(struct control **ret, struct event_base *loop, const struct control_terms *terms,
    const struct control_hooks *hooks, struct err *e)
{
	AUTO_PTR(control) *c = calloc(1, sizeof(*c));
	uint8_t run[RUN_LEN];

	if (c == NULL)
		return err_nomem(e);
	*c = (struct control){ .loop = loop, .terms = *terms, .hooks = *hooks };
	if (strlen(terms->path) >= sizeof(c->path))
		return err_set(e, ERR_CONFIG, "control.socket",
		    "%s: the path of a socket has at most %zu characters", terms->path,
		    sizeof(c->path) - 1);
	if (RAND_bytes(run, sizeof(run)) != 1)
		return err_openssl(e, ERR_CONFIG, "random", "naming the run");
	hex_encode(run, sizeof(run), c->run);
	if (told_new(&c->told, e) != 0)
		return -1;
	memcpy(c->path, terms->path, strlen(terms->path) + 1);
	if (listen_at(c, e) != 0)
		return -1;
	*ret = steal(&c);
	return 0;
}

void control_close(struct control *c)
{
	while (c->clients != NULL)
		client_free(c->clients);
	if (c->listener != NULL) {
		evconnlistener_free(c->listener);
		(void)unlink(c->path); /* the next station replaces it all the same */
	}
	if (c->told != NULL)
		told_free(c->told);
	free(c);
}

/* Not freed here: what it asked itself may be what is told. */
static void lose(struct client *client)
{
	client->listens = false;
	client->closing = client->lost = true;
	bufferevent_trigger(client->channel, EV_WRITE,
	    BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

int control_tell(struct control *c, json_t *event, struct err *e)
{
	if (told_add(c->told, event, e) != 0)
		return -1;
	for (struct client *client = c->clients; client != NULL; client = client->next)
		if (client->listens && !told_reaches(c->told, client->heard))
			lose(client);
		else
			tell(client);
	return 0;
}

void control_beat(struct control *c)
{
	AUTO(json_t) *beat =
	    json_pack("{s:s, s:I}", "event", "heartbeat", "last", (json_int_t)told_last(c->told));

	for (struct client *client = c->clients; client != NULL; client = client->next)
		if (client->listens && !client->closing && unread(client) == 0)
			(void)send_object(client, beat); /* closes it where it can not */
}
