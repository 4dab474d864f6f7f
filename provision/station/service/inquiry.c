#include "inquiry.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc.h"

enum { READ_SIZE = 16 * 1024, NICE = 10 };

struct question {
	struct question *next;
	struct inquiry *inquiry;
	char *arguments[INQUIRY_ARGUMENTS_MAX + 1];
	size_t most;
	inquiry_answer *answer;
	void *context;
	struct event *timer, *readable; /* readable NULL: it waits its turn */
	pid_t pid;
	struct buf said;
};

struct inquiry {
	struct event_base *loop;
	const char *program;
	int patience_ms;
	struct question *questions; /* oldest first */
	size_t running, waiting;
	struct event *turn; /* deferred start of the next: never inside a caller's call */
};

static void reap(pid_t pid)
{
	int status;

	/* What has closed its output exits, or hangs and is of no use. */
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static void question_free(struct question *q)
{
	if (q->readable != NULL) {
		(void)close(event_get_fd(q->readable)); /* only read */
		event_free(q->readable);
		reap(q->pid);
	}
	if (q->timer != NULL)
		event_free(q->timer);
	for (size_t i = 0; i < INQUIRY_ARGUMENTS_MAX; i++)
		free(q->arguments[i]);
	buf_free(&q->said);
	free(q);
}

/* The last thing that is done with it. */
static void end(struct question *q, json_t *answer, const struct err *why)
{
	struct inquiry *i = q->inquiry;
	struct question **at = &i->questions;
	inquiry_answer *tell = q->answer;
	void *context = q->context;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (q->readable != NULL)
		i->running--;
	else
		i->waiting--;
	question_free(q);
	if (i->turn != NULL)
		event_active(i->turn, EV_TIMEOUT, 0);
	tell(context, answer, why);
}

static void end_with(struct question *q, const struct err *why)
{
	end(q, NULL, why);
}

/* All that it said: an object, or an error that it met. */
static void take(struct question *q)
{
	json_t *answer = NULL;
	const json_t *error;
	struct err why = { 0 };

	if (q->said.len == 0 ||
	    json_parse((const char *)q->said.data, q->said.len, &answer, ERR_RECORDS, &why) != 0) {
		(void)err_set(&why, ERR_RECORDS, "inquiry.died",
		    "what reads the records for this has ended without an answer");
		end_with(q, &why);
		return;
	}
	error = json_object_get(answer, "err");
	if (error == NULL) {
		end(q, answer, NULL);
		return;
	}
	(void)json_to_err(error, &why); /* -1 always */
	json_decref(answer);
	end_with(q, &why);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct question *q = context;
	struct err e = { 0 };
	uint8_t *room = buf_room(&q->said, READ_SIZE, &e);
	ssize_t n;

	(void)what;
	if (room == NULL) {
		end_with(q, &e);
		return;
	}
	n = read(fd, room, READ_SIZE);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		take(q);
		return;
	}
	q->said.len += (size_t)n;
	if (q->said.len <= q->most)
		return;
	(void)err_set(&e, ERR_OPERATOR, "inquiry.long",
	    "the answer is longer than %zu bytes: ask with the command line", q->most);
	end_with(q, &e);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct question *q = context;
	struct err why = { 0 };

	(void)fd;
	(void)what;
	(void)err_set(&why, ERR_RECORDS, "inquiry.timeout",
	    "the records did not answer within %d s", (q->inquiry->patience_ms + 999) / 1000);
	end_with(q, &why);
}

/* Units come first: it gets what they leave of the processor. */
static int start(struct question *q, struct err *e)
{
	struct inquiry *i = q->inquiry;
	int fd;

	if (proc_start_output(i->program, (const char *const *)(uintptr_t)q->arguments, &fd,
		&q->pid, e) != 0)
		return -1;
	(void)setpriority(PRIO_PROCESS, (id_t)q->pid, NICE); /* without, it only is less polite */
	if (evutil_make_socket_nonblocking(fd) == 0)
		q->readable = event_new(i->loop, fd, EV_READ | EV_PERSIST, on_readable, q);
	if (q->readable == NULL) {
		(void)close(fd); /* nothing was read */
		reap(q->pid);
		return err_nomem(e);
	}
	i->waiting--;
	i->running++;
	return event_add(q->readable, NULL) == 0 ? 0 : err_nomem(e);
}

static struct question *first_waiting(const struct inquiry *i)
{
	struct question *q = i->questions;

	while (q != NULL && q->readable != NULL)
		q = q->next;
	return q;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct inquiry *i = context;
	struct question *q;

	(void)fd;
	(void)what;
	while (i->running < INQUIRY_RUNNING_MAX && (q = first_waiting(i)) != NULL) {
		struct err e = { 0 };

		if (start(q, &e) != 0)
			end_with(q, &e);
	}
}

int inquiry_open(struct inquiry **ret, struct event_base *loop, const char *program,
    int patience_ms, struct err *e)
{
	AUTO_PTR(inquiry) *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return err_nomem(e);
	i->loop = loop;
	i->program = program;
	i->patience_ms = patience_ms;
	i->turn = evtimer_new(loop, on_turn, i);
	if (i->turn == NULL)
		return err_nomem(e);
	*ret = steal(&i);
	return 0;
}

void inquiry_close(struct inquiry *i)
{
	struct err why = { 0 };

	(void)err_set(&why, ERR_OPERATOR, "station.ending", "the station is ending");
	if (i->turn != NULL)
		event_free(i->turn);
	i->turn = NULL;
	while (i->questions != NULL)
		end_with(i->questions, &why);
	free(i);
}

static int fill(struct question *q, const char *const arguments[], struct err *e)
{
	int ms = q->inquiry->patience_ms;
	const struct timeval patience = { ms / 1000, ms % 1000 * 1000 };

	for (size_t i = 0; arguments[i] != NULL; i++) {
		if (i == INQUIRY_ARGUMENTS_MAX)
			return err_set(e, ERR_CONFIG, "proc", "too many arguments");
		q->arguments[i] = strdup(arguments[i]);
		if (q->arguments[i] == NULL)
			return err_nomem(e);
	}
	q->timer = evtimer_new(q->inquiry->loop, on_timer, q);
	return q->timer != NULL && evtimer_add(q->timer, &patience) == 0 ? 0 : err_nomem(e);
}

int inquiry_ask(struct inquiry *i, const char *const arguments[], size_t most,
    inquiry_answer *answer, void *context, struct err *e)
{
	struct question **at = &i->questions;
	struct question *q;

	if (i->waiting >= INQUIRY_WAITING_MAX)
		return err_set(e, ERR_OPERATOR, "inquiry.busy",
		    "too many ask about the records just now");
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_nomem(e);
	*q = (struct question){ .inquiry = i, .most = most, .answer = answer, .context = context };
	if (fill(q, arguments, e) != 0) {
		question_free(q);
		return -1;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = q;
	i->waiting++;
	event_active(i->turn, EV_TIMEOUT, 0);
	return 0;
}
