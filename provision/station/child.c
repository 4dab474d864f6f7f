#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "clock.h"
#include "failpoint.h"
#include "line.h"
#include "proc.h"
#include "serve.h"

/*
 * What an answer may take after its deadline before its asker is told that it is late: kiln-slot may still
 * abort a command of a smart card (transports/ccid_block.c, ABORT_MS) or see an unplug (transports/usb.c,
 * LEAVING_MS), and then the way back. Ended before that, it could not say what it was.
 */
enum { ANSWER_GRACE_MS = 2000, GREETING_MS = 10000 };

enum child_state { CHILD_GREETING, CHILD_OPENING, CHILD_READY, CHILD_ENDED };

struct child {
	struct event_base *loop;
	const char *program;
	pid_t pid;
	enum child_state state;
	struct bufferevent *channel;
	struct event *timer;  /* deadline of what is awaited */
	struct event *ending; /* deferred end: never inside the caller's call */
	struct err why;
	json_t *open; /* owned until sent */
	int open_ms;
	enum err_domain domain;
	struct child_events events;
	int64_t id;
	child_answer *answer; /* NULL when idle */
	void *context;
};

static void child_free(struct child *c)
{
	if (c->channel != NULL)
		bufferevent_free(c->channel);
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->ending != NULL)
		event_free(c->ending);
	json_decref(c->open);
	free(c);
}

static void describe_end(struct child *c, int status, struct err *why)
{
	if (why->domain != ERR_NONE)
		return;
	if (WIFSIGNALED(status))
		(void)err_set(why, c->domain, "child.died", "%s was ended by signal %d (%s)",
		    c->program, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		(void)err_set(why, c->domain, "child.died", "%s ended by itself (exit code %d)",
		    c->program, WEXITSTATUS(status));
}

static void reap(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
}

static void answer_with(struct child *c, const json_t *ok, const struct err *e)
{
	child_answer *answer = c->answer;

	c->answer = NULL;
	(void)event_del(c->timer); /* not pending is fine */
	if (answer != NULL)
		answer(c->context, ok, e);
}

/* The deferred end: kills, reaps, tells. */
static void on_ending(evutil_socket_t fd, short what, void *context)
{
	struct child *c = context;
	struct err why = c->why;
	pid_t reaped = 0;
	int status = 0;

	(void)fd;
	(void)what;
	c->state = CHILD_ENDED;
	/* A closed channel usually means that it exits right now: its own status tells more. */
	for (int i = 0; why.domain == ERR_NONE && reaped == 0 && i < 50; i++)
		if ((reaped = waitpid(c->pid, &status, WNOHANG)) == 0)
			(void)usleep(1000);
	/* Once reaped its number may be another process's. */
	if (reaped == 0 && kill(c->pid, SIGKILL) == 0)
		reap(c->pid, &status);
	describe_end(c, status, &why);
	answer_with(c, NULL, &why);
	c->events.ended(c->events.context, &why);
	child_free(c);
}

/* As child_end. why NULL: its exit status will say. */
static void end(struct child *c, const struct err *why)
{
	if (event_pending(c->ending, EV_TIMEOUT, NULL))
		return;
	if (why != NULL)
		c->why = *why;
	bufferevent_disable(c->channel, EV_READ | EV_WRITE);
	event_active(c->ending, EV_TIMEOUT, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct child *c = context;
	struct err why = { 0 };

	(void)fd;
	(void)what;
	(void)err_set(&why, c->domain, "child.timeout", "%s did not answer in time and was ended",
	    c->program);
	end(c, &why);
}

static int await(struct child *c, int64_t ms, struct err *e)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	return event_add(c->timer, &t) == 0 ? 0 : err_nomem(e);
}

/* A descriptor travels with the bytes of one message, which the channel's buffer can not carry. One that is
 * asked has read all that was sent before: there is room. */
static int send_with(struct child *c, const struct buf *text, int fd, struct err *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = text->data, .iov_len = text->len };
	const struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };

	control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	if (sendmsg(bufferevent_getfd(c->channel), &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
	    (ssize_t)text->len)
		return 0;
	if (errno == EPIPE || errno == ECONNRESET)
		return 0; /* its end, of which the loop tells */
	return err_errno(e, c->domain, "child.sending", "asking %s", c->program);
}

