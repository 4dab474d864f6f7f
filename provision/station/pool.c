#include "pool.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After so many failed starts nobody waits in the queue for the next one; it is made all the same. */
enum { HOPE_STARTS = 5, PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 10000, STOP_GRACE_MS = 3000 };

struct question {
	json_t *request;
	int fd; /* that goes with it; or -1 */
	int64_t deadline_ms;
	child_answer *answer;
	void *context;
	struct question *next;
	struct err why; /* of one that could not be sent */
};

struct member {
	struct pool *pool;
	struct child *child;   /* NULL while it is not running */
	struct event *restart; /* pending while it waits to be started again */
	bool ready;
	int failures; /* in a row; an answer ends the row */
	struct question *asked;
};

struct pool {
	struct event_base *loop;
	struct pool_config config;
	struct member *members;
	size_t
	    started; /* of members: one after the other, modules do not like to be started at once */
	struct question *first, **last;
	size_t waiting;
	struct question *unsent;
	struct event *refuse; /* deferred refusal of those, and of what is queued */
	struct err broken;    /* why the children do not start; domain NONE while they may */
};

static void start_member(struct member *m);
static void dispatch(struct pool *p);

static void question_free(struct question *q)
{
	json_decref(q->request);
	if (q->fd >= 0)
		(void)close(q->fd); /* nothing was written */
	free(q);
}

static struct question *take(struct pool *p)
{
	struct question *q = p->first;

	p->first = q->next;
	if (p->first == NULL)
		p->last = &p->first;
	p->waiting--;
	return q;
}

static struct question *take_unsent(struct pool *p)
{
	struct question *q = p->unsent;

	if (q != NULL)
		p->unsent = q->next;
	return q;
}

static void finish(struct question *q, const json_t *answer, const struct err *e)
{
	q->answer(q->context, answer, e);
	question_free(q);
}

static const char *code_of(const json_t *answer, const struct err *e)
{
	return answer != NULL ? json_opt_str(answer, "code", "") : e->code;
}

/* The token failed a child that runs: whatever the module says, only a new process can tell. */
static bool needs_rebuild(const json_t *answer, const struct err *e)
{
	return strncmp(code_of(answer, e), "hsm.", 4) == 0;
}

static void rebuild(struct member *m, const json_t *answer, const struct err *said, struct err *ret)
{
	(void)err_set(ret, ERR_HSM, "hsm.rebuild", "%s",
	    answer != NULL ? json_opt_str(answer, "message", "the token fails") : said->message);
	m->ready = false;
	child_end(m->child, ret);
}

static void on_answer(void *context, const json_t *answer, const struct err *e)
{
	struct member *m = context;
	struct question *q = steal(&m->asked);
	struct err why = *e;

	if (needs_rebuild(answer, e))
		rebuild(m, answer, e, &why);
	else if (answer != NULL)
		m->failures = 0;
	else if (child_is_busy(m->child))
		m->ready =
		    false; /* this is its end, whatever it is called; told right after this */
	finish(q, answer, &why);
	dispatch(m->pool);
}

static bool is_coming(const struct member *m)
{
	return m->child != NULL || event_pending(m->restart, EV_TIMEOUT, NULL);
}

static bool can_work(const struct pool *p)
{
	for (size_t i = 0; i < p->config.children; i++) {
		const struct member *m = &p->members[i];

		if (m->ready || (is_coming(m) && m->failures <= HOPE_STARTS))
			return true;
	}
	return false;
}

bool pool_is_lost(const struct pool *p)
{
	for (size_t i = 0; i < p->config.children; i++)
		if (is_coming(&p->members[i]))
			return false;
	return true;
}

bool pool_is_short(const struct pool *p)
{
	for (size_t i = 0; i < p->started; i++)
		if (!p->members[i].ready)
			return true;
	return false;
}

bool pool_is_outage(const struct err *why)
{
	return err_is(why, "child.died") || err_is(why, "child.timeout") ||
	       err_is(why, "pool.down") || err_is(why, "hsm.rebuild");
}

static void ask_member(struct member *m, struct question *q)
{
	struct pool *p = m->pool;
	json_t *request = json_incref(q->request);

	m->asked = q;
	if (child_ask_with(m->child, request, q->fd, q->deadline_ms, on_answer, m, &q->why) == 0)
		return;
	m->asked = NULL;
	q->next = p->unsent;
	p->unsent = q;
	event_active(p->refuse, EV_TIMEOUT, 0);
}

static void dispatch(struct pool *p)
{
	for (size_t i = 0; i < p->config.children && p->first != NULL; i++) {
		struct member *m = &p->members[i];

		if (m->ready && m->asked == NULL && !child_is_busy(m->child))
			ask_member(m, take(p));
	}
	if (p->first != NULL && !can_work(p))
		event_active(p->refuse, EV_TIMEOUT, 0);
}

static void on_refuse(evutil_socket_t fd, short what, void *context)
{
	struct pool *p = context;
	struct err why = p->broken;

	(void)fd;
	(void)what;
	for (struct question *q; (q = take_unsent(p)) != NULL;)
		finish(q, NULL, &q->why);
	/* Not the child's own end: what was never asked had no effect. */
	if (!pool_is_lost(p))
		(void)err_set(&why, p->config.domain, "pool.down", "%s does not start: %s",
		    p->config.program, p->broken.message);
	while (p->first != NULL && !can_work(p))
		finish(take(p), NULL, &why);
}

