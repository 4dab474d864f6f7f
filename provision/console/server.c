#include "server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "asset.h"
#include "deed.h"
#include "deed_text.h"
#include "guard.h"
#include "guests.h"
#include "look.h"
#include "look_text.h"
#include "reply.h"
#include "stream.h"

enum {
	HEADERS_MAX = 8 * 1024,
	BODY_MAX = 8 * 1024,
	IDLE_S = 10,
	BACKLOG = 64,
	SEND_BUFFER = 16 * 1024, /* of the kernel, for a browser that does not read */
	FORBIDDEN = 403,
	FULL = 503,
};

/* A place for somebody who stays. */
struct seat {
	struct stream *stream;
	struct deed *deed;
};

struct server {
	struct event_base *base;
	struct evhttp *http;
	struct guests *guests;
	struct event *ends[2]; /* SIGTERM, SIGINT */
	const char *socket;
	struct guard guard;
	uint16_t port;
	struct seat streams[SERVER_BROWSERS_MAX], deeds[SERVER_DEEDS_MAX], looks[SERVER_LOOKS_MAX];
};

static int fail(struct err *e, const char *what)
{
	return err_set(e, ERR_CONFIG, "console", "%s failed", what);
}

static struct seat *find_seat(struct seat *seats, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (seats[i].stream == NULL && seats[i].deed == NULL)
			return &seats[i];
	return NULL;
}

static void on_ended(void *context)
{
	*(struct seat *)context = (struct seat){ 0 };
}

static void refuse_full(struct evhttp_request *request)
{
	struct err why = { 0 };

	(void)err_set(&why, ERR_OPERATOR, "console.full",
	    "this console serves %d browsers already: close one", SERVER_BROWSERS_MAX);
	reply_err(request, FULL, &why);
}

static struct guard_head head_of(struct evhttp_request *request)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(request);

	return (struct guard_head){
		.host = evhttp_find_header(in, "Host"),
		.origin = evhttp_find_header(in, "Origin"),
		.site = evhttp_find_header(in, "Sec-Fetch-Site"),
		.type = evhttp_find_header(in, "Content-Type"),
		.cookie = evhttp_find_header(in, "Cookie"),
		.token = evhttp_find_header(in, "X-Kiln-Token"),
	};
}

static void serve_session(struct server *s, struct evhttp_request *request)
{
	const struct guard_head head = head_of(request);
	char token[GUARD_TOKEN], cookie[GUARD_COOKIE];
	struct err e = { 0 };

	if (guard_session(&s->guard, head.cookie, token, cookie, &e) != 0) {
		reply_err(request, HTTP_INTERNAL, &e);
		return;
	}
	reply_header(request, "Set-Cookie", cookie);
	reply_json(request, HTTP_OK,
	    json_pack("{s:s, s:s}", "token", token, "assets", asset_digest));
}

static void serve_events(struct server *s, struct evhttp_request *request)
{
	struct seat *seat = find_seat(s->streams, COUNT(s->streams));
	struct err e = { 0 };

	if (seat == NULL)
		refuse_full(request);
	else if (stream_open(&seat->stream, s->base, request, s->socket, on_ended, seat, &e) != 0)
		reply_err(request, FULL, &e);
}

/* Takes asked over. */
static void open_deed(struct server *s, struct seat *seat, struct evhttp_request *request,
    const struct deed_manner *manner, json_t *asked)
{
	struct err e = { 0 };

	if (seat == NULL) {
		json_decref(asked);
		refuse_full(request);
	} else if (deed_open(&seat->deed, s->base, request, manner, asked, s->socket, on_ended,
		       seat, &e) != 0) {
		reply_err(request, FULL, &e);
	}
}

/* Seats of their own: nobody who looks keeps another from stopping the line. */
static void look(struct server *s, struct evhttp_request *request, const char *what,
    const struct deed_manner *manner)
{
	const struct guard_head head = head_of(request);
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	json_t *asked = NULL;
	struct err e = { 0 };

	if (guard_check_page(&s->guard, &head, &e) != 0)
		reply_err(request, FORBIDDEN, &e);
	else if (look_parse(what, query, &asked, &e) != 0)
		reply_err(request, HTTP_BADREQUEST, &e);
	else
		open_deed(s, find_seat(s->looks, COUNT(s->looks)), request, manner, asked);
}

static void serve_unit(struct server *s, struct evhttp_request *request)
{
	look(s, request, "unit", &look_json);
}

static void serve_evidence(struct server *s, struct evhttp_request *request)
{
	look(s, request, "evidence", &look_file);
}

static void serve_trend(struct server *s, struct evhttp_request *request)
{
	look(s, request, "trend", &look_json);
}

static void serve_deed(struct server *s, struct evhttp_request *request)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	const struct guard_head head = head_of(request);
	json_t *asked = NULL;
	struct err e = { 0 };

	if (guard_check_deed(&s->guard, &head, &e) != 0)
		reply_err(request, FORBIDDEN, &e);
	else if (deed_parse((const char *)evbuffer_pullup(body, -1), evbuffer_get_length(body),
		     &asked, &e) != 0)
		reply_err(request, HTTP_BADREQUEST, &e);
	else
		open_deed(s, find_seat(s->deeds, COUNT(s->deeds)), request, &deed_done, asked);
}

static void serve_asset(struct evhttp_request *request, const struct asset *asset)
{
	reply_bytes(request, HTTP_OK, asset->type, asset->data, asset->len);
}

