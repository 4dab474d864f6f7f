/* Every case runs in a process of its own: a failpoint reads its environment once. */
#include "failpoint.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "testing.h"

enum { WENT_ON = 7 };

struct scene {
	char *folder;
	char log[300], count[300];
};

static int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	s->folder = testing_folder();
	(void)snprintf(s->log, sizeof(s->log), "%s/log", s->folder); /* a folder's path is short */
	(void)snprintf(s->count, sizeof(s->count), "%s/count", s->folder);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;

	testing_folder_remove(s->folder);
	free(s);
	return 0;
}

static void put_env(const char *name, const char *value)
{
	if (value != NULL && setenv(name, value, 1) != 0)
		_exit(1);
}

/* How a process ends that hits "a", "b", "a", "b" ... `hits` times under that rule. */
static int run_hits(const struct scene *s, const char *rule, bool shared, int hits)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		put_env("KILN_FAILPOINT", rule);
		put_env("KILN_FAILPOINT_LOG", s->log);
		put_env("KILN_FAILPOINT_COUNT", shared ? s->count : NULL);
		for (int i = 0; i < hits; i++)
			FAILPOINT(i % 2 == 0 ? "a" : "b");
		_exit(WENT_ON);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#ifdef KILN_FAILPOINTS

static int lines_of(const char *path)
{
	AUTO_STRUCT(buf) text = { 0 };
	int lines = 0;

	testing_read(path, &text);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	return lines;
}

static void test_every_hit_is_logged(void **state)
{
	const struct scene *s = *state;
	AUTO_STRUCT(buf) text = { 0 };
	char point[8], program[40];
	struct err e = { 0 };
	int pid, count;

	assert_int_equal(WEXITSTATUS(run_hits(s, NULL, false, 4)), WENT_ON);
	assert_int_equal(lines_of(s->log), 4);
	testing_read(s->log, &text);
	assert_int_equal(sscanf(buf_str(&text, &e), "%7s %39s %d %d", point, program, &pid, &count),
	    4);
	assert_string_equal(point, "a");
	assert_string_equal(program, "test_failpoint");
	assert_int_equal(count, 1);
	assert_non_null(strstr((const char *)text.data, " 4\n"));
}

static void test_the_nth_hit_of_a_point_kills(void **state)
{
	const struct scene *s = *state;
	int status = run_hits(s, "test_failpoint:b:2:kill", false, 9);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(lines_of(s->log), 4); /* a b a b */
}

static void test_the_nth_hit_of_any_point_exits(void **state)
{
	const struct scene *s = *state;
	int status = run_hits(s, "test_failpoint:*:3:exit", false, 9);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_int_equal(lines_of(s->log), 3);
}

static void test_another_program_or_point_is_left_alone(void **state)
{
	const struct scene *s = *state;

	assert_int_equal(WEXITSTATUS(run_hits(s, "kiln:*:1:kill", false, 9)), WENT_ON);
	assert_int_equal(WEXITSTATUS(run_hits(s, "test_fail:*:1:kill", false, 9)), WENT_ON);
	assert_int_equal(WEXITSTATUS(run_hits(s, "test_failpoint:aa:1:kill", false, 9)), WENT_ON);
	assert_int_equal(WEXITSTATUS(run_hits(s, "test_failpoint:b:5:kill", false, 9)), WENT_ON);
}

static void test_a_shared_count_goes_on_in_the_next_process(void **state)
{
	const struct scene *s = *state;

	assert_int_equal(WEXITSTATUS(run_hits(s, "test_failpoint:*:6:kill", true, 4)), WENT_ON);
	assert_true(WIFSIGNALED(run_hits(s, "test_failpoint:*:6:kill", true, 4)));
	assert_int_equal(lines_of(s->log), 6);
	assert_int_equal(WEXITSTATUS(run_hits(s, "test_failpoint:*:6:kill", true, 4)), WENT_ON);
}

static void test_a_rule_that_can_not_be_read_aborts(void **state)
{
	static const char *const rules[] = { "test_failpoint:", "test_failpoint:a:1",
		"test_failpoint:a::kill", "test_failpoint:a:0:kill", "test_failpoint:a:1:nap",
		"test_failpoint:a:1x:kill" };
	const struct scene *s = *state;

	for (size_t i = 0; i < COUNT(rules); i++)
		assert_int_equal(WTERMSIG(run_hits(s, rules[i], false, 1)), SIGABRT);
}

static void test_it_can_sleep_and_leaves_errno_alone(void **state)
{
	const struct scene *s = *state;
	int64_t before = clock_now_ms();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		put_env("KILN_FAILPOINT", "test_failpoint:a:1:sleep=300");
		put_env("KILN_FAILPOINT_LOG", s->log);
		errno = ENOSPC;
		FAILPOINT("a");
		_exit(errno == ENOSPC ? WENT_ON : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), WENT_ON);
	assert_true(clock_now_ms() - before >= 300);
}

/* As kiln-twin does for each device. */
static void test_a_fork_without_its_descriptors_goes_on(void **state)
{
	const struct scene *s = *state;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		put_env("KILN_FAILPOINT", "test_failpoint:b:1:kill");
		put_env("KILN_FAILPOINT_LOG", s->log);
		FAILPOINT("a");
		pid = fork();
		if (pid == 0) {
			(void)close_range(STDERR_FILENO + 1, ~0U, 0); /* the arguments are good */
			FAILPOINT("a");
			FAILPOINT("b");
		}
		(void)waitpid(pid, &status, 0); /* fails where status is not set */
		_exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? WENT_ON : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), WENT_ON);
	assert_int_equal(lines_of(s->log), 3);
}

/* The parent starts a child that lets it die, and dies before the child is through. */
static void test_it_kills_the_parent_and_goes_on(void **state)
{
	const struct scene *s = *state;
	pid_t parent;
	int status;

	/* The orphan must not outlive the test unseen. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	parent = fork();
	if (parent == 0) {
		(void)run_hits(s, "test_failpoint:*:2:parent", false, 3);
		_exit(WENT_ON);
	}
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(wait(&status) > 0);
	assert_int_equal(WEXITSTATUS(status), WENT_ON);
	assert_int_equal(lines_of(s->log), 3);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void test_a_parent_outlives_a_child_that_never_gets_there(void **state)
{
	const struct scene *s = *state;
	pid_t parent = fork();
	int status;

	if (parent == 0) {
		(void)run_hits(s, "test_failpoint:*:4:parent", false, 3);
		_exit(WENT_ON);
	}
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), WENT_ON);
}

#else

static void test_without_the_option_nothing_happens(void **state)
{
	const struct scene *s = *state;

	assert_int_equal(WEXITSTATUS(run_hits(s, "test_failpoint:*:1:kill", true, 4)), WENT_ON);
	assert_int_not_equal(access(s->log, F_OK), 0);
	assert_int_not_equal(access(s->count, F_OK), 0);
}

#endif

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef KILN_FAILPOINTS
		CASE(test_every_hit_is_logged),
		CASE(test_the_nth_hit_of_a_point_kills),
		CASE(test_the_nth_hit_of_any_point_exits),
		CASE(test_another_program_or_point_is_left_alone),
		CASE(test_a_shared_count_goes_on_in_the_next_process),
		CASE(test_a_rule_that_can_not_be_read_aborts),
		CASE(test_it_can_sleep_and_leaves_errno_alone),
		CASE(test_a_fork_without_its_descriptors_goes_on),
		CASE(test_it_kills_the_parent_and_goes_on),
		CASE(test_a_parent_outlives_a_child_that_never_gets_there),
#else
		CASE(test_without_the_option_nothing_happens),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