/* With fd, or -1. */
static int send_line(struct child *c, const json_t *object, int fd, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (json_canonical(object, &text, e) != 0 || buf_add_u8(&text, '\n', e) != 0)
		return -1;
	if (text.len > LINE_MAX_LEN)
		return err_set(e, ERR_CONFIG, "line.long",
		    "a request to %s is longer than %d bytes", c->program, LINE_MAX_LEN);
	FAILPOINT("child.ask");
	if (fd >= 0)
		return send_with(c, &text, fd, e);
	return bufferevent_write(c->channel, text.data, text.len) == 0 ? 0 : err_nomem(e);
}

static int put_question(struct child *c, json_t *request, int fd, int64_t ms, struct err *e)
{
	int64_t deadline = clock_now_ms() + ms;

	if (json_set_int(request, "id", ++c->id, e) != 0 ||
	    json_set_int(request, "deadline", deadline, e) != 0)
		return -1;
	if (send_line(c, request, fd, e) != 0)
		return -1;
	return await(c, ms + ANSWER_GRACE_MS, e);
}

static int become_ready(struct child *c, const json_t *answer, struct err *e)
{
	c->state = CHILD_READY;
	(void)event_del(c->timer); /* nothing is awaited */
	return c->events.ready(c->events.context, answer, e);
}

static int open_up(struct child *c, struct err *e)
{
	AUTO(json_t) *open = steal(&c->open);

	c->state = CHILD_OPENING;
	return put_question(c, open, -1, c->open_ms, e);
}

static int on_greeting(struct child *c, const json_t *line, struct err *e)
{
	if (strcmp(json_opt_str(line, "hello", ""), c->program) != 0)
		return err_set(e, ERR_CONFIG, "child.greeting", "%s did not greet", c->program);
	if (strcmp(json_opt_str(line, "build", ""), build_id()) != 0)
		return err_set(e, ERR_CONFIG, "child.build",
		    "%s is of another build: kiln was upgraded under a running station; restart it",
		    c->program);
	return c->open != NULL ? open_up(c, e) : become_ready(c, line, e);
}

static int on_answer(struct child *c, const json_t *line, struct err *e)
{
	const json_t *ok = json_object_get(line, "ok");
	struct err said = { 0 };

	if (json_opt_int(line, "id", -1) != c->id)
		return err_set(e, c->domain, "child.protocol", "%s answered what was not asked",
		    c->program);
	if (!json_is_object(ok))
		(void)json_to_err(json_object_get(line, "err"), &said);
	if (c->state == CHILD_OPENING && json_is_object(ok))
		return become_ready(c, ok, e);
	if (c->state == CHILD_OPENING && strncmp(said.code, "child.", strlen("child.")) == 0)
		return err_set(e, c->domain, "child.protocol",
		    "%s answered what only its station can know", c->program);
	if (c->state == CHILD_OPENING) {
		*e = said;
		return -1;
	}
	if (c->answer == NULL)
		return err_set(e, c->domain, "child.protocol", "%s answered what was not asked",
		    c->program);
	answer_with(c, json_is_object(ok) ? ok : NULL, &said);
	return 0;
}

static int on_line(struct child *c, const char *text, size_t len, struct err *e)
{
	AUTO(json_t) *line = NULL;

	FAILPOINT("child.answered");
	if (json_parse(text, len, &line, c->domain, e) != 0)
		return err_while(e, "a line of %s", c->program);
	return c->state == CHILD_GREETING ? on_greeting(c, line, e) : on_answer(c, line, e);
}

static void on_read(struct bufferevent *channel, void *context)
{
	struct child *c = context;
	struct evbuffer *in = bufferevent_get_input(channel);
	struct err e = { 0 };
	size_t len;

	for (;;) {
		char *text = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		int rc;

		if (text == NULL)
			break;
		rc = on_line(c, text, len, &e);
		explicit_bzero(text, len);
		free(text);
		if (rc != 0) {
			end(c, &e);
			return;
		}
	}
	if (evbuffer_get_length(in) > LINE_MAX_LEN) {
		(void)err_set(&e, c->domain, "line.long", "a line of %s is longer than %d bytes",
		    c->program, LINE_MAX_LEN);
		end(c, &e);
	}
}

static void on_channel_end(struct bufferevent *channel, short what, void *context)
{
	(void)channel;
	(void)what;
	end(context, NULL);
}

