/* child_start starts what lies beside this test: this test itself, told by its argument what to be. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "line.h"
#include "serve.h"
#include "testing.h"

static const char program[] = "test_child";
enum { PATIENCE_S = 20, OPEN_MS = 10000, ASK_MS = 10000, SHORT_MS = 50, LATE_MS = 1000 };

/* Everything a child's events and answers said, and how often. */
struct witness {
	struct event_base *loop;
	struct child *child;
	pid_t pid; /* as the child says */
	int ready, answered, ended;
	bool unwanted;        /* what it says when it is ready is refused */
	bool in_time;         /* the answer came before the end */
	struct err said, why; /* of the answer, of the end */
	const int *wanted;    /* one of the counters: the loop runs until it moves */
	char text[64], marker[4200];
};

static void tell(struct witness *w, int *counter)
{
	++*counter;
	if (w->wanted == counter)
		(void)event_base_loopbreak(w->loop);
}

static int on_ready(void *context, const json_t *answer, struct err *e)
{
	struct witness *w = context;

	w->pid = (pid_t)json_opt_int(answer, "pid", 0);
	tell(w, &w->ready);
	return w->unwanted ? err_set(e, ERR_CONFIG, "test.unwanted", "of no use") : 0;
}

static void on_ended(void *context, const struct err *why)
{
	struct witness *w = context;

	w->why = *why;
	w->child = NULL;
	tell(w, &w->ended);
}

static void on_answer(void *context, const json_t *answer, const struct err *e)
{
	struct witness *w = context;

	w->in_time = w->ended == 0;
	if (answer != NULL)
		(void)snprintf(w->text, sizeof(w->text), "%s", json_opt_str(answer, "text", ""));
	else
		w->said = *e;
	tell(w, &w->answered);
}

/* Runs the loop until the counter has moved. */
static void await(struct witness *w, const int *counter)
{
	const struct timeval patience = { PATIENCE_S, 0 };

	w->wanted = counter;
	if (*counter == 0) {
		assert_int_equal(event_base_loopexit(w->loop, &patience), 0);
		assert_int_equal(event_base_dispatch(w->loop), 0);
	}
	if (*counter == 0)
		fail_msg("nothing came in %d s", PATIENCE_S);
}

/* Whatever was still to come has come, and nothing came twice. */
static void settle(struct witness *w)
{
	w->wanted = NULL;
	for (int i = 0; i < 5; i++)
		assert_true(event_base_loop(w->loop, EVLOOP_NONBLOCK) >= 0);
	assert_true(w->ready <= 1 && w->answered <= 1 && w->ended <= 1);
}

static void start_for(struct witness *w, const char *role, int open_ms)
{
	const char *const arguments[] = { role, w->marker, NULL };
	const struct child_events events = { on_ready, on_ended, w };
	struct err e = { 0 };

	assert_ok(child_start(&w->child, w->loop, program, arguments,
		      json_pack("{s:s}", "do", "open"), open_ms, ERR_LINK, &events, &e),
	    &e);
	assert_int_equal(w->ready + w->ended, 0);
}

static void start(struct witness *w, const char *role)
{
	start_for(w, role, OPEN_MS);
	await(w, &w->ready);
	assert_true(w->pid > 0);
	assert_false(child_is_busy(w->child));
}

static void ask(struct witness *w, int64_t ms)
{
	struct err e = { 0 };

	assert_ok(child_ask(w->child, json_pack("{s:s}", "do", "it"), ms, on_answer, w, &e), &e);
	assert_int_equal(w->answered, 0);
	assert_true(child_is_busy(w->child));
}

static _Noreturn void be_a_child(const char *role, const char *marker);

