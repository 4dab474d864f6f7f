#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/err.h>

#include "csr.h"
#include "label.h"
#include "tls.h"

enum { HEADERS_MAX = 16 * 1024, IDLE_S = 300, BACKLOG = 64 };

/* An answer that waits for its moment. */
struct delayed {
	LIST_ENTRY(delayed) link;
	struct http *http;
	struct evhttp_request *request;
	struct est_answer answer;
	struct event *timer;
};

struct http {
	struct event_base *base;
	struct evhttp *server;
	SSL_CTX *tls;
	struct est *est;
	struct event *ends[2]; /* SIGTERM, SIGINT */
	uint16_t port;
	LIST_HEAD(, delayed) delayed;
};

static int fail(struct err *e, const char *what)
{
	return err_set(e, ERR_CONFIG, "devca", "%s failed", what);
}

static void add_header(struct evhttp_request *request, const char *name, const char *value)
{
	/* Only out of memory or a line end in our own text make this fail. */
	(void)evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static void add_retry_after(struct evhttp_request *request, const struct est_answer *answer)
{
	char text[40];
	struct tm tm;
	time_t when = time(NULL) + answer->retry_after_s;

	if (answer->retry_after_s == 0)
		return;
	if ((answer->flaws & ANSWER_RETRY_DATE) == 0)
		(void)snprintf(text, sizeof(text), "%d", answer->retry_after_s);
	else
		(void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT",
		    gmtime_r(&when, &tm));
	add_header(request, "Retry-After", text);
}

static void add_headers(struct evhttp_request *request, const struct est_answer *answer)
{
	char length[24];

	if (answer->content_type != NULL)
		add_header(request, "Content-Type", answer->content_type);
	if (answer->is_base64)
		add_header(request, "Content-Transfer-Encoding", "base64");
	if (answer->location != NULL)
		add_header(request, "Location", answer->location);
	if (answer->status == 401)
		add_header(request, "WWW-Authenticate", "Basic realm=\"kiln-devca\"");
	add_retry_after(request, answer);
	if ((answer->flaws & ANSWER_CLOSE) != 0)
		add_header(request, "Connection", "close");
	if ((answer->flaws & ANSWER_TRUNCATED) == 0)
		return;
	(void)snprintf(length, sizeof(length), "%zu", answer->body.len);
	add_header(request, "Content-Length", length);
	add_header(request, "Connection", "close");
}

static void send_chunked(struct evhttp_request *request, const struct est_answer *answer,
    struct evbuffer *body)
{
	enum { CHUNK = 100 };
	struct evbuffer *part = evbuffer_new();

	evhttp_send_reply_start(request, answer->status, NULL);
	while (part != NULL && evbuffer_get_length(body) > 0) {
		(void)evbuffer_remove_buffer(body, part,
		    CHUNK); /* both are ours, neither is frozen */
		evhttp_send_reply_chunk(request, part);
	}
	evhttp_send_reply_end(request);
	if (part != NULL)
		evbuffer_free(part);
}

/* Ends the request in any case. */
static void send_answer(struct evhttp_request *request, const struct est_answer *answer)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct evbuffer *body = evbuffer_new();
	size_t len = answer->body.len;

	if ((answer->flaws & ANSWER_TRUNCATED) != 0)
		len /= 2;
	if (body == NULL || evbuffer_add(body, answer->body.data, len) != 0) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	} else if ((answer->flaws & ANSWER_DROPPED) != 0 && connection != NULL) {
		evhttp_connection_free(connection);
	} else {
		add_headers(request, answer);
		if ((answer->flaws & ANSWER_CHUNKED) != 0)
			send_chunked(request, answer, body);
		else
			evhttp_send_reply(request, answer->status, NULL, body);
	}
	if (body != NULL)
		evbuffer_free(body);
}

static void delayed_send(struct delayed *d)
{
	LIST_REMOVE(d, link);
	send_answer(d->request, &d->answer);
	event_free(d->timer);
	est_answer_free(&d->answer);
	free(d);
}

static void on_moment(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	delayed_send(arg);
}

/* Takes the answer over; on failure it is sent at once by the caller. */
static int delay(struct http *h, struct evhttp_request *request, struct est_answer *answer)
{
	const struct timeval wait = { answer->delay_ms / 1000, answer->delay_ms % 1000 * 1000 };
	struct delayed *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -1;
	d->timer = evtimer_new(h->base, on_moment, d);
	if (d->timer == NULL || evtimer_add(d->timer, &wait) != 0) {
		if (d->timer != NULL)
			event_free(d->timer);
		free(d);
		return -1;
	}
	d->request = request;
	d->answer = *answer;
	*answer = (struct est_answer){ 0 };
	LIST_INSERT_HEAD(&h->delayed, d, link);
	return 0;
}

static const char *method_of(struct evhttp_request *request)
{
	switch (evhttp_request_get_command(request)) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_HEAD:
	case EVHTTP_REQ_PUT:
	case EVHTTP_REQ_DELETE:
	case EVHTTP_REQ_OPTIONS:
	case EVHTTP_REQ_TRACE:
	case EVHTTP_REQ_CONNECT:
	case EVHTTP_REQ_PATCH:
	default:
		return "other";
	}
}

