#include "stem.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "clock.h"
#include "testing.h"

enum { WAIT_MS = 20000 };

/* This test is the station. */
struct fixture {
	struct line line;
	pid_t stem;
	int id;
};

static int count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = -3; /* ".", ".." and the folder's own */

	while (folder != NULL && readdir(folder) != NULL)
		count++;
	(void)closedir(folder); /* only read */
	return count;
}

/* What a new process sees of itself, and one number of OpenSSL's. */
static int call_facts(void *context, const json_t *request, json_t *ok, struct err *e)
{
	uint8_t number[16];

	(void)context;
	(void)request;
	if (RAND_bytes(number, sizeof(number)) != 1 ||
	    json_set_bytes(ok, "random", number, sizeof(number), e) != 0 ||
	    json_set_int(ok, "pid", getpid(), e) != 0 ||
	    json_set_int(ok, "parent", getppid(), e) != 0 ||
	    json_set_bool(ok, "own group", getpgrp() == getpid(), e) != 0)
		return -1;
	return json_set_int(ok, "descriptors", count_descriptors(), e);
}

static _Noreturn void be_a_stem(int channel)
{
	static const struct serve_call calls[] = { { "facts", call_facts } };
	uint8_t used[16];
	struct err e = { 0 };
	int rc = -1;

	if (dup2(channel, SERVE_FD) == SERVE_FD && close_range(SERVE_FD + 1, ~0U, 0) == 0 &&
	    RAND_bytes(used, sizeof(used)) == 1)
		rc = stem_run(&e);
	if (rc == STEM_BORN)
		rc = serve_on(calls, COUNT(calls), NULL, &e);
	_exit(rc == 0 ? 0 : 1);
}

static int set_up(void **state)
{
	static struct fixture f;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	f = (struct fixture){ .line.fd = ends[0], .stem = fork() };
	assert_true(f.stem >= 0);
	if (f.stem == 0)
		be_a_stem(ends[1]);
	assert_int_equal(close(ends[1]), 0);
	*state = &f;
	return 0;
}

static int end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void hang_up(struct fixture *f)
{
	assert_int_equal(close(f->line.fd), 0);
	line_free(&f->line);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	hang_up(f);
	assert_int_equal(end(f->stem), 0);
	return 0;
}

static json_t *read_line(struct line *line)
{
	json_t *answer = NULL;
	struct err e = { 0 };
	bool eof;

	assert_ok(line_read(line, &answer, &eof, clock_now_ms() + WAIT_MS, ERR_CONFIG, &e), &e);
	assert_false(eof);
	return answer;
}

/* One message, with a descriptor unless it is -1. */
static void send_text(const struct fixture *f, const char *text, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(f->line.fd, &message, MSG_NOSIGNAL), strlen(text));
}

/* Our end of a new process's channel. */
static pid_t make(struct fixture *f, int *ret_fd)
{
	AUTO(json_t) *answer = NULL;
	char text[60];
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	(void)snprintf(text, sizeof(text), "{\"id\":%d,\"do\":\"fork\"}\n", ++f->id);
	send_text(f, text, ends[1]);
	assert_int_equal(close(ends[1]), 0);
	answer = read_line(&f->line);
	assert_int_equal(json_opt_int(answer, "id", 0), f->id);
	*ret_fd = ends[0];
	return (pid_t)json_opt_int(json_object_get(answer, "ok"), "pid", 0);
}

static json_t *facts_of(int fd)
{
	static const char question[] = "{\"id\":7,\"do\":\"facts\"}\n";
	AUTO_STRUCT(line) line = { .fd = fd };

	assert_int_equal(write(fd, question, strlen(question)), strlen(question));
	return read_line(&line);
}

static void test_processes_are_the_stations_own(void **state)
{
	json_t *said[2];
	struct fixture *f = *state;
	int fds[2];
	pid_t pids[2];

	for (int i = 0; i < 2; i++)
		pids[i] = make(f, &fds[i]);
	for (int i = 0; i < 2; i++) {
		const json_t *ok;

		said[i] = facts_of(fds[i]);
		ok = json_object_get(said[i], "ok");
		assert_int_equal(json_opt_int(ok, "pid", 0), pids[i]);
		assert_int_equal(json_opt_int(ok, "parent", 0), getpid());
		assert_true(json_opt_bool(ok, "own group", false));
		assert_int_equal(json_opt_int(ok, "descriptors", 0), 4);
	}
	assert_string_not_equal(json_opt_str(json_object_get(said[0], "ok"), "random", ""),
	    json_opt_str(json_object_get(said[1], "ok"), "random", ""));
	for (int i = 0; i < 2; i++) {
		json_decref(said[i]);
		assert_int_equal(close(fds[i]), 0);
		assert_int_equal(end(pids[i]), 0);
	}
}

static void test_what_it_made_outlives_it(void **state)
{
	AUTO(json_t) *said = NULL;
	struct fixture *f = *state;
	int fd, status;
	pid_t pid = make(f, &fd);

	assert_int_equal(kill(f->stem, SIGKILL), 0);
	assert_int_equal(waitpid(f->stem, &status, 0), f->stem);
	said = facts_of(fd);
	assert_int_equal(json_opt_int(json_object_get(said, "ok"), "pid", 0), pid);
	assert_int_equal(close(fd), 0);
	assert_int_equal(end(pid), 0);
	hang_up(f);
}

/* Nobody tells the process who it is for, and it goes. */
static void test_one_that_nobody_talks_to_ends(void **state)
{
	int fd;
	pid_t pid = make(*state, &fd);

	assert_int_equal(close(fd), 0);
	assert_int_equal(end(pid), 0);
}

static void test_all_else_ends_it(void **state)
{
	static const struct {
		const char *text;
		int fd;
	} rows[] = {
		{ "{\"id\":1,\"do\":\"fork\"}\n", -1 },
		{ "{\"id\":1,\"do\":\"open\"}\n", 2 },
		{ "noise\n", 2 },
		{ "{\"id\":1", 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct fixture *f;

		set_up((void **)&f);
		send_text(f, rows[i].text, rows[i].fd);
		assert_int_equal(end(f->stem), 1);
		hang_up(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_processes_are_the_stations_own, set_up,
		    tear_down),
		cmocka_unit_test_setup(test_what_it_made_outlives_it, set_up),
		cmocka_unit_test_setup_teardown(test_one_that_nobody_talks_to_ends, set_up,
		    tear_down),
		cmocka_unit_test(test_all_else_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
