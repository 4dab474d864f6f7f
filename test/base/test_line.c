#include "line.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "testing.h"

struct fixture {
	int peer;
	struct line line;
};

static int setup(void **state)
{
	static struct fixture f;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	f = (struct fixture){ .peer = ends[0], .line.fd = ends[1] };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->peer >= 0)
		(void)close(f->peer); /* a test's end */
	(void)close(f->line.fd);      /* the other */
	line_free(&f->line);
	return 0;
}

static void hang_up(struct fixture *f)
{
	assert_int_equal(close(f->peer), 0);
	f->peer = -1;
}

static void send_text(const struct fixture *f, const char *text)
{
	assert_int_equal(write(f->peer, text, strlen(text)), strlen(text));
}

/* The next object's member n; -1 at end of file. */
static int64_t next(struct fixture *f)
{
	AUTO(json_t) *object = NULL;
	struct err e = { 0 };
	bool eof;

	assert_ok(line_read(&f->line, &object, &eof, clock_now_ms() + 5000, ERR_CA, &e), &e);
	if (eof)
		return -1;
	return json_opt_int(object, "n", -2);
}

static void refuses(struct fixture *f, const char *code, int64_t ms)
{
	AUTO(json_t) *object = NULL;
	struct err e = { 0 };
	bool eof = true;

	assert_err(line_read(&f->line, &object, &eof, clock_now_ms() + ms, ERR_CA, &e), &e, code);
	assert_int_equal(e.domain, ERR_CA);
	assert_null(object);
	assert_false(eof);
}

static void test_lines_in_one_read(void **state)
{
	struct fixture *f = *state;

	send_text(f, "{\"n\":1}\n{\"n\":2}\n{\"n\":");
	assert_int_equal(next(f), 1);
	assert_int_equal(next(f), 2);
	send_text(f, "3}\n");
	assert_int_equal(next(f), 3);
	hang_up(f);
	assert_int_equal(next(f), -1);
	assert_int_equal(next(f), -1);
}

static void test_hang_up_inside_a_line(void **state)
{
	struct fixture *f = *state;

	send_text(f, "{\"n\":1}\n{\"n\"");
	hang_up(f);
	assert_int_equal(next(f), 1);
	refuses(f, "line.closed", 5000);
}

static void test_deadline(void **state)
{
	struct fixture *f = *state;
	int64_t begun = clock_now_ms();

	send_text(f, "{\"n\":");
	refuses(f, "line.timeout", 30);
	assert_true(clock_now_ms() - begun >= 30);
	send_text(f, "1}\n");
	assert_int_equal(next(f), 1); /* what came before the deadline is kept */
}

/* A deadline in the past still gives what is there. */
static void test_past_deadline(void **state)
{
	struct fixture *f = *state;
	AUTO(json_t) *object = NULL;
	struct err e = { 0 };
	bool eof;

	send_text(f, "{\"n\":1}\n");
	assert_ok(line_read(&f->line, &object, &eof, 0, ERR_CA, &e), &e);
	assert_non_null(object);
	refuses(f, "line.timeout", -1);
}

static void test_bad_line_is_skipped(void **state)
{
	struct fixture *f = *state;

	send_text(f, "nonsense\n\n[]\n{\"n\":1}\n");
	refuses(f, "json", 5000);
	refuses(f, "json", 5000);
	refuses(f, "json", 5000);
	assert_int_equal(next(f), 1);
}

/* An object that is, with its line end, len bytes long. */
static void fill(struct buf *b, size_t len)
{
	static const char head[] = "{\"n\":7,\"x\":\"";
	struct err e = { 0 };
	uint8_t *room;

	buf_clear(b);
	assert_ok(buf_add_str(b, head, &e), &e);
	room = buf_room(b, len, &e);
	assert_non_null(room);
	memset(room, 'x', len);
	b->len = len - 3;
	assert_ok(buf_add_str(b, "\"}\n", &e), &e);
	assert_int_equal(b->len, len);
}

/* In a child: the socket's buffer is smaller than what is sent. */
static pid_t send_from_child(const struct fixture *f, const struct buf *b)
{
	pid_t pid = fork();
	size_t done = 0;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)signal(SIGPIPE, SIG_DFL); /* ends this child when nobody reads on */
	while (done < b->len) {
		ssize_t n = write(f->peer, b->data + done, b->len - done);

		if (n < 0)
			break;
		done += (size_t)n;
	}
	_exit(0);
}

