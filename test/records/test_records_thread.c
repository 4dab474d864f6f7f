#define RECORDS_WORLD_SYNCS
#include "records_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"

/* In front of libc's: counts what the records sync, and fails when told to. Any thread. */
static int syncs;
static int sync_fails;

int fdatasync(int fd)
{
	__atomic_fetch_add(&syncs, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sync_fails, __ATOMIC_SEQ_CST) != 0) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static int broken_teardown(void **state)
{
	__atomic_store_n(&sync_fails, 0, __ATOMIC_SEQ_CST);
	return world_teardown(state);
}

/* What completed, in the order in which it did. */
struct seen {
	size_t count;
	int64_t seq[2048];
	int rc[2048];
	char code[40]; /* of the last failure */
	json_t *job;   /* of the last claim */
};

static void note(struct record *record)
{
	struct seen *s = record->context;

	s->seq[s->count] = record->seq;
	s->rc[s->count] = record->rc;
	s->count++;
	if (record->rc != 0)
		memcpy(s->code, record->err.code, sizeof(s->code));
	if (record->job != NULL) {
		json_decref(s->job);
		s->job = json_incref(record->job);
	}
	record_free(record);
	free(record);
}

static void submit(struct world *w, struct seen *s, json_t *body)
{
	struct record *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	world_fill(record, body);
	record->done = note;
	record->context = s;
	records_submit(w->r, record);
}

static void collect(struct world *w, int fd, const struct seen *s, size_t count)
{
	while (s->count < count) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 30000), 1);
		(void)records_collect(w->r);
	}
}

static void start(struct world *w, int *ret_fd)
{
	struct err e = { 0 };

	assert_ok(records_start(w->r, ret_fd, &e), &e);
}

static void test_records_complete_in_order_and_in_groups(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	const int before = __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);
	int fd, used;

	start(w, &fd);
	for (int i = 0; i < 1000; i++)
		submit(w, &s,
		    json_pack("{s:s, s:s, s:i}", "event", "station", "what", "note", "n", i));
	collect(w, fd, &s, 1000);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(s.rc[i], 0);
		assert_int_equal(s.seq[i], i + 1);
	}
	assert_int_equal(records_collect(w->r), 0);
	records_stop(w->r);
	used = __atomic_load_n(&syncs, __ATOMIC_SEQ_CST) - before;
	assert_in_range(used, 1, 500);
}

static void test_a_refused_record_rolls_back_alone(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	AUTO(json_t) *counts = NULL;
	int fd;

	start(w, &fd);
	submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "one"));
	submit(w, &s,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256", "#other", "text",
		"@text that must not stay", "product", "p", "version", "1"));
	submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "two"));
	collect(w, fd, &s, 3);
	records_stop(w->r);
	assert_int_equal(s.rc[0], 0);
	assert_int_equal(s.rc[1], -1);
	assert_string_equal(s.code, "profile.digest");
	assert_int_equal(s.rc[2], 0);
	assert_int_equal(s.seq[1], 2); /* the refusal itself */
	assert_int_equal(s.seq[2], 3);
	counts = world_verify(w); /* and no blob without an event */
	assert_int_equal(json_opt_int(counts, "events", 0), 3);
}

static void test_a_claim_brings_its_job(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	int fd;

	world_profile(w);
	start(w, &fd);
	submit(w, &s,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "claim", "serial", "A", "model", "P1",
		"slot", "1", "profile", "#product: pump"));
	collect(w, fd, &s, 1);
	assert_int_equal(json_opt_int(s.job, "job", 0), 2);
	json_decref(s.job);
	records_stop(w->r);
}

static void test_stopping_finishes_what_is_queued(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	struct err e = { 0 };
	int fd;

	start(w, &fd);
	assert_err(records_start(w->r, &fd, &e), &e, "records.io");
	refuse(w, "records.io", "{s:s, s:s}", "event", "station", "what", "from the wrong thread");
	for (int i = 0; i < 600; i++)
		submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "note"));
	records_stop(w->r);
	assert_int_equal(s.count, 600);
	assert_int_equal(s.rc[599], 0);
	must_tell(w, "{s:s, s:s}", "event", "station", "what", "stop"); /* the caller's again */
	start(w, &fd);
	submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "note"));
	collect(w, fd, &s, 601);
}