static int connect_child(struct child *c, int fd, struct err *e)
{
	c->timer = evtimer_new(c->loop, on_timer, c);
	c->ending = evtimer_new(c->loop, on_ending, c);
	if (evutil_make_socket_nonblocking(fd) == 0)
		c->channel = bufferevent_socket_new(c->loop, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->channel == NULL)
		(void)close(fd); /* nothing was written */
	if (c->timer == NULL || c->ending == NULL || c->channel == NULL)
		return err_nomem(e);
	bufferevent_setcb(c->channel, on_read, NULL, on_channel_end, c);
	return bufferevent_enable(c->channel, EV_READ | EV_WRITE) == 0 ? 0 : err_nomem(e);
}

/* Takes open over, also where it fails. */
static struct child *child_new(struct event_base *loop, const char *program, json_t *open,
    int open_ms, enum err_domain domain, const struct child_events *events, struct err *e)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		json_decref(open);
		(void)err_nomem(e);
		return NULL;
	}
	*c = (struct child){ .loop = loop,
		.program = program,
		.open = open,
		.open_ms = open_ms,
		.domain = domain,
		.events = *events };
	return c;
}

int child_start(struct child **ret, struct event_base *loop, const char *program,
    const char *const arguments[], json_t *open, int open_ms, enum err_domain domain,
    const struct child_events *events, struct err *e)
{
	struct child *c = child_new(loop, program, open, open_ms, domain, events, e);
	int fd;

	if (c == NULL)
		return -1;
	if (proc_start(program, arguments, &fd, &c->pid, e) != 0) {
		child_free(c);
		return -1;
	}
	if (connect_child(c, fd, e) != 0 || await(c, GREETING_MS, e) != 0) {
		child_kill(c);
		return -1;
	}
	*ret = c;
	return 0;
}

int child_adopt(struct child **ret, struct event_base *loop, const char *program,
    const struct child_process *process, json_t *open, int open_ms, enum err_domain domain,
    const struct child_events *events, struct err *e)
{
	struct child *c = child_new(loop, program, open, open_ms, domain, events, e);

	if (c == NULL) {
		child_discard(process);
		return -1;
	}
	c->pid = process->pid;
	if (connect_child(c, process->fd, e) != 0 || open_up(c, e) != 0) {
		child_kill(c);
		return -1;
	}
	*ret = c;
	return 0;
}

int child_ask(struct child *c, json_t *request, int64_t deadline_ms, child_answer *answer,
    void *context, struct err *e)
{
	return child_ask_with(c, request, -1, deadline_ms, answer, context, e);
}

int child_ask_with(struct child *c, json_t *request, int fd, int64_t deadline_ms,
    child_answer *answer, void *context, struct err *e)
{
	AUTO(json_t) *owned = request;

	if (owned == NULL)
		return err_nomem(e);
	if (c->state != CHILD_READY || c->answer != NULL)
		return err_set(e, ERR_CONFIG, "child.busy", "%s is not ready to be asked",
		    c->program);
	if (put_question(c, owned, fd, deadline_ms, e) != 0)
		return -1;
	c->answer = answer;
	c->context = context;
	return 0;
}

void child_end(struct child *c, const struct err *why)
{
	end(c, why);
}

bool child_is_busy(const struct child *c)
{
	return c->state != CHILD_READY || c->answer != NULL ||
	       event_pending(c->ending, EV_TIMEOUT, NULL);
}

static void kill_and_reap(pid_t pid)
{
	int status;

	if (kill(pid, SIGKILL) == 0)
		reap(pid, &status);
}

void child_kill(struct child *c)
{
	kill_and_reap(c->pid);
	child_free(c);
}

void child_discard(const struct child_process *process)
{
	(void)close(process->fd); /* nothing was written */
	kill_and_reap(process->pid);
}

void child_stop(struct child *c, int grace_ms)
{
	int64_t deadline = clock_now_ms() + grace_ms;
	int status;

	/* End of file is how a child is asked to end; bufferevent_free closes only in the loop. */
	(void)shutdown(bufferevent_getfd(c->channel), SHUT_RDWR);
	while (waitpid(c->pid, &status, WNOHANG) == 0) {
		if (clock_left_ms(deadline) == 0) {
			child_kill(c);
			return;
		}
		(void)usleep(2000);
	}
	child_free(c);
}