static void test_longest_line(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(buf) b = { 0 };
	pid_t pid;

	fill(&b, LINE_MAX_LEN);
	pid = send_from_child(f, &b);
	assert_int_equal(next(f), 7);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void too_long(struct fixture *f, const struct buf *b)
{
	pid_t pid = send_from_child(f, b);

	refuses(f, "line.long", 5000);
	assert_true(
	    f->line.in.cap <= 4 * (size_t)LINE_MAX_LEN); /* the peer can not grow this process */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_one_byte_too_long(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };

	fill(&b, LINE_MAX_LEN + 1);
	too_long(*state, &b);
}

static void test_endless_line(void **state)
{
	AUTO_STRUCT(buf) b = { 0 };

	fill(&b, 16 * (size_t)LINE_MAX_LEN);
	too_long(*state, &b);
}

static void test_consumed_input_is_wiped(void **state)
{
	struct fixture *f = *state;

	send_text(f, "{\"n\":1}\n{\"n\":2,\"pin\":\"c2VjcmV0\"}\n{\"n\":3}\n");
	assert_int_equal(next(f), 1);
	assert_int_equal(next(f), 2);
	assert_null(memmem(f->line.in.data, f->line.in.cap, "c2VjcmV0", 8));
	assert_int_equal(next(f), 3);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	AUTO(json_t) *object = json_pack("{s:i, s:s}", "n", 5, "text", "a\nb");
	struct err e = { 0 };
	char got[100] = "";

	assert_ok(line_write(f->line.fd, object, clock_now_ms() + 5000, ERR_CA, &e), &e);
	assert_ok(line_write(f->line.fd, object, INT64_MAX, ERR_CA, &e), &e);
	assert_true(read(f->peer, got, sizeof(got) - 1) > 0);
	assert_string_equal(got, "{\"n\":5,\"text\":\"a\\nb\"}\n{\"n\":5,\"text\":\"a\\nb\"}\n");
}

static json_t *large(size_t len)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };
	json_t *object = NULL;

	fill(&b, len);
	assert_ok(json_parse((char *)b.data, b.len, &object, ERR_CA, &e), &e);
	return object;
}

static void test_write_too_long(void **state)
{
	struct fixture *f = *state;
	AUTO(json_t) *object = large(LINE_MAX_LEN + 1);
	struct err e = { 0 };

	assert_err(line_write(f->line.fd, object, INT64_MAX, ERR_CA, &e), &e, "line.long");
	assert_int_equal(recv(f->peer, &(char){ 0 }, 1, MSG_DONTWAIT),
	    -1); /* nothing was written */
}

/* A peer that does not read can not hold the station: the deadline counts inside a line too. */
static void test_write_deadline(void **state)
{
	struct fixture *f = *state;
	AUTO(json_t) *object = large(LINE_MAX_LEN);
	const int small = 4096;
	int64_t begun = clock_now_ms();
	struct err e = { 0 };

	assert_int_equal(setsockopt(f->line.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_err(line_write(f->line.fd, object, begun + 50, ERR_CA, &e), &e, "line.timeout");
	assert_int_equal(e.domain, ERR_CA);
	assert_true(clock_now_ms() - begun >= 50);
}

static void test_write_to_nobody(void **state)
{
	struct fixture *f = *state;
	AUTO(json_t) *object = json_object();
	struct err e = { 0 };

	hang_up(f);
	assert_err(line_write(f->line.fd, object, clock_now_ms() + 5000, ERR_CA, &e), &e,
	    "line.closed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lines_in_one_read),
		TEST(test_hang_up_inside_a_line),
		TEST(test_deadline),
		TEST(test_past_deadline),
		TEST(test_bad_line_is_skipped),
		TEST(test_longest_line),
		TEST(test_one_byte_too_long),
		TEST(test_endless_line),
		TEST(test_consumed_input_is_wiped),
		TEST(test_write),
		TEST(test_write_too_long),
		TEST(test_write_deadline),
		TEST(test_write_to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