static void start_next(struct pool *p)
{
	if (p->started < p->config.children)
		start_member(&p->members[p->started++]);
}

static int on_ready(void *context, const json_t *answer, struct err *e)
{
	struct member *m = context;
	const struct pool_config *config = &m->pool->config;

	if (config->opened != NULL && config->opened(config->context, answer, e) != 0)
		return -1;
	m->ready = true;
	start_next(m->pool);
	dispatch(m->pool);
	if (config->ready != NULL)
		config->ready(config->context);
	return 0;
}

/* A person must act (wrong PIN, another build): trying again can only do harm. A token that is not
 * there, or not ready, has had no PIN tried on it; a machine that is short of something is not for
 * ever. */
static bool is_final(const struct err *why)
{
	if (err_is(why, "hsm.operator.token") || err_is(why, "hsm.operator.no-pin"))
		return false;
	return strncmp(why->code, "hsm.operator", strlen("hsm.operator")) == 0 ||
	       strncmp(why->code, "hsm.fatal", strlen("hsm.fatal")) == 0 ||
	       (why->domain == ERR_CONFIG && !err_is(why, "nomem") && !err_is(why, "proc"));
}

static int pause_ms_of(const struct member *m)
{
	int ms = PAUSE_FIRST_MS;

	for (int i = 0; i < m->failures && ms < PAUSE_MAX_MS; i++)
		ms *= 2;
	return ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
}

static void plan_restart(struct member *m, const struct err *why)
{
	int ms = pause_ms_of(m);
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	m->pool->broken = *why;
	if (m->failures < INT_MAX)
		m->failures++;
	if (!is_final(why) && event_add(m->restart, &t) != 0)
		abort(); /* a timer fails only without memory, and that ends the program (memory.h) */
	dispatch(m->pool);
}

static void on_ended(void *context, const struct err *why)
{
	struct member *m = context;

	m->child = NULL;
	m->ready = false;
	/* Each further start that fails is like the last one: nobody wants a record of it. */
	if (m->failures <= HOPE_STARTS || is_final(why))
		m->pool->config.ended(m->pool->config.context, m->pool->config.program, why);
	plan_restart(m, why);
	if (!is_final(why))
		start_next(m->pool);
}

static void on_restart(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	start_member(context);
}

static void start_member(struct member *m)
{
	static const char *const no_arguments[] = { NULL };
	const struct child_events events = { on_ready, on_ended, m };
	const struct pool_config *config = &m->pool->config;
	struct err e = { 0 };
	json_t *open = config->make_open(config->context, &e);

	if (open == NULL || child_start(&m->child, m->pool->loop, config->program, no_arguments,
				open, config->open_ms, config->domain, &events, &e) != 0)
		on_ended(m, &e);
}

int pool_start(struct pool **ret, struct event_base *loop, const struct pool_config *config,
    struct err *e)
{
	AUTO_PTR(pool) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->loop = loop;
	p->config = *config;
	p->last = &p->first;
	p->members = calloc(config->children, sizeof(*p->members));
	p->refuse = evtimer_new(loop, on_refuse, p);
	if (p->members == NULL || p->refuse == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < config->children; i++) {
		struct member *m = &p->members[i];

		m->pool = p;
		m->restart = evtimer_new(loop, on_restart, m);
		if (m->restart == NULL)
			return err_nomem(e);
	}
	start_next(p);
	*ret = steal(&p);
	return 0;
}

int pool_ask(struct pool *p, json_t *request, int64_t deadline_ms, child_answer *answer,
    void *context, struct err *e)
{
	return pool_ask_with(p, request, -1, deadline_ms, answer, context, e);
}

int pool_ask_with(struct pool *p, json_t *request, int fd, int64_t deadline_ms,
    child_answer *answer, void *context, struct err *e)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL || request == NULL) {
		free(q);
		json_decref(request);
		if (fd >= 0)
			(void)close(fd); /* nothing was written */
		return err_nomem(e);
	}
	*q = (struct question){ request, fd, deadline_ms, answer, context, NULL, { 0 } };
	*p->last = q;
	p->last = &q->next;
	p->waiting++;
	dispatch(p);
	return 0;
}

void pool_renew(struct pool *p, const struct err *why)
{
	for (size_t i = 0; i < p->started; i++) {
		struct member *m = &p->members[i];

		if (!m->ready)
			continue;
		m->ready = false;
		child_end(m->child, why);
	}
}

size_t pool_waiting(const struct pool *p)
{
	return p->waiting;
}

void pool_stop(struct pool *p)
{
	for (size_t i = 0; p->members != NULL && i < p->config.children; i++) {
		struct member *m = &p->members[i];

		if (m->restart != NULL)
			event_free(m->restart);
		if (m->child != NULL)
			child_stop(m->child, STOP_GRACE_MS);
		if (m->asked != NULL)
			question_free(m->asked);
	}
	while (p->first != NULL)
		question_free(take(p));
	for (struct question *q; (q = take_unsent(p)) != NULL;)
		question_free(q);
	if (p->refuse != NULL)
		event_free(p->refuse);
	free(p->members);
	free(p);
}