/* As a stem makes one: forked, it does not greet. */
static void adopt(struct witness *w, const char *role, int open_ms)
{
	const struct child_events events = { on_ready, on_ended, w };
	struct child_process process;
	struct err e = { 0 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	process = (struct child_process){ fork(), ends[0] };
	if (process.pid == 0) {
		(void)close(ends[0]);
		if (dup2(ends[1], SERVE_FD) != SERVE_FD)
			_exit(9);
		be_a_child(role, w->marker);
	}
	(void)close(ends[1]);
	assert_true(process.pid > 0);
	w->pid = process.pid;
	assert_ok(child_adopt(&w->child, w->loop, program, &process,
		      json_pack("{s:s}", "do", "open"), open_ms, ERR_LINK, &events, &e),
	    &e);
	assert_int_equal(w->ready + w->ended, 0);
}

static void assert_gone(const struct witness *w)
{
	assert_int_equal(kill(w->pid, 0), -1); /* neither running nor left unreaped */
	assert_int_equal(errno, ESRCH);
}

/* Asks a child that ends over it: the asker hears first, once, and of the same thing. */
static void ask_to_death(struct witness *w, const char *role, int64_t ms, const char *code)
{
	start(w, role);
	ask(w, ms);
	await(w, &w->ended);
	settle(w);
	assert_int_equal(w->answered, 1);
	assert_true(w->in_time);
	assert_string_equal(w->said.code, code);
	assert_string_equal(w->why.code, code);
	assert_gone(w);
}

static void test_it_greets_opens_and_answers(void **state)
{
	struct witness *w = *state;
	struct err e = { 0 };

	start(w, "honest");
	ask(w, ASK_MS);
	assert_err(child_ask(w->child, json_pack("{s:s}", "do", "it"), ASK_MS, on_answer, w, &e),
	    &e, "child.busy");
	await(w, &w->answered);
	assert_string_equal(w->text, "done");
	assert_false(child_is_busy(w->child));
	w->answered = 0;
	ask(w, ASK_MS);
	await(w, &w->answered);
	settle(w);
	assert_int_equal(w->ended, 0);
}

static void test_one_whose_opening_is_refused_is_ended_for_that(void **state)
{
	struct witness *w = *state;

	w->unwanted = true;
	start_for(w, "honest", OPEN_MS);
	await(w, &w->ended);
	settle(w);
	assert_int_equal(w->ready, 1);
	assert_string_equal(w->why.code, "test.unwanted");
	assert_gone(w);
}

static void test_an_answer_in_pieces_is_one_answer(void **state)
{
	struct witness *w = *state;

	start(w, "pieces");
	ask(w, ASK_MS);
	await(w, &w->answered);
	settle(w);
	assert_string_equal(w->text, "done");
	assert_int_equal(w->ended, 0);
}

static void test_a_refusal_is_an_answer_and_not_the_end(void **state)
{
	struct witness *w = *state;

	start(w, "refuses");
	ask(w, ASK_MS);
	await(w, &w->answered);
	settle(w);
	assert_string_equal(w->said.code, "test.no");
	assert_int_equal(w->said.domain, ERR_DEVICE);
	assert_int_equal(w->ended, 0);
	assert_false(child_is_busy(w->child));
}

/* It never becomes ready: who started it hears why. */
static void test_one_that_does_not_begin_well_ends(void **state)
{
	static const struct {
		const char *role, *code;
		enum err_domain domain;
	} rows[] = {
		{ "other-build", "child.build", ERR_CONFIG },
		{ "other-name", "child.greeting", ERR_CONFIG },
		{ "dies-at-once", "child.died", ERR_LINK },
		{ "dies-in-open", "child.died", ERR_LINK },
		{ "refuses-open", "test.no", ERR_DEVICE },
		{ "greets-with-noise", "json", ERR_LINK },
	};
	struct witness *w = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		w->ended = 0;
		start_for(w, rows[i].role, OPEN_MS);
		await(w, &w->ended);
		settle(w);
		assert_string_equal(w->why.code, rows[i].code);
		assert_int_equal(w->why.domain, rows[i].domain);
		assert_int_equal(w->ready + w->answered, 0);
	}
}

static void test_one_that_was_adopted_opens_and_answers(void **state)
{
	struct witness *w = *state;

	adopt(w, "adopted", OPEN_MS);
	await(w, &w->ready);
	ask(w, ASK_MS);
	await(w, &w->answered);
	assert_string_equal(w->text, "done");
	child_stop(steal(&w->child), PATIENCE_S * 1000);
	assert_gone(w);
	settle(w);
	assert_int_equal(w->ended, 0);
}

