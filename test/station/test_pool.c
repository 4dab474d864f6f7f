/* pool_start starts what lies beside this test: this test itself, told by its environment to be a child. */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "testing.h"

static const char program[] = "test_pool", be_a_child[] = "KILN_TEST_POOL_CHILD";
enum { PATIENCE_S = 20, OPEN_MS = 10000, ASK_MS = 10000 };

struct witness {
	struct event_base *loop;
	struct pool *pool;
	int ready, answered, ended;
	struct err said; /* of the last answer */
	const int *wanted;
	int count;
};

static void tell(struct witness *w, int *counter)
{
	++*counter;
	if (w->wanted == counter && *counter == w->count)
		(void)event_base_loopbreak(w->loop);
}

static void on_ready(void *context)
{
	struct witness *w = context;

	tell(w, &w->ready);
}

static void on_ended(void *context, const char *name, const struct err *why)
{
	struct witness *w = context;

	(void)why;
	assert_string_equal(name, program);
	tell(w, &w->ended);
}

static void on_answer(void *context, const json_t *answer, const struct err *e)
{
	struct witness *w = context;

	w->said = answer != NULL ? (struct err){ 0 } : *e;
	tell(w, &w->answered);
}

/* Runs the loop until it has happened so often. */
static void await(struct witness *w, const int *counter, int count)
{
	const struct timeval patience = { PATIENCE_S, 0 };

	w->wanted = counter;
	w->count = count;
	if (*counter < count) {
		assert_int_equal(event_base_loopexit(w->loop, &patience), 0);
		assert_int_equal(event_base_dispatch(w->loop), 0);
	}
	assert_int_equal(*counter, count);
}

static void ask(struct witness *w, const char *what, size_t padding, int fd)
{
	json_t *request = json_pack("{s:s}", "do", what);
	char *long_text = calloc(1, padding + 1);
	int before = w->answered;
	struct err e = { 0 };

	memset(long_text, 'x', padding);
	assert_int_equal(json_object_set_new(request, "text", json_string(long_text)), 0);
	free(long_text);
	assert_ok(pool_ask_with(w->pool, request, fd, ASK_MS, on_answer, w, &e), &e);
	assert_int_equal(w->answered, before); /* never before it returns */
}

static void test_it_answers_and_each_once(void **state)
{
	struct witness *w = *state;

	for (int i = 0; i < 3; i++)
		ask(w, "nothing", 0, -1);
	await(w, &w->answered, 3);
	assert_int_equal(w->said.domain, ERR_NONE);
	assert_int_equal(pool_waiting(w->pool), 0);
}

/* Told from the loop, as each answer is: whoever asks has not yet kept what it asked with. */
static void test_what_can_not_be_sent_is_answered_later(void **state)
{
	struct witness *w = *state;
	int ends[2];

	await(w, &w->ready, 1);
	assert_int_equal(pipe(ends), 0);
	ask(w, "nothing", LINE_MAX_LEN, ends[1]);
	await(w, &w->answered, 1);
	assert_string_equal(w->said.code, "line.long");
	assert_int_equal(fcntl(ends[1], F_GETFD), -1); /* it was taken over */
	assert_int_equal(errno, EBADF);
	assert_int_equal(close(ends[0]), 0);
	ask(w, "nothing", 0, -1);
	await(w, &w->answered, 2);
	assert_int_equal(w->said.domain, ERR_NONE);
	ask(w, "nothing", LINE_MAX_LEN, -1); /* and is forgotten where the pool stops before */
}

static void test_one_that_dies_is_started_again(void **state)
{
	struct witness *w = *state;

	ask(w, "die", 0, -1);
	await(w, &w->answered, 1);
	assert_string_equal(w->said.code, "child.died");
	assert_true(pool_is_outage(&w->said));
	ask(w, "nothing", 0, -1);
	await(w, &w->answered, 2);
	assert_int_equal(w->said.domain, ERR_NONE);
	assert_int_equal(w->ended, 1);
}

static void test_a_renewed_one_is_another(void **state)
{
	struct witness *w = *state;
	struct err why = { 0 };

	await(w, &w->ready, 1);
	(void)err_set(&why, ERR_LINK, "test.renewed", "no longer wanted");
	ask(w, "nothing", 0, -1); /* it is answered with why: what it did nobody knows */
	pool_renew(w->pool, &why);
	await(w, &w->answered, 1);
	assert_string_equal(w->said.code, "test.renewed");
	await(w, &w->ready, 2);
	assert_false(pool_is_short(w->pool));
	assert_int_equal(w->ended, 1);
}

static json_t *make_open(void *context, struct err *e)
{
	(void)context;
	(void)e;
	return json_pack("{s:s}", "do", "nothing");
}

static int setup(void **state)
{
	struct witness *w = calloc(1, sizeof(*w));
	const struct pool_config config = { .program = program,
		.domain = ERR_LINK,
		.children = 1,
		.open_ms = OPEN_MS,
		.make_open = make_open,
		.ended = on_ended,
		.ready = on_ready,
		.context = w };
	struct err e = { 0 };

	w->loop = event_base_new();
	assert_ok(pool_start(&w->pool, w->loop, &config, &e), &e);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct witness *w = *state;

	pool_stop(w->pool);
	event_base_free(w->loop);
	free(w);
	return 0;
}

static int do_nothing(void *context, const json_t *request, json_t *ok, struct err *e)
{
	(void)context;
	(void)request;
	(void)ok;
	(void)e;
	return 0;
}

static int die(void *context, const json_t *request, json_t *ok, struct err *e)
{
	(void)context;
	(void)request;
	(void)ok;
	(void)e;
	_exit(7);
}

#define pool_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct serve_call calls[] = { { "nothing", do_nothing }, { "die", die } };
	const struct CMUnitTest tests[] = {
		pool_test(test_it_answers_and_each_once),
		pool_test(test_what_can_not_be_sent_is_answered_later),
		pool_test(test_one_that_dies_is_started_again),
		pool_test(test_a_renewed_one_is_another),
	};
	struct err e = { 0 };

	if (getenv(be_a_child) != NULL)
		return serve(program, true, calls, COUNT(calls), NULL, &e);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(setenv(be_a_child, "1", 1), 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
