#include "printer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "file.h"

enum { SEND_MS = 10000, CLOSE_MS = 10000, PAUSE_MIN_MS = 1000, PAUSE_MAX_MS = 30000 };
enum {
	READ_MAX = 4096,
	READ_PER_S = 32 * 1024,
	DEAD_AFTER_S = 30,
	DEAD_PROBES_S = 10,
	DEAD_PROBES = 3
};

enum state {
	STATE_IDLE,
	STATE_BEGINS, /* at the timer */
	STATE_SENDS,  /* connects and sends, until the timer */
	STATE_WAITS,  /* has sent all: for the printer's end of the connection */
};

struct printer {
	struct event_base *loop;
	struct printer_hooks hooks;
	struct printer_address address;
	const char *text; /* of the address */
	struct printer_job *first, **last;
	size_t count;
	enum state state;
	struct event *timer;
	struct bufferevent *connection;
	struct ev_token_bucket_cfg *pace; /* of what the printer says, and nobody listens to */
	int64_t pause_ms;
	struct err down; /* domain NONE: it takes labels */
};

static void wake(struct printer *p, int64_t ms)
{
	const struct timeval after = { ms / 1000, ms % 1000 * 1000 };

	(void)event_add(p->timer, &after); /* its memory is there: fails only on a broken loop */
}

static void hang_up(struct printer *p)
{
	if (p->connection != NULL)
		bufferevent_free(p->connection);
	p->connection = NULL;
}

static void tell_down(struct printer *p, const struct err *why)
{
	if (err_is(&p->down, why->code))
		return;
	p->down = *why;
	p->hooks.state(p->hooks.context, why);
}

static void fail(struct printer *p, const struct err *why)
{
	hang_up(p);
	p->pause_ms = p->pause_ms == 0 ? PAUSE_MIN_MS : 2 * p->pause_ms;
	if (p->pause_ms > PAUSE_MAX_MS)
		p->pause_ms = PAUSE_MAX_MS;
	p->state = STATE_BEGINS;
	wake(p, p->pause_ms);
	tell_down(p, why);
}

static struct printer_job *pop(struct printer *p)
{
	struct printer_job *job = p->first;

	if (job == NULL)
		return NULL;
	p->first = job->next;
	if (p->first == NULL)
		p->last = &p->first;
	job->next = NULL;
	p->count--;
	return job;
}

static void go_on(struct printer *p)
{
	p->state = p->first != NULL ? STATE_BEGINS : STATE_IDLE;
	if (p->first != NULL)
		wake(p, 0);
	else
		(void)event_del(p->timer); /* can not fail on one that exists */
}

static void on_taken(struct printer *p)
{
	struct printer_job *job = pop(p);

	hang_up(p);
	p->pause_ms = 0;
	go_on(p);
	if (p->down.domain != ERR_NONE) {
		p->down = (struct err){ 0 };
		p->hooks.state(p->hooks.context, NULL);
	}
	p->hooks.taken(p->hooks.context, job);
}

/* What it says of itself is not listened to. */
static void on_read(struct bufferevent *connection, void *context)
{
	struct evbuffer *in = bufferevent_get_input(connection);

	(void)context;
	(void)evbuffer_drain(in, evbuffer_get_length(in)); /* fails only where it is frozen */
}

static void fail_by_errno(struct printer *p, int number, const char *what)
{
	struct err e = { 0 };

	errno = number;
	(void)err_errno(&e, ERR_CONFIG, "printer.gone", "the label printer %s %s", p->text, what);
	fail(p, &e);
}

/* All that was written is sent: the printer reads the end. */
static void on_sent(struct bufferevent *connection, void *context)
{
	struct printer *p = context;

	if (p->state != STATE_SENDS)
		return;
	if (shutdown(bufferevent_getfd(connection), SHUT_WR) != 0) {
		fail_by_errno(p, errno, "went away");
		return;
	}
	p->state = STATE_WAITS;
	wake(p, CLOSE_MS);
}

static void set_option(int fd, int option, int value)
{
	(void)setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)); /* the kernel's stay */
}

/* A printer that was switched off is noticed also while it has nothing to say. */
static void watch_connection(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)); /* then later */
	set_option(fd, TCP_KEEPIDLE, DEAD_AFTER_S);
	set_option(fd, TCP_KEEPINTVL, DEAD_PROBES_S);
	set_option(fd, TCP_KEEPCNT, DEAD_PROBES);
	set_option(fd, TCP_USER_TIMEOUT, (DEAD_AFTER_S + DEAD_PROBES * DEAD_PROBES_S) * 1000);
}