static void test_one_that_was_adopted_and_does_not_open_is_gone(void **state)
{
	static const struct {
		const char *role, *code;
		int open_ms;
	} rows[] = {
		{ "dies-at-once", "child.died", OPEN_MS },
		{ "adopted-hangs", "child.timeout", SHORT_MS },
		{ "greets-with-noise", "json", OPEN_MS },
		{ "honest", "child.protocol", OPEN_MS }, /* it greets, which was not asked */
	};
	struct witness *w = *state;

	for (size_t i = 0; i < COUNT(rows); i++) {
		w->ended = 0;
		adopt(w, rows[i].role, rows[i].open_ms);
		await(w, &w->ended);
		settle(w);
		assert_string_equal(w->why.code, rows[i].code);
		assert_int_equal(w->ready, 0);
		assert_gone(w);
	}
}

static void test_a_descriptor_goes_with_a_question(void **state)
{
	struct witness *w = *state;
	struct err e = { 0 };
	char said[8] = "";
	int ends[2];

	start(w, "is-given");
	assert_int_equal(pipe(ends), 0);
	assert_ok(child_ask_with(w->child, json_pack("{s:s}", "do", "it"), ends[1], ASK_MS,
		      on_answer, w, &e),
	    &e);
	await(w, &w->answered);
	assert_string_equal(w->text, "done");
	assert_int_equal(close(ends[1]), 0); /* it stays the asker's */
	assert_int_equal(read(ends[0], said, sizeof(said)), 5);
	assert_string_equal(said, "given");
	assert_int_equal(close(ends[0]), 0);
}

static void test_its_exit_code_and_signal_are_said(void **state)
{
	struct witness *w = *state;

	start_for(w, "dies-at-once", OPEN_MS);
	await(w, &w->ended);
	assert_non_null(strstr(w->why.message, "test_child ended by itself (exit code 7)"));
	w->ended = 0;
	ask_to_death(w, "is-killed", ASK_MS, "child.died");
	assert_non_null(strstr(w->why.message, "was ended by signal 9"));
}

static void test_one_that_never_opens_is_killed(void **state)
{
	struct witness *w = *state;

	start_for(w, "hangs-in-open", SHORT_MS);
	await(w, &w->ended);
	settle(w);
	assert_string_equal(w->why.code, "child.timeout");
	assert_int_equal(w->ready, 0);
}

static void test_one_that_dies_when_asked(void **state)
{
	ask_to_death(*state, "dies-when-asked", ASK_MS, "child.died");
}

static void test_one_that_hangs_past_the_deadline_is_killed(void **state)
{
	int64_t began = clock_now_ms();

	ask_to_death(*state, "hangs", SHORT_MS, "child.timeout");
	assert_true(clock_now_ms() - began >= SHORT_MS);
}

/* It has yet to stop its device. */
static void test_one_that_is_somewhat_late_is_heard(void **state)
{
	struct witness *w = *state;

	start(w, "is-late");
	ask(w, SHORT_MS);
	await(w, &w->answered);
	settle(w);
	assert_string_equal(w->text, "done");
	assert_int_equal(w->ended, 0);
}

/* A line without an end must not be collected for ever. */
static void test_one_that_floods_is_killed(void **state)
{
	ask_to_death(*state, "floods", ASK_MS, "line.long");
}

static void test_one_that_answers_noise_is_killed(void **state)
{
	ask_to_death(*state, "noise", ASK_MS, "json");
}

static void test_one_that_answers_what_was_not_asked_is_killed(void **state)
{
	ask_to_death(*state, "wrong-id", ASK_MS, "child.protocol");
}

static void test_one_that_answers_nobody_is_killed(void **state)
{
	struct witness *w = *state;

	start(w, "answers-twice");
	ask(w, ASK_MS);
	await(w, &w->answered);
	assert_string_equal(w->text, "done");
	await(w, &w->ended);
	settle(w);
	assert_string_equal(w->why.code, "child.protocol");
	assert_gone(w);
}

/* Modules are finalised on end of file: whoever is stopped gets to see it, and the time for it. */
static void test_a_stopped_one_ends_by_itself(void **state)
{
	struct witness *w = *state;

	start(w, "honest");
	child_stop(steal(&w->child), PATIENCE_S * 1000);
	assert_gone(w);
	assert_int_equal(access(w->marker, F_OK), 0);
	settle(w);
	assert_int_equal(w->answered + w->ended, 0);
}

