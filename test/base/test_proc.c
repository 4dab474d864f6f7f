/* proc_start starts what lies beside this test: this test itself, told by its arguments what to be. */
#include "proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "serve.h"
#include "testing.h"

/* Numbers of the open descriptors, as "0 1 2 3". */
static void list_descriptors(char *ret, size_t room)
{
	DIR *folder = opendir("/proc/self/fd");
	bool open_fds[64] = { false };
	const struct dirent *entry;
	size_t len = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(folder) && fd < 64)
			open_fds[fd] = true;
	}
	(void)closedir(folder); /* only read */
	for (int fd = 0; fd < 64; fd++)
		if (open_fds[fd])
			len +=
			    (size_t)snprintf(ret + len, room - len, "%s%d", len > 0 ? " " : "", fd);
}

static int child_report(int argc, char **argv)
{
	AUTO(json_t) *report = json_object();
	AUTO(json_t) *arguments = json_array();
	char fds[300] = "";
	struct sigaction pipe_action;
	struct stat in, null, out, error;
	sigset_t mask;
	struct err e = { 0 };

	for (int i = 1; i < argc; i++)
		if (json_array_append_new(arguments, json_string(argv[i])) != 0)
			return 1;
	list_descriptors(fds, sizeof(fds));
	if (sigprocmask(SIG_SETMASK, NULL, &mask) != 0 ||
	    sigaction(SIGPIPE, NULL, &pipe_action) != 0 || fstat(0, &in) != 0 ||
	    stat("/dev/null", &null) != 0 || fstat(1, &out) != 0 || fstat(2, &error) != 0)
		return 1;
	if (json_set_str(report, "fds", fds, &e) != 0 ||
	    json_set_new(report, "arguments", json_incref(arguments), &e) != 0 ||
	    json_set_bool(report, "own group", getpgrp() == getpid(), &e) != 0 ||
	    json_set_bool(report, "nothing blocked", sigisemptyset(&mask) == 1, &e) != 0 ||
	    json_set_bool(report, "pipe default", pipe_action.sa_handler == SIG_DFL, &e) != 0 ||
	    json_set_bool(report, "in is null", in.st_rdev == null.st_rdev, &e) != 0 ||
	    json_set_bool(report, "out is error", out.st_ino == error.st_ino, &e) != 0)
		return 1;
	return line_write(SERVE_FD, report, INT64_MAX, ERR_CONFIG, &e) == 0 ? 0 : 1;
}

static json_t *start(const char *const arguments[])
{
	AUTO_STRUCT(line) in = { 0 };
	json_t *report = NULL;
	struct err e = { 0 };
	int status;
	pid_t pid;
	bool eof;

	assert_ok(proc_start("test_proc", arguments, &in.fd, &pid, &e), &e);
	assert_int_equal(fcntl(in.fd, F_GETFD), FD_CLOEXEC);
	assert_ok(line_read(&in, &report, &eof, clock_now_ms() + 20000, ERR_CONFIG, &e), &e);
	assert_false(eof);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(close(in.fd), 0);
	return report;
}