static const struct {
	const char *path, *method;
	enum evhttp_cmd_type command;
	void (*serve)(struct server *s, struct evhttp_request *request);
} routes[] = {
	{ "/session", "GET", EVHTTP_REQ_GET, serve_session },
	{ "/events", "GET", EVHTTP_REQ_GET, serve_events },
	{ "/unit", "GET", EVHTTP_REQ_GET, serve_unit },
	{ "/evidence", "GET", EVHTTP_REQ_GET, serve_evidence },
	{ "/trend", "GET", EVHTTP_REQ_GET, serve_trend },
	{ "/do", "POST", EVHTTP_REQ_POST, serve_deed },
};

static void refuse(struct evhttp_request *request, int status, const char *code, const char *what)
{
	struct err why = { 0 };

	(void)err_set(&why, ERR_OPERATOR, code, "%s", what);
	reply_err(request, status, &why);
}

/* True where the method is the right one; otherwise the request has its answer. */
static bool check_method(struct evhttp_request *request, enum evhttp_cmd_type wanted,
    const char *name)
{
	if (evhttp_request_get_command(request) == wanted)
		return true;
	reply_header(request, "Allow", name);
	refuse(request, HTTP_BADMETHOD, "console.method", "this is not done with this method");
	return false;
}

static void route(struct server *s, struct evhttp_request *request, const char *path)
{
	const struct asset *asset = asset_find(path);

	if (asset != NULL) {
		if (check_method(request, EVHTTP_REQ_GET, "GET"))
			serve_asset(request, asset);
		return;
	}
	for (size_t i = 0; i < COUNT(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (check_method(request, routes[i].command, routes[i].method))
			routes[i].serve(s, request);
		return;
	}
	refuse(request, HTTP_NOTFOUND, "console.unknown", "there is nothing at this address");
}

static void on_request(struct evhttp_request *request, void *context)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	const struct guard_head head = head_of(request);
	struct server *s = context;
	struct err e = { 0 };

	guests_heard(s->guests, evhttp_request_get_connection(request));
	if (guard_check(&s->guard, &head, &e) != 0)
		reply_err(request, FORBIDDEN, &e);
	else
		route(s, request, path != NULL ? path : "");
}

/* Accepted sockets inherit all of this: without TCP_NODELAY each event waits for an ACK. */
static int listen_on_loopback(uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(at);
	const int on = 1, buffer = SEND_BUFFER;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "console.port", "making a socket");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		int rc =
		    err_errno(e, ERR_CONFIG, "console.port", "listening on 127.0.0.1:%u", port);

		(void)close(fd); /* nothing was sent */
		return rc;
	}
	*ret_fd = fd;
	*ret_port = ntohs(at.sin_port);
	return 0;
}

/* Takes fd over. */
static int serve_http(struct server *s, int fd, struct err *e)
{
	struct evconnlistener *listener = evconnlistener_new(s->base, NULL, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (listener == NULL) {
		(void)close(fd); /* nothing was sent */
		return fail(e, "listening");
	}
	if (evhttp_bind_listener(s->http, listener) == NULL) {
		evconnlistener_free(listener);
		return fail(e, "listening");
	}
	evhttp_set_allowed_methods(s->http, UINT16_MAX); /* route knows which */
	evhttp_set_default_content_type(s->http, NULL);
	evhttp_set_max_headers_size(s->http, HEADERS_MAX);
	evhttp_set_max_body_size(s->http, BODY_MAX);
	evhttp_set_timeout(s->http, IDLE_S);
	evhttp_set_gencb(s->http, on_request, s);
	return guests_open(&s->guests, s->base, s->http, listener, e);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	(void)number;
	(void)what;
	(void)event_base_loopbreak(context); /* fails only for NULL */
}

static int watch_signals(struct server *s, struct err *e)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	for (size_t i = 0; i < COUNT(numbers); i++) {
		s->ends[i] = evsignal_new(s->base, numbers[i], on_signal, s->base);
		if (s->ends[i] == NULL || event_add(s->ends[i], NULL) != 0)
			return fail(e, "watching for signals");
	}
	return 0;
}

int server_open(struct server **ret, uint16_t port, const char *socket, struct err *e)
{
	AUTO_PTR(server) *s = calloc(1, sizeof(*s));
	int fd = -1;

	if (s == NULL)
		return err_nomem(e);
	s->socket = socket;
	s->base = event_base_new();
	s->http = s->base != NULL ? evhttp_new(s->base) : NULL;
	if (s->http == NULL)
		return fail(e, "starting the event loop");
	if (listen_on_loopback(port, &fd, &s->port, e) != 0 ||
	    guard_init(&s->guard, s->port, e) != 0 || serve_http(s, fd, e) != 0 ||
	    watch_signals(s, e) != 0)
		return -1;
	*ret = steal(&s);
	return 0;
}

void server_close(struct server *s)
{
	for (size_t i = 0; i < COUNT(s->ends); i++)
		if (s->ends[i] != NULL)
			event_free(s->ends[i]);
	for (size_t i = 0; i < COUNT(s->streams); i++)
		if (s->streams[i].stream != NULL)
			stream_close(s->streams[i].stream);
	for (size_t i = 0; i < COUNT(s->deeds); i++)
		if (s->deeds[i].deed != NULL)
			deed_close(s->deeds[i].deed);
	for (size_t i = 0; i < COUNT(s->looks); i++)
		if (s->looks[i].deed != NULL)
			deed_close(s->looks[i].deed);
	if (s->http != NULL)
		evhttp_free(s->http);
	if (s->guests != NULL)
		guests_close(s->guests);
	if (s->base != NULL)
		event_base_free(s->base);
	free(s);
}

uint16_t server_port(const struct server *s)
{
	return s->port;
}

int server_run(struct server *s, struct err *e)
{
	return event_base_dispatch(s->base) == 0 ? 0 : fail(e, "the event loop");
}
