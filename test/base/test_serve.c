#include "serve.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "testing.h"

static int call_echo(void *context, const json_t *request, json_t *ok, struct err *e)
{
	const char *text;

	++*(int *)context;
	if (json_get_str(request, "text", &text, ERR_DEVICE, e) != 0 ||
	    json_set_str(ok, "text", text, e) != 0)
		return -1;
	return json_set_int(ok, "calls", *(int *)context, e);
}

static int call_facts(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct rlimit core = { 1, 1 };
	int death = 0;

	(void)context;
	if (getrlimit(RLIMIT_CORE, &core) != 0 || prctl(PR_GET_PDEATHSIG, &death) != 0)
		return err_errno(e, ERR_CONFIG, "facts", "asking");
	if (json_set_int(ok, "core", (int64_t)(core.rlim_cur + core.rlim_max), e) != 0 ||
	    json_set_int(ok, "dumpable", prctl(PR_GET_DUMPABLE), e) != 0 ||
	    json_set_int(ok, "death", death, e) != 0)
		return -1;
	return json_set_int(ok, "deadline", serve_deadline(request), e);
}

static int call_long(void *context, const json_t *request, json_t *ok, struct err *e)
{
	static uint8_t bytes[LINE_MAX_LEN];

	(void)context;
	(void)request;
	return json_set_bytes(ok, "bytes", bytes, sizeof(bytes), e);
}

/* Half an answer, then a failure: nothing of the half may be seen. */
static int call_half(void *context, const json_t *request, json_t *ok, struct err *e)
{
	(void)context;
	(void)request;
	if (json_set_str(ok, "half", "done", e) != 0)
		return -1;
	return err_retry(err_set(e, ERR_LINK, "half.way", "only half"), e);
}

static const struct serve_call calls[] = {
	{ "echo", call_echo },
	{ "facts", call_facts },
	{ "long", call_long },
	{ "half", call_half },
};

struct fixture {
	struct line line;
	pid_t pid;
};

static _Noreturn void serve_in_child(int channel, bool die_with_parent)
{
	struct err e = { 0 };
	int count = 0;

	if (dup2(channel, SERVE_FD) != SERVE_FD)
		_exit(9);
	for (int fd = SERVE_FD + 1; fd < 20; fd++)
		(void)close(fd); /* the parent's end among them */
	_exit(serve("test_serve", die_with_parent, calls, COUNT(calls), &count, &e) == 0 ? 0 : 1);
}

static void begin(struct fixture *f, bool die_with_parent)
{
	AUTO(json_t) *hello = NULL;
	struct err e = { 0 };
	int ends[2];
	bool eof;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	*f = (struct fixture){ .line.fd = ends[0], .pid = fork() };
	assert_true(f->pid >= 0);
	if (f->pid == 0)
		serve_in_child(ends[1], die_with_parent);
	assert_int_equal(close(ends[1]), 0);
	assert_ok(line_read(&f->line, &hello, &eof, clock_now_ms() + 20000, ERR_CONFIG, &e), &e);
	assert_string_equal(json_opt_str(hello, "hello", ""), "test_serve");
	assert_string_equal(json_opt_str(hello, "build", ""), build_id());
}

static int setup(void **state)
{
	static struct fixture f;

	begin(&f, true);
	*state = &f;
	return 0;
}

