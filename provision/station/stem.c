#include "stem.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool.h"

enum { PREPARE_MS = 10000, FORK_MS = 1000 };

const char stem_program[] = "kiln-slot";

struct stem {
	const struct profile *profile;
	void (*ended)(void *context, const char *program, const struct err *why);
	void *context;
	struct pool *pool; /* of one */
	bool renewed;      /* its end is wanted: nothing to tell */
	struct birth *births;
};

struct birth {
	struct stem *stem;
	int fd;          /* our end of its channel; -1 between two tries */
	stem_born *born; /* NULL: nobody waits for it */
	void *context;
	struct birth *next, **link;
};

static void close_channel(struct birth *b)
{
	if (b->fd >= 0)
		(void)close(b->fd); /* nothing was written */
	b->fd = -1;
}

static void birth_free(struct birth *b)
{
	*b->link = b->next;
	if (b->next != NULL)
		b->next->link = b->link;
	close_channel(b);
	free(b);
}

static void finish(struct birth *b, const struct child_process *process, const struct err *e)
{
	stem_born *born = b->born;
	void *context = b->context;

	birth_free(b);
	if (born != NULL)
		born(context, process, e);
	else if (process != NULL)
		child_discard(process);
}

/* It is to be killed one day: what is not our child is none of ours to kill. */
static bool is_child(json_int_t pid)
{
	siginfo_t ignored;

	return pid > 1 && pid == (pid_t)pid &&
	       waitid(P_PID, (id_t)pid, &ignored, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static int ask(struct birth *b, struct err *e);

/* A process that was made by a stem which then ended is not known, and was told nothing: it finds its channel
 * closed, and another is made. */
static void on_forked(void *context, const json_t *answer, const struct err *said)
{
	struct birth *b = context;
	struct child_process process = { (pid_t)json_opt_int(answer, "pid", 0), b->fd };
	struct err e = *said;

	if (answer != NULL && is_child(json_opt_int(answer, "pid", 0))) {
		b->fd = -1; /* with the process */
		finish(b, &process, NULL);
		return;
	}
	close_channel(b);
	if (answer != NULL)
		(void)err_set(&e, ERR_CONFIG, "child.protocol",
		    "%s made a process that is not the station's", stem_program);
	else if (b->born != NULL && (err_is(&e, "child.died") || err_is(&e, "child.timeout")) &&
		 ask(b, &e) == 0)
		return;
	finish(b, NULL, &e);
}

static int ask(struct birth *b, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, ERR_CONFIG, "proc", "making a channel for %s", stem_program);
	b->fd = ends[0];
	return pool_ask_with(b->stem->pool, json_pack("{s:s}", "do", "fork"), ends[1], FORK_MS,
	    on_forked, b, e);
}

int stem_ask(struct stem *s, struct birth **ret, stem_born *born, void *context, struct err *e)
{
	struct birth *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return err_nomem(e);
	*b = (struct birth){ s, -1, born, context, s->births, &s->births };
	if (b->next != NULL)
		b->next->link = &b->next;
	s->births = b;
	*ret = b;
	if (ask(b, e) == 0)
		return 0;
	*ret = NULL;
	birth_free(b);
	return -1;
}

void stem_forget(struct birth *b)
{
	b->born = NULL;
}

static json_t *make_prepare(void *context, struct err *e)
{
	const struct stem *s = context;
	json_t *request = json_pack("{s:s, s:{s:s, s:s%}}", "do", "prepare", "profile", "name",
	    s->profile->name, "text", (const char *)s->profile->text.data, s->profile->text.len);

	if (request == NULL)
		(void)err_nomem(e);
	return request;
}

static void on_ended(void *context, const char *program, const struct err *why)
{
	struct stem *s = context;

	if (!s->renewed)
		s->ended(s->context, program, why);
	s->renewed = false;
}

void stem_renew(struct stem *s)
{
	struct err why = { 0 };

	(void)err_set(&why, ERR_LINK, "child.died", "%s is begun anew", stem_program);
	s->renewed = true;
	pool_renew(s->pool, &why);
}

int stem_start(struct stem **ret, struct event_base *loop, const struct profile *profile,
    void (*ended)(void *context, const char *program, const struct err *why), void *context,
    struct err *e)
{
	AUTO_PTR(stem) *s = calloc(1, sizeof(*s));
	const struct pool_config config = { .program = stem_program,
		.domain = ERR_LINK,
		.children = 1,
		.open_ms = PREPARE_MS,
		.make_open = make_prepare,
		.ended = on_ended,
		.context = s };

	if (s == NULL)
		return err_nomem(e);
	*s = (struct stem){ .profile = profile, .ended = ended, .context = context };
	if (pool_start(&s->pool, loop, &config, e) != 0)
		return -1;
	*ret = steal(&s);
	return 0;
}

void stem_stop(struct stem *s)
{
	if (s->pool != NULL)
		pool_stop(s->pool);
	while (s->births != NULL)
		birth_free(s->births);
	free(s);
}
