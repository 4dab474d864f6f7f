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
	size_t wanted;     /* spares */
	struct birth *births;
};

struct birth {
	struct stem *stem;
	struct child_process process; /* pid is 0 until it is born; fd is -1 between two tries */
	stem_born *born;              /* NULL: nobody waits for it, it is a spare */
	void *context;
	struct birth *next, **link;
};

static void close_channel(struct birth *b)
{
	if (b->process.fd >= 0)
		(void)close(b->process.fd); /* nothing was written */
	b->process.fd = -1;
}

static void birth_free(struct birth *b)
{
	*b->link = b->next;
	if (b->next != NULL)
		b->next->link = b->link;
	if (b->process.pid > 0)
		child_discard(&b->process);
	else
		close_channel(b);
	free(b);
}

/* Tells who waits for it. */
static void finish(struct birth *b, const struct err *e)
{
	const struct child_process process = b->process;
	stem_born *born = b->born;
	void *context = b->context;

	b->process = (struct child_process){ 0, process.pid > 0 ? -1 : process.fd };
	birth_free(b);
	born(context, process.pid > 0 ? &process : NULL, e);
}

static size_t spares(const struct stem *s)
{
	size_t count = 0;

	for (const struct birth *b = s->births; b != NULL; b = b->next)
		count += b->born == NULL;
	return count;
}

/* It is to be killed one day: what is not our child is none of ours to kill. */
static bool is_child(json_int_t pid, bool *ret_lives)
{
	siginfo_t end = { 0 };

	if (pid <= 1 || pid != (pid_t)pid ||
	    waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) != 0)
		return false;
	*ret_lives = end.si_pid == 0;
	return true;
}

static int ask(struct birth *b, struct err *e);

/* A process that was made by a stem which then ended is not known, and was told nothing: it finds its channel
 * closed, and another is made. */
static void on_forked(void *context, const json_t *answer, const struct err *said)
{
	struct birth *b = context;
	struct err e = *said;
	bool lives;

	if (answer != NULL && is_child(json_opt_int(answer, "pid", 0), &lives)) {
		b->process.pid = (pid_t)json_opt_int(answer, "pid", 0);
		if (b->born != NULL)
			finish(b, NULL);
		else if (spares(b->stem) > b->stem->wanted)
			birth_free(b);
		return;
	}
	close_channel(b);
	if (answer != NULL)
		(void)err_set(&e, ERR_CONFIG, "child.protocol",
		    "%s made a process that is not the station's", stem_program);
	else if (b->born != NULL && (err_is(&e, "child.died") || err_is(&e, "child.timeout")) &&
		 ask(b, &e) == 0)
		return;
	if (b->born != NULL)
		finish(b, &e);
	else
		birth_free(b);
}

static int ask(struct birth *b, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_errno(e, ERR_CONFIG, "proc", "making a channel for %s", stem_program);
	b->process.fd = ends[0];
	return pool_ask_with(b->stem->pool, json_pack("{s:s}", "do", "fork"), ends[1], FORK_MS,
	    on_forked, b, e);
}

static struct birth *order(struct stem *s, stem_born *born, void *context, struct err *e)
{
	struct birth *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	*b = (struct birth){ s, { 0, -1 }, born, context, s->births, &s->births };
	if (b->next != NULL)
		b->next->link = &b->next;
	s->births = b;
	if (ask(b, e) == 0)
		return b;
	birth_free(b);
	return NULL;
}

void stem_keep(struct stem *s, size_t wanted)
{
	struct err ignored = { 0 };

	s->wanted = wanted;
	for (size_t n = spares(s); n < wanted; n++)
		if (order(s, NULL, NULL, &ignored) == NULL)
			return;
}

/* One that lives, or else the one that was asked for first. */
static struct birth *find_spare(struct stem *s)
{
	struct birth *found = NULL, *next;

	for (struct birth *b = s->births; b != NULL; b = next) {
		bool lives = false;

		next = b->next;
		if (b->born != NULL)
			continue;
		if (b->process.pid == 0)
			found = b;
		else if (is_child(b->process.pid, &lives) && lives)
			return b;
		else
			birth_free(b);
	}
	return found;
}

int stem_ask(struct stem *s, struct birth **ret, stem_born *born, void *context, struct err *e)
{
	struct birth *b = find_spare(s);

	*ret = NULL;
	if (b == NULL) {
		*ret = order(s, born, context, e);
		return *ret != NULL ? 0 : -1;
	}
	b->born = born;
	b->context = context;
	if (b->process.pid > 0)
		finish(b, NULL);
	else
		*ret = b;
	return 0;
}

void stem_forget(struct birth *b)
{
	b->born = NULL;
}

/* One that came anew has made none yet. */
static void on_ready(void *context)
{
	struct stem *s = context;

	stem_keep(s, s->wanted);
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

/* The spares are its layout too. */
static void discard_spares(struct stem *s)
{
	struct birth *next;

	for (struct birth *b = s->births; b != NULL; b = next) {
		next = b->next;
		if (b->born == NULL && b->process.pid > 0)
			birth_free(b);
	}
}

void stem_renew(struct stem *s)
{
	struct err why = { 0 };

	discard_spares(s);
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
		.ready = on_ready,
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