static enum est_client client_of(struct evhttp_request *request)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(connection));

	return est_client_of(SSL_get0_peer_certificate(ssl));
}

static void on_request(struct evhttp_request *request, void *arg)
{
	struct http *h = arg;
	AUTO_STRUCT(est_answer) answer = { 0 };
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	const struct est_request r = {
		.method = method_of(request),
		.path = path != NULL ? path : "",
		.content_type =
		    evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type"),
		.body = evbuffer_pullup(body, -1),
		.len = evbuffer_get_length(body),
		.client = client_of(request),
	};
	struct err e = { 0 };

	if (est_handle(h->est, &r, &answer, &e) != 0)
		evhttp_send_error(request, HTTP_INTERNAL, e.message);
	else if (answer.delay_ms == 0 || delay(h, request, &answer) != 0)
		send_answer(request, &answer);
	ERR_clear_error(); /* what is left in the queue would look like an error of the connection */
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct http *h = arg;
	SSL *ssl = SSL_new(h->tls);

	if (ssl == NULL)
		return NULL;
	return bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
	    BEV_OPT_CLOSE_ON_FREE);
}

/* Accepted sockets inherit TCP_NODELAY: without it each answer waits for the client's delayed ACK. */
static int listen_on_loopback(uint16_t port, int *ret_fd, uint16_t *ret_port, struct err *e)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(at);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "devca", "making a socket");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		int rc = err_errno(e, ERR_CONFIG, "devca", "listening on 127.0.0.1:%u", port);

		(void)close(fd); /* nothing was sent */
		return rc;
	}
	*ret_fd = fd;
	*ret_port = ntohs(at.sin_port);
	return 0;
}

static int serve_https(struct http *h, int fd, struct err *e)
{
	h->base = event_base_new();
	h->server = h->base != NULL ? evhttp_new(h->base) : NULL;
	if (h->server == NULL)
		return fail(e, "starting the event loop");
	evhttp_set_allowed_methods(h->server, UINT16_MAX); /* est_handle knows which */
	evhttp_set_default_content_type(h->server, NULL);
	evhttp_set_max_headers_size(h->server, HEADERS_MAX);
	evhttp_set_max_body_size(h->server, CSR_BODY_MAX);
	evhttp_set_timeout(h->server, IDLE_S);
	evhttp_set_bevcb(h->server, on_accept, h);
	evhttp_set_gencb(h->server, on_request, h);
	if (evhttp_accept_socket(h->server, fd) != 0)
		return fail(e, "accepting connections");
	return 0;
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	(void)event_base_loopbreak(arg); /* fails only for NULL */
}

/* From the opening on: who was greeted may end this program at once. */
static int watch_signals(struct http *h, struct err *e)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	for (size_t i = 0; i < COUNT(numbers); i++) {
		h->ends[i] = evsignal_new(h->base, numbers[i], on_signal, h->base);
		if (h->ends[i] == NULL || event_add(h->ends[i], NULL) != 0)
			return fail(e, "watching for signals");
	}
	return 0;
}

int http_open(struct http **ret, const struct ca *ca, struct est *est, uint16_t port, struct err *e)
{
	AUTO_PTR(http) *h = calloc(1, sizeof(*h));
	int fd = -1;

	if (h == NULL)
		return err_nomem(e);
	LIST_INIT(&h->delayed);
	h->est = est;
	if (tls_context(ca, &h->tls, e) != 0 || listen_on_loopback(port, &fd, &h->port, e) != 0)
		return -1;
	if (serve_https(h, fd, e) != 0) {
		(void)close(fd); /* the server did not take it over */
		return -1;
	}
	if (watch_signals(h, e) != 0)
		return -1;
	*ret = steal(&h);
	return 0;
}

void http_close(struct http *h)
{
	for (size_t i = 0; i < COUNT(h->ends); i++)
		if (h->ends[i] != NULL)
			event_free(h->ends[i]);
	while (!LIST_EMPTY(&h->delayed))
		delayed_send(LIST_FIRST(&h->delayed));
	if (h->server != NULL)
		evhttp_free(h->server);
	if (h->base != NULL)
		event_base_free(h->base);
	SSL_CTX_free(h->tls);
	free(h);
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

static void on_leash(evutil_socket_t fd, short what, void *arg)
{
	char ignored[256];
	ssize_t n = read(fd, ignored, sizeof(ignored));

	(void)what;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		(void)event_base_loopbreak(arg); /* fails only for NULL */
}

int http_run(struct http *h, int leash, struct err *e)
{
	struct event *held = NULL;
	int rc = 0;

	if (leash >= 0)
		held = event_new(h->base, leash, EV_READ | EV_PERSIST, on_leash, h->base);
	if (leash >= 0 && (held == NULL || event_add(held, NULL) != 0))
		rc = fail(e, "watching the channel");
	else if (event_base_dispatch(h->base) != 0)
		rc = fail(e, "the event loop");
	if (held != NULL)
		event_free(held);
	return rc;
}