static void test_a_stopped_one_that_stays_is_killed(void **state)
{
	struct witness *w = *state;

	start(w, "stays");
	child_stop(steal(&w->child), SHORT_MS);
	assert_gone(w);
	settle(w);
	assert_int_equal(w->answered + w->ended, 0);
}

static void test_a_killed_one_is_gone_and_says_nothing(void **state)
{
	struct witness *w = *state;

	start(w, "hangs");
	ask(w, ASK_MS);
	child_kill(steal(&w->child));
	assert_gone(w);
	settle(w);
	assert_int_equal(w->answered + w->ended, 0);
}

static void test_a_request_that_is_too_long_is_refused(void **state)
{
	struct witness *w = *state;
	AUTO_STRUCT(buf) bytes = { 0 };
	json_t *request = json_pack("{s:s}", "do", "it");
	struct err e = { 0 };

	start(w, "honest");
	assert_non_null(buf_room(&bytes, LINE_MAX_LEN, &e));
	bytes.len = LINE_MAX_LEN;
	memset(bytes.data, 0, bytes.len);
	assert_ok(json_set_bytes(request, "much", bytes.data, bytes.len, &e), &e);
	assert_err(child_ask(w->child, request, ASK_MS, on_answer, w, &e), &e, "line.long");
	ask(w, ASK_MS);
	await(w, &w->answered);
	assert_string_equal(w->text, "done");
}

static void test_no_such_program(void **state)
{
	static const char *const none[] = { NULL };
	struct witness *w = *state;
	const struct child_events events = { on_ready, on_ended, w };
	struct err e = { 0 };

	assert_err(child_start(&w->child, w->loop, "no-such-program", none, NULL, OPEN_MS, ERR_LINK,
		       &events, &e),
	    &e, "proc");
	settle(w);
	assert_int_equal(w->ready + w->ended, 0);
}

static int setup(void **state)
{
	struct witness *w = calloc(1, sizeof(*w));
	char *folder = testing_folder();

	assert_non_null(w);
	w->loop = event_base_new();
	assert_non_null(w->loop);
	(void)snprintf(w->marker, sizeof(w->marker), "%s/ended", folder);
	free(folder);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct witness *w = *state;
	char *folder = strdup(w->marker);

	if (w->child != NULL)
		child_kill(w->child);
	event_base_free(w->loop);
	*strrchr(folder, '/') = '\0';
	testing_folder_remove(folder);
	free(w);
	return 0;
}

/* Here begins what the child does. */

static bool is(const char *role, const char *name)
{
	return strcmp(role, name) == 0;
}

static void put(json_t *line)
{
	struct err e = { 0 };

	if (line_write(SERVE_FD, line, INT64_MAX, ERR_CONFIG, &e) != 0)
		_exit(9);
	json_decref(line);
}

static void put_text(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(SERVE_FD, text, len);

		if (n <= 0)
			_exit(9);
		text += n;
		len -= (size_t)n;
	}
}

static void greet(const char *role)
{
	if (is(role, "dies-at-once"))
		_exit(7);
	if (is(role, "greets-with-noise"))
		put_text("hello?\n", 7);
	put(json_pack("{s:s, s:s}", "hello", is(role, "other-name") ? "kiln-twin" : program,
	    "build", is(role, "other-build") ? "0123456789abcdef" : build_id()));
}

/* Its first request. */
static void open_up(const char *role, json_int_t id)
{
	/* Two that are not to be asked at all. */
	if (is(role, "dies-in-open") || is(role, "other-build") || is(role, "other-name"))
		_exit(7);
	if (is(role, "hangs-in-open") || is(role, "adopted-hangs"))
		(void)pause();
	if (is(role, "refuses-open"))
		put(json_pack("{s:I, s:{s:s, s:s, s:s}}", "id", id, "err", "domain", "device",
		    "code", "test.no", "message", "it does not want to"));
	put(json_pack("{s:I, s:{s:I}}", "id", id, "ok", "pid", (json_int_t)getpid()));
}

static _Noreturn void flood(void)
{
	char noise[4096];

	memset(noise, 'a', sizeof(noise));
	for (size_t len = 0; len < 64 * (size_t)LINE_MAX_LEN; len += sizeof(noise))
		put_text(noise, sizeof(noise));
	_exit(7);
}