static void on_connected(struct printer *p)
{
	const struct buf *zpl = &p->first->zpl;

	watch_connection(bufferevent_getfd(p->connection));
	if (bufferevent_set_rate_limit(p->connection, p->pace) != 0 ||
	    bufferevent_write(p->connection, zpl->data, zpl->len) != 0 ||
	    bufferevent_enable(p->connection, EV_READ) != 0)
		fail_by_errno(p, ENOMEM, "is not sent to");
}

static void on_event(struct bufferevent *connection, short what, void *context)
{
	struct printer *p = context;

	(void)connection;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		on_connected(p);
	else if ((what & BEV_EVENT_EOF) != 0 && p->state == STATE_WAITS)
		on_taken(p);
	else if ((what & BEV_EVENT_EOF) != 0)
		fail_by_errno(p, ECONNRESET, "hung up before it had the label");
	else
		fail_by_errno(p, EVUTIL_SOCKET_ERROR(),
		    p->state == STATE_WAITS ? "went away with a label that is sent again"
					    : "can not be reached");
}

static void send_to_socket(struct printer *p)
{
	p->connection = bufferevent_socket_new(p->loop, -1, BEV_OPT_CLOSE_ON_FREE);
	if (p->connection == NULL) {
		fail_by_errno(p, ENOMEM, "is not connected to");
		return;
	}
	p->state = STATE_SENDS;
	bufferevent_setcb(p->connection, on_read, on_sent, on_event, p);
	bufferevent_setwatermark(p->connection, EV_READ, 0, READ_MAX);
	wake(p, SEND_MS);
	if (bufferevent_socket_connect(p->connection, (struct sockaddr *)&p->address.socket,
		(int)p->address.len) != 0 &&
	    p->state == STATE_SENDS)
		fail_by_errno(p, EVUTIL_SOCKET_ERROR(), "can not be reached");
}

static void write_file(struct printer *p)
{
	AUTO_STRUCT(buf) path = { 0 };
	const struct printer_job *job = p->first;
	struct err e = { 0 };

	if (printer_address_file(&p->address, job->serial, &path, &e) != 0 ||
	    file_write((const char *)path.data, job->zpl.data, job->zpl.len, 0644, &e) != 0)
		fail(p, &e);
	else
		on_taken(p);
}

static void tell_busy(struct printer *p)
{
	struct err e = { 0 };

	(void)err_set(&e, ERR_CONFIG, "printer.busy",
	    "the label printer %s has the label of %s and does not go on", p->text,
	    p->first->serial);
	tell_down(p, &e);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct printer *p = context;

	(void)fd;
	(void)what;
	if (p->state == STATE_BEGINS && p->address.pattern != NULL)
		write_file(p);
	else if (p->state == STATE_BEGINS)
		send_to_socket(p);
	else if (p->state == STATE_SENDS)
		fail_by_errno(p, ETIMEDOUT, "can not be reached");
	else if (p->state == STATE_WAITS)
		tell_busy(p);
}

int printer_open(struct printer **ret, struct event_base *loop, const char *address,
    const struct printer_hooks *hooks, struct err *e)
{
	AUTO_PTR(printer) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->loop = loop;
	p->hooks = *hooks;
	p->text = address;
	p->last = &p->first;
	if (printer_address_parse(address, &p->address, e) != 0)
		return -1;
	p->timer = evtimer_new(loop, on_timer, p);
	p->pace = ev_token_bucket_cfg_new(READ_PER_S, READ_PER_S, EV_RATE_LIMIT_MAX,
	    EV_RATE_LIMIT_MAX, NULL);
	if (p->timer == NULL || p->pace == NULL)
		return err_nomem(e);
	*ret = steal(&p);
	return 0;
}

void printer_close(struct printer *p)
{
	hang_up(p);
	if (p->timer != NULL)
		event_free(p->timer);
	if (p->pace != NULL)
		ev_token_bucket_cfg_free(p->pace);
	free(p);
}

/* The one that the printer may have already stays first. */
static void drop_oldest(struct printer *p)
{
	struct printer_job **at = p->connection != NULL ? &p->first->next : &p->first;
	struct printer_job *job = *at;

	*at = job->next;
	if (*at == NULL)
		p->last = at;
	job->next = NULL;
	p->count--;
	p->hooks.lost(p->hooks.context, job);
}

void printer_print(struct printer *p, struct printer_job *job)
{
	job->next = NULL;
	*p->last = job;
	p->last = &job->next;
	p->count++;
	if (p->count > PRINTER_QUEUE_MAX)
		drop_oldest(p);
	if (p->state == STATE_IDLE)
		go_on(p);
}

size_t printer_waiting(const struct printer *p)
{
	return p->count;
}

bool printer_is_down(const struct printer *p)
{
	return p->down.domain != ERR_NONE;
}

struct printer_job *printer_drop(struct printer *p)
{
	hang_up(p);
	p->state = STATE_IDLE;
	(void)event_del(p->timer); /* can not fail on one that exists */
	return pop(p);
}
