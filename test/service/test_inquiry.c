#include "testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inquiry.h"

enum { PATIENCE_S = 20, PATIENCE_MS = 1000 * PATIENCE_S, MOST = 1000 };

/* What came of the questions, in the order of their answers. */
struct world {
	struct event_base *loop;
	struct inquiry *inquiry;
	size_t answered;
	json_t *answer; /* the last one */
	struct err why;
	char folder[40], log[64];
};

static void on_answer(void *context, json_t *answer, const struct err *why)
{
	struct world *w = context;

	json_decref(w->answer);
	w->answer = answer;
	w->why = why != NULL ? *why : (struct err){ 0 };
	w->answered++;
}

static void open_world(struct world *w, int patience_ms)
{
	struct err e = { 0 };

	*w = (struct world){ .loop = event_base_new(), .folder = "/tmp/kiln-inquiry-XXXXXX" };
	assert_non_null(w->loop);
	assert_non_null(mkdtemp(w->folder));
	(void)snprintf(w->log, sizeof(w->log), "%s/log", w->folder);
	assert_ok(inquiry_open(&w->inquiry, w->loop, "/bin/sh", patience_ms, &e), &e);
}

static void close_world(struct world *w)
{
	if (w->inquiry != NULL)
		inquiry_close(w->inquiry);
	event_base_free(w->loop);
	json_decref(w->answer);
	(void)unlink(w->log); /* it may not be there */
	(void)rmdir(w->folder);
}

static int ask(struct world *w, const char *script, struct err *e)
{
	const char *const arguments[] = { "-c", script, w->log, NULL };

	return inquiry_ask(w->inquiry, arguments, MOST, on_answer, w, e);
}

static void must_ask(struct world *w, const char *script)
{
	struct err e = { 0 };

	assert_ok(ask(w, script, &e), &e);
}

static void await(struct world *w, size_t answered)
{
	const struct timeval moment = { 0, 20000 };

	for (int i = 0; w->answered < answered && i < 50 * PATIENCE_S; i++) {
		assert_int_equal(event_base_loopexit(w->loop, &moment), 0);
		assert_int_equal(event_base_dispatch(w->loop), 0);
	}
	assert_int_equal(w->answered, answered);
}

/* Lines of the log that the programs write. */
static size_t lines(const struct world *w)
{
	FILE *log = fopen(w->log, "r");
	size_t count = 0;
	int c;

	if (log == NULL)
		return 0;
	while ((c = getc(log)) != EOF)
		count += c == '\n';
	(void)fclose(log);
	return count;
}

/* Runs the loop until there are so many, and a little longer: what should not come would. */
static void await_lines(struct world *w, size_t wanted)
{
	const struct timeval moment = { 0, 20000 };

	for (int i = 0, more = 5; more > 0 && i < 50 * PATIENCE_S; i++) {
		assert_int_equal(event_base_loopexit(w->loop, &moment), 0);
		assert_int_equal(event_base_dispatch(w->loop), 0);
		more -= lines(w) >= wanted;
	}
	assert_int_equal(lines(w), wanted);
}

static void test_an_answer_and_an_error(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, PATIENCE_MS);
	must_ask(&w, "echo '{\"n\":7}'");
	assert_int_equal(w.answered, 0);
	await(&w, 1);
	assert_int_equal(json_opt_int(w.answer, "n", 0), 7);
	must_ask(&w,
	    "echo '{\"err\":{\"domain\":\"operator\",\"code\":\"unit.unknown\",\"message\":"
	    "\"no\",\"scope\":\"unit\",\"retry\":false}}'; exit 3");
	await(&w, 2);
	assert_null(w.answer);
	assert_string_equal(w.why.code, "unit.unknown");
	close_world(&w);
}

static void test_what_is_no_answer(void **state)
{
	static const struct {
		const char *script, *code;
	} cases[] = { { "exit 1", "inquiry.died" }, { "echo '{'", "inquiry.died" },
		{ "echo '[]'", "inquiry.died" }, { "echo '{}'; kill -9 $$", NULL },
		{ "printf '{'; kill -9 $$", "inquiry.died" }, { "yes", "inquiry.long" } };
	struct world w;

	(void)state;
	open_world(&w, PATIENCE_MS);
	for (size_t i = 0; i < COUNT(cases); i++) {
		must_ask(&w, cases[i].script);
		await(&w, i + 1);
		assert_string_equal(w.why.code, cases[i].code != NULL ? cases[i].code : "");
	}
	close_world(&w);
}

static void test_one_that_never_answers_is_killed(void **state)
{
	struct world w;
	FILE *log;
	int pid = 0;

	(void)state;
	open_world(&w, 300);
	must_ask(&w, "echo $$ >> $0; exec sleep 600");
	await(&w, 1);
	assert_string_equal(w.why.code, "inquiry.timeout");
	log = fopen(w.log, "r");
	if (log != NULL) { /* else it was too slow to begin */
		if (fscanf(log, "%d", &pid) == 1)
			assert_int_equal(kill(pid, 0), -1);
		(void)fclose(log);
	}
	close_world(&w);
}

static void test_two_at_once_and_the_others_wait(void **state)
{
	struct world w;
	struct err e = { 0 };

	(void)state;
	open_world(&w, PATIENCE_MS * 10);
	must_ask(&w, "echo >> $0; while [ ! -e $0.go ]; do sleep 0.02; done; echo '{}'");
	must_ask(&w, "echo >> $0; exec sleep 600");
	await_lines(&w, 2);
	for (int i = 0; i < INQUIRY_WAITING_MAX; i++)
		must_ask(&w, "echo >> $0; exec sleep 600");
	assert_err(ask(&w, "echo '{}'", &e), &e, "inquiry.busy");
	await_lines(&w, 2);
	{
		char go[80];

		(void)snprintf(go, sizeof(go), "%s.go", w.log);
		assert_int_equal(mkdir(go, 0700), 0);
		await(&w, 1);
		(void)rmdir(go);
	}
	await_lines(&w, 3);
	inquiry_close(w.inquiry);
	w.inquiry = NULL;
	assert_int_equal(w.answered, 2 + INQUIRY_WAITING_MAX);
	assert_string_equal(w.why.code, "station.ending");
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer_and_an_error),
		cmocka_unit_test(test_what_is_no_answer),
		cmocka_unit_test(test_one_that_never_answers_is_killed),
		cmocka_unit_test(test_two_at_once_and_the_others_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