static void answer(const char *role, json_int_t id)
{
	char line[100];
	int len = snprintf(line, sizeof(line), "{\"id\":%lld,\"ok\":{\"text\":\"done\"}}\n",
	    (long long)id);

	if (is(role, "dies-when-asked"))
		_exit(7);
	if (is(role, "is-killed"))
		(void)raise(SIGKILL);
	if (is(role, "hangs"))
		(void)pause();
	if (is(role, "is-late"))
		(void)usleep(LATE_MS * 1000);
	if (is(role, "floods"))
		flood();
	if (is(role, "noise"))
		put_text("{\"id\":\n", 7);
	if (is(role, "wrong-id"))
		put(json_pack("{s:I, s:{}}", "id", id + 1, "ok"));
	if (is(role, "refuses"))
		put(json_pack("{s:I, s:{s:s, s:s, s:s}}", "id", id, "err", "domain", "device",
		    "code", "test.no", "message", "it does not want to"));
	if (is(role, "answers-twice"))
		put_text(line, (size_t)len);
	if (is(role, "refuses"))
		return;
	put_text(line, 10);
	if (is(role, "pieces"))
		(void)usleep(20000); /* so that it is read in two */
	put_text(line + 10, (size_t)len - 10);
}

/* Reads a question and what came with it. */
static void take_what_is_given(json_int_t id)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char text[256];
	struct iovec part = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *head;
	int fd;

	if (recvmsg(SERVE_FD, &message, 0) <= 0 || (head = CMSG_FIRSTHDR(&message)) == NULL ||
	    head->cmsg_type != SCM_RIGHTS)
		_exit(9);
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	if (write(fd, "given", 5) != 5)
		_exit(9);
	put(json_pack("{s:I, s:{s:s}}", "id", id, "ok", "text", "done"));
}

static _Noreturn void be_a_child(const char *role, const char *marker)
{
	AUTO_STRUCT(line) in = { .fd = SERVE_FD };
	bool opened = false;
	struct err e = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* known since Linux 2.1 */
	(void)alarm(60);                        /* should the test forget it */
	if (!is(role, "adopted") && !is(role, "adopted-hangs"))
		greet(role);
	for (;;) {
		AUTO(json_t) *request = NULL;
		bool eof;

		if (line_read(&in, &request, &eof, INT64_MAX, ERR_CONFIG, &e) != 0)
			_exit(8);
		if (eof && is(role, "stays"))
			(void)pause();
		if (eof) {
			FILE *file = fopen(marker, "w");

			_exit(file != NULL && fclose(file) == 0 ? 0 : 9);
		}
		if (opened)
			answer(role, json_opt_int(request, "id", 0));
		else
			open_up(role, json_opt_int(request, "id", 0));
		if (is(role, "is-given"))
			take_what_is_given(json_opt_int(request, "id", 0) + 1);
		opened = true;
	}
}

#define child_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		child_test(test_it_greets_opens_and_answers),
		child_test(test_one_whose_opening_is_refused_is_ended_for_that),
		child_test(test_an_answer_in_pieces_is_one_answer),
		child_test(test_a_refusal_is_an_answer_and_not_the_end),
		child_test(test_one_that_does_not_begin_well_ends),
		child_test(test_one_that_was_adopted_opens_and_answers),
		child_test(test_one_that_was_adopted_and_does_not_open_is_gone),
		child_test(test_a_descriptor_goes_with_a_question),
		child_test(test_its_exit_code_and_signal_are_said),
		child_test(test_one_that_never_opens_is_killed),
		child_test(test_one_that_dies_when_asked),
		child_test(test_one_that_hangs_past_the_deadline_is_killed),
		child_test(test_one_that_is_somewhat_late_is_heard),
		child_test(test_one_that_floods_is_killed),
		child_test(test_one_that_answers_noise_is_killed),
		child_test(test_one_that_answers_what_was_not_asked_is_killed),
		child_test(test_one_that_answers_nobody_is_killed),
		child_test(test_a_stopped_one_ends_by_itself),
		child_test(test_a_stopped_one_that_stays_is_killed),
		child_test(test_a_killed_one_is_gone_and_says_nothing),
		child_test(test_a_request_that_is_too_long_is_refused),
		child_test(test_no_such_program),
	};

	if (argc == 3)
		be_a_child(argv[1], argv[2]);
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