static void test_child_gets_what_it_should(void **state)
{
	static const char *const arguments[] = { "child", "", "--pin-file", "a b", NULL };
	static const char *const facts[] = { "own group", "nothing blocked", "pipe default",
		"in is null", "out is error" };
	int leaky = open("/dev/zero", O_RDONLY); /* without close-on-exec, on purpose */
	sigset_t blocked;
	AUTO(json_t) *report = NULL;

	(void)state;
	assert_true(leaky >= 3);
	assert_int_equal(sigemptyset(&blocked), 0);
	assert_int_equal(sigaddset(&blocked, SIGTERM), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	report = start(arguments);
	assert_string_equal(json_opt_str(report, "fds", ""), "0 1 2 3");
	for (size_t i = 0; i < COUNT(facts); i++)
		if (!json_opt_bool(report, facts[i], false))
			fail_msg("not so in the child: %s", facts[i]);
	assert_int_equal(json_array_size(json_object_get(report, "arguments")), 4);
	assert_string_equal(json_string_value(
				json_array_get(json_object_get(report, "arguments"), 3)),
	    "a b");
	assert_int_equal(close(leaky), 0);
}

/* The descriptor numbers that happen to be free must not matter: SERVE_FD itself may be one. */
static void test_when_the_numbers_are_free(void **state)
{
	static const char *const arguments[] = { "child", NULL };
	int kept[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		kept[i] = fcntl(SERVE_FD + i, F_DUPFD_CLOEXEC, 50);
		(void)close(SERVE_FD + i); /* it may not have been open */
	}
	{
		AUTO(json_t) *report = start(arguments);

		assert_string_equal(json_opt_str(report, "fds", ""), "0 1 2 3");
	}
	for (int i = 0; i < 3; i++) {
		if (kept[i] < 0)
			continue;
		assert_int_equal(dup2(kept[i], SERVE_FD + i), SERVE_FD + i);
		assert_int_equal(close(kept[i]), 0);
	}
}

static void test_closing_is_seen_by_the_child(void **state)
{
	static const char *const arguments[] = { "wait", NULL };
	struct err e = { 0 };
	int fd, status;
	pid_t pid;

	(void)state;
	assert_ok(proc_start("test_proc", arguments, &fd, &pid, &e), &e);
	assert_int_equal(close(fd), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_no_such_program(void **state)
{
	static const char *const none[] = { NULL };
	struct err e = { 0 };
	int fd = -1;
	pid_t pid = -1;

	(void)state;
	assert_err(proc_start("no-such-program", none, &fd, &pid, &e), &e, "proc");
	assert_non_null(strstr(e.message, "/no-such-program: No such file"));
	assert_int_equal(fd, -1);
}

static void test_too_many_arguments(void **state)
{
	const char *arguments[32];
	struct err e = { 0 };
	int fd = -1;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < 31; i++)
		arguments[i] = "child";
	arguments[31] = NULL;
	assert_err(proc_start("test_proc", arguments, &fd, &pid, &e), &e, "proc");
	assert_int_equal(fd, -1);
	arguments[30] = NULL;
	json_decref(start(arguments));
}

static void test_what_a_program_writes(void **state)
{
	static const char *const arguments[] = { "-c", "echo /proc/$$/fd/*; echo seen >&2; cat",
		NULL };
	static const char *const none[] = { NULL };
	char said[200] = "", wanted[100];
	struct err e = { 0 };
	int fd, status;
	pid_t pid;
	size_t len = 0;
	ssize_t n;

	(void)state;
	assert_ok(proc_start_output("/bin/sh", arguments, &fd, &pid, &e), &e);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	while ((n = read(fd, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	assert_int_equal(close(fd), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)snprintf(wanted, sizeof(wanted), "/proc/%d/fd/0 /proc/%d/fd/1 /proc/%d/fd/2", pid,
	    pid, pid);
	assert_memory_equal(said, wanted, strlen(wanted));
	assert_null(strstr(said, "seen"));
	assert_err(proc_start_output("/no/such", none, &fd, &pid, &e), &e, "proc");
}

static void test_folder(void **state)
{
	AUTO_STRUCT(buf) folder = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(proc_folder(&folder, &e), &e);
	assert_int_equal(((const char *)folder.data)[0], '/');
	assert_ok(buf_add_str(&folder, "/test_proc", &e), &e);
	assert_int_equal(access(buf_str(&folder, &e), X_OK), 0);
}

static int child_wait(void)
{
	char c;

	return read(SERVE_FD, &c, 1) == 0 ? 7 : 1;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_gets_what_it_should),
		cmocka_unit_test(test_when_the_numbers_are_free),
		cmocka_unit_test(test_closing_is_seen_by_the_child),
		cmocka_unit_test(test_no_such_program),
		cmocka_unit_test(test_too_many_arguments),
		cmocka_unit_test(test_what_a_program_writes),
		cmocka_unit_test(test_folder),
	};

	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return child_report(argc, argv);
	if (argc > 1 && strcmp(argv[1], "wait") == 0)
		return child_wait();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