/* The child's exit code after the channel has closed. */
static int end(struct fixture *f)
{
	int status;

	if (f->line.fd >= 0)
		assert_int_equal(close(f->line.fd), 0);
	f->line.fd = -1;
	line_free(&f->line);
	assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int teardown(void **state)
{
	assert_int_equal(end(*state), 0);
	return 0;
}

/* The answer to one line of text. */
static json_t *ask(struct fixture *f, const char *text)
{
	json_t *answer = NULL;
	struct err e = { 0 };
	bool eof;

	assert_int_equal(write(f->line.fd, text, strlen(text)), strlen(text));
	assert_ok(line_read(&f->line, &answer, &eof, clock_now_ms() + 20000, ERR_CONFIG, &e), &e);
	assert_false(eof);
	return answer;
}

static void test_answers(void **state)
{
	AUTO(json_t) *first = ask(*state, "{\"id\":1,\"do\":\"echo\",\"text\":\"a\"}\n");
	AUTO(json_t) *second =
	    ask(*state, "{\"id\":9007199254740993,\"do\":\"echo\",\"text\":\"b\"}\n");

	assert_int_equal(json_opt_int(first, "id", 0), 1);
	assert_string_equal(json_opt_str(json_object_get(first, "ok"), "text", ""), "a");
	assert_null(json_object_get(first, "err"));
	assert_true(json_opt_int(second, "id", 0) == 9007199254740993);
	assert_int_equal(json_opt_int(json_object_get(second, "ok"), "calls", 0), 2);
}

static void errs(struct fixture *f, const char *request, const char *code, enum err_domain domain)
{
	AUTO(json_t) *answer = ask(f, request);
	struct err e = { 0 };

	assert_int_equal(json_opt_int(answer, "id", 0), 5);
	assert_null(json_object_get(answer, "ok"));
	assert_err(json_to_err(json_object_get(answer, "err"), &e), &e, code);
	assert_int_equal(e.domain, domain);
}

static void test_errors(void **state)
{
	errs(*state, "{\"id\":5,\"do\":\"echo\"}\n", "json", ERR_DEVICE);
	errs(*state, "{\"id\":5,\"do\":\"half\"}\n", "half.way", ERR_LINK);
	errs(*state, "{\"id\":5,\"do\":\"nonsense\"}\n", "serve.unknown", ERR_CONFIG);
	errs(*state, "{\"id\":5}\n", "json", ERR_CONFIG);
	errs(*state, "{\"id\":5,\"do\":7}\n", "json", ERR_CONFIG);
	errs(*state, "{\"id\":5,\"do\":\"long\"}\n", "line.long", ERR_CONFIG); /* and it lives on */
	errs(*state, "{\"id\":5,\"do\":\"echo\"}\n", "json", ERR_DEVICE);
}

/* Nobody is left to be answered, and nobody to be told. */
static void test_a_station_that_has_gone_is_a_silent_end(void **state)
{
	static const char request[] = "{\"id\":1,\"do\":\"echo\",\"text\":\"a\"}\n";
	struct fixture f;

	(void)state;
	begin(&f, false);
	assert_int_equal(kill(f.pid, SIGSTOP), 0); /* asked, and alone when it answers */
	assert_int_equal(write(f.line.fd, request, strlen(request)), strlen(request));
	assert_int_equal(close(f.line.fd), 0);
	f.line.fd = -1;
	assert_int_equal(kill(f.pid, SIGCONT), 0);
	assert_int_equal(end(&f), 0);
}

static void test_without_id(void **state)
{
	AUTO(json_t) *answer = ask(*state, "{\"do\":\"echo\",\"text\":\"a\"}\n");

	assert_int_equal(json_opt_int(answer, "id", 0), -1);
}

static void test_hardened(void **state)
{
	AUTO(json_t) *answer = ask(*state, "{\"id\":1,\"do\":\"facts\",\"deadline\":77}\n");
	const json_t *ok = json_object_get(answer, "ok");

	assert_int_equal(json_opt_int(ok, "core", -1), 0);
	assert_int_equal(json_opt_int(ok, "dumpable", -1), 0);
	assert_int_equal(json_opt_int(ok, "death", -1), SIGKILL);
	assert_int_equal(json_opt_int(ok, "deadline", -1), 77);
}

static void test_may_outlive_its_parent(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, false);
	{
		AUTO(json_t) *answer = ask(&f, "{\"id\":1,\"do\":\"facts\"}\n");

		assert_int_equal(json_opt_int(json_object_get(answer, "ok"), "death", -1), 0);
		assert_true(
		    json_opt_int(json_object_get(answer, "ok"), "deadline", 0) == INT64_MAX);
	}
	assert_int_equal(end(&f), 0);
}

/* A channel that carries anything else is not to be trusted any further. */
static void test_noise_ends_it(void **state)
{
	static const char *const noises[] = { "noise\n", "[]\n", "{\"id\":1" };

	(void)state;
	for (size_t i = 0; i < COUNT(noises); i++) {
		struct fixture f;

		begin(&f, true);
		assert_int_equal(write(f.line.fd, noises[i], strlen(noises[i])), strlen(noises[i]));
		assert_int_equal(shutdown(f.line.fd, SHUT_WR), 0);
		assert_int_equal(end(&f), 1);
	}
}

/* The station may be gone before an answer is: that ends the child without a signal. */
static void test_answer_to_nobody(void **state)
{
	static const char request[] = "{\"id\":5,\"do\":\"echo\",\"text\":\"a\"}\n{\"id\":6,\"do\":"
				      "\"echo\",\"text\":\"a\"}\n";
	struct fixture f;

	(void)state;
	begin(&f, true);
	assert_int_equal(write(f.line.fd, request, strlen(request)), strlen(request));
	assert_in_range(end(&f), 0, 1);
}

static void test_build_id(void **state)
{
	(void)state;
	assert_int_equal(strlen(build_id()), 16);
	assert_int_equal(strspn(build_id(), "0123456789abcdef"), 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_station_that_has_gone_is_a_silent_end),
		TEST(test_answers),
		TEST(test_errors),
		TEST(test_without_id),
		TEST(test_hardened),
		cmocka_unit_test(test_may_outlive_its_parent),
		cmocka_unit_test(test_noise_ends_it),
		cmocka_unit_test(test_answer_to_nobody),
		cmocka_unit_test(test_build_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