static int count_one(const json_t *event, void *context, struct err *e)
{
	(void)event;
	(void)e;
	(*(int *)context)++;
	return 0;
}

static void test_reading_goes_on_while_the_thread_writes(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	struct err e = { 0 };
	int fd;

	world_profile(w);
	start(w, &fd);
	for (int i = 0; i < 300; i++) {
		AUTO(json_t) *counts = NULL;
		AUTO(json_t) *job = NULL;
		uint8_t head[SHA256_LEN];
		int64_t seq;
		int events = 0;

		submit(w, &s,
		    json_pack("{s:s, s:s, s:i}", "event", "station", "what", "note", "n", i));
		assert_ok(records_head(w->r, &seq, head, &e), &e);
		assert_ok(records_unit(w->r, "A", &job, &e), &e);
		if (i % 50 == 0) {
			assert_ok(records_events(w->r, NULL, 0, count_one, &events, &e), &e);
			assert_in_range(events, 1, i + 2);
			assert_ok(records_verify(w->r, &counts, &e), &e);
		}
	}
	collect(w, fd, &s, 300);
	records_stop(w->r);
}

static void assert_all_broken(const struct seen *s, size_t from)
{
	assert_string_equal(s->code, "records.broken");
	for (size_t i = from; i < s->count; i++) {
		assert_int_equal(s->rc[i], -1);
		assert_int_equal(s->seq[i], 0);
	}
}

/* Reopens what a failure left: what had been reported as durable is there, and the chain holds. */
static void assert_survived(struct world *w, int64_t seq)
{
	AUTO(json_t) *counts = NULL;

	world_close(w);
	__atomic_store_n(&sync_fails, 0, __ATOMIC_SEQ_CST);
	world_open(w, "line-1");
	counts = world_verify(w);
	assert_true(json_opt_int(counts, "events", 0) >= seq);
}

static void test_a_sync_that_fails_breaks_the_records_for_good(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	int fd;

	world_profile(w);
	start(w, &fd);
	submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "kept"));
	collect(w, fd, &s, 1);
	assert_int_equal(s.rc[0], 0);
	__atomic_store_n(&sync_fails, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 5; i++)
		submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "lost"));
	submit(w, &s,
	    json_pack("{s:s}", "event", "nonsense")); /* its refusal is not recorded either */
	collect(w, fd, &s, 7);
	assert_all_broken(&s, 1);
	__atomic_store_n(&sync_fails, 0, __ATOMIC_SEQ_CST); /* too late: it is not tried again */
	submit(w, &s, json_pack("{s:s, s:s}", "event", "station", "what", "lost"));
	collect(w, fd, &s, 8);
	assert_all_broken(&s, 1);
	records_stop(w->r);
	refuse(w, "records.broken", "{s:s, s:s}", "event", "station", "what", "lost");
	assert_survived(w, 2);
}

static void test_I5_a_claim_is_not_known_before_it_is_durable(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };

	world_profile(w);
	__atomic_store_n(&sync_fails, 1, __ATOMIC_SEQ_CST);
	assert_err(world_try_claim(w, "A", NULL, &job, &e), &e, "records.broken");
	assert_null(job);
	assert_int_equal(e.domain, ERR_RECORDS);
	assert_int_equal(e.scope, SCOPE_STATION);
	assert_survived(w, 1);
}

/* A full disk, as the kernel reports it. */
static void test_a_write_that_fails_breaks_the_records(void **state)
{
	struct world *w = *state;
	struct rlimit before, small = { 0 };
	struct err e = { 0 };
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	int rc = 0;

	world_profile(w);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_cur = 300 * 1024;
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 500 && rc == 0; i++)
		rc = tell(w, &e, "{s:s, s:s}", "event", "station", "what", "note");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, handler);
	assert_err(rc, &e, "records.broken");
	assert_survived(w, 2);
}

/* The child of the kill test: reports on fd what was said to be durable. */
struct report {
	int64_t seq;
	uint8_t head[SHA256_LEN];
};

static int report_fd;
static int in_flight;

static void report(struct record *record)
{
	struct report r = { .seq = record->seq };

	memcpy(r.head, record->head, SHA256_LEN);
	if (record->rc != 0 || write(report_fd, &r, sizeof(r)) != sizeof(r))
		_exit(1);
	in_flight--;
	record_free(record);
	free(record);
}

static _Noreturn void append_for_ever(const char *path)
{
	struct records *r = NULL;
	struct err e = { 0 };
	int fd;

	if (records_open(&r, path, "line-1", true, &e) != 0 || records_start(r, &fd, &e) != 0)
		_exit(2);
	for (int64_t i = 0;; i++) {
		struct record *record = calloc(1, sizeof(*record));
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (record == NULL)
			_exit(3);
		record->body = json_pack("{s:s, s:s, s:I}", "event", "station", "what", "note", "n",
		    (json_int_t)i);
		record->done = report;
		records_submit(r, record);
		in_flight++;
		while (in_flight > (int)(i % 32)) {
			(void)poll(&p, 1, 1000);
			(void)records_collect(r);
		}
	}
}

struct wanted {
	int64_t seq;
	char head[2 * SHA256_LEN + 1];
	bool found;
};

static int look_for(const json_t *event, void *context, struct err *e)
{
	struct wanted *want = context;

	(void)e;
	if (json_opt_int(event, "seq", 0) == want->seq) {
		want->found = true;
		assert_member(event, "hash", want->head);
	}
	return 0;
}

/* Reads reports until about `count` have come, kills, and reads what was still reported. */
static struct report kill_after(pid_t child, int fd, unsigned count)
{
	struct report last = { 0 }, r;
	unsigned got = 0;

	while (read(fd, &r, sizeof(r)) == sizeof(r)) {
		last = r;
		if (++got == count)
			assert_int_equal(kill(child, SIGKILL), 0);
	}
	assert_true(got >= count);
	return last;
}

static void kill_once(struct world *w, unsigned count)
{
	struct wanted want = { 0 };
	struct err e = { 0 };
	struct report last;
	int pipe_fds[2], status;
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		report_fd = pipe_fds[1];
		append_for_ever(w->path);
	}
	assert_int_equal(close(pipe_fds[1]), 0);
	last = kill_after(child, pipe_fds[0], count);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(close(pipe_fds[0]), 0);

	world_open(w, "line-1");
	want.seq = last.seq;
	hex_encode(last.head, SHA256_LEN, want.head);
	assert_ok(records_events(w->r, NULL, 0, look_for, &want, &e), &e);
	assert_true(want.found);
	world_close(w);
}

static void test_I7_what_was_reported_survives_a_kill(void **state)
{
	struct world *w = *state;
	unsigned seed = 20261122;

	world_close(w);
	for (int round = 0; round < 12; round++) {
		AUTO(json_t) *counts = NULL;

		kill_once(w, 1 + (unsigned)rand_r(&seed) % 400);
		world_open(w, "line-1");
		counts = world_verify(w);
		assert_non_null(counts);
		world_close(w);
	}
	world_open(w, "line-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_records_complete_in_order_and_in_groups),
		world_test(test_a_refused_record_rolls_back_alone),
		world_test(test_a_claim_brings_its_job),
		world_test(test_stopping_finishes_what_is_queued),
		world_test(test_reading_goes_on_while_the_thread_writes),
		cmocka_unit_test_setup_teardown(test_a_sync_that_fails_breaks_the_records_for_good,
		    world_setup, broken_teardown),
		cmocka_unit_test_setup_teardown(test_I5_a_claim_is_not_known_before_it_is_durable,
		    world_setup, broken_teardown),
		cmocka_unit_test_setup_teardown(test_a_write_that_fails_breaks_the_records,
		    world_setup, broken_teardown),
		world_test(test_I7_what_was_reported_survives_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
