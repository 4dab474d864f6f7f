#include "records_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "clock.h"

static int count_event(const json_t *event, void *context, struct err *e)
{
	int *count = context;

	(void)e;
	assert_true(json_is_integer(json_object_get(event, "seq")));
	assert_int_equal(strlen(json_opt_str(event, "hash", "")), 64);
	assert_member(event, "station", "line-1");
	(*count)++;
	return 0;
}

static int count_events(struct world *w, const char *serial, int64_t after)
{
	struct err e = { 0 };
	int count = 0;

	assert_ok(records_events(w->r, serial, after, count_event, &count, &e), &e);
	return count;
}

static void test_an_event_is_complete_and_in_the_chain(void **state)
{
	struct world *w = *state;
	struct record record = { 0 };
	uint8_t head[SHA256_LEN], zeros[SHA256_LEN] = { 0 };
	struct err e = { 0 };
	int64_t seq;

	assert_ok(records_head(w->r, &seq, head, &e), &e);
	assert_int_equal(seq, 0);
	assert_memory_equal(head, zeros, sizeof(head));

	record.body = json_pack("{s:s, s:s}", "event", "station", "what", "start");
	assert_ok(records_append(w->r, &record, &e), &e);
	assert_int_equal(record.seq, 1);
	assert_int_equal(json_opt_int(record.body, "v", 0), 1);
	assert_int_equal(json_opt_int(record.body, "record", 0), 1);
	assert_member(record.body, "station", "line-1");
	assert_true(clock_parse(json_opt_str(record.body, "at", "")) > 0);
	assert_ok(records_head(w->r, &seq, head, &e), &e);
	assert_int_equal(seq, 1);
	assert_memory_equal(head, record.head, sizeof(head));
	record_free(&record);
}

/* The format, spelled out once with nothing of ours: SHA-256(32 zero bytes || body). */
static void test_the_hash_is_of_the_hash_before_and_the_body(void **state)
{
	static const char form[] =
	    "{\"at\":\"2026-01-02T03:04:05.678Z\",\"event\":\"station\",\"record\":%d,\"seq\":%d,"
	    "\"station\":\"line-1\",\"v\":1,\"what\":\"note\"}";
	struct world *w = *state;
	uint8_t input[SHA256_LEN + sizeof(form)] = { 0 }; /* 32 zero bytes before the first */
	uint8_t want[SHA256_LEN], head[SHA256_LEN];
	struct err e = { 0 };
	int64_t seq;

	for (int number = 1; number <= 3; number++) {
		char *body = (char *)input + SHA256_LEN;

		must_tell(w, "{s:s, s:s, s:s}", "event", "station", "what", "note", "at",
		    "2026-01-02T03:04:05.678Z");
		(void)snprintf(body, sizeof(form), form, number, number);
		sha256(input, SHA256_LEN + strlen(body), want);
		assert_ok(records_head(w->r, &seq, head, &e), &e);
		assert_int_equal(seq, number);
		assert_memory_equal(head, want, sizeof(head));
		memcpy(input, head, SHA256_LEN);
	}
}

static void test_bad_events_are_refused_and_recorded(void **state)
{
	struct world *w = *state;

	refuse(w, "record.invalid", "{s:s}", "event", "dance");
	refuse(w, "record.invalid", "{s:i}", "event", 1);
	refuse(w, "record.invalid", "[]");
	refuse(w, "record.invalid", "{s:s}", "event", "station");
	refuse(w, "record.invalid", "{s:s, s:s}", "event", "station", "what", "");
	refuse(w, "record.invalid", "{s:s, s:s, s:s}", "event", "station", "what", "x", "at",
	    "noon");
	refuse(w, "record.invalid", "{s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256",
	    "F00", "text", "@t", "product", "p", "version", "1");
	refuse(w, "profile.digest", "{s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256",
	    "#other", "text", "@t", "product", "p", "version", "1");
	refuse(w, "json", "{s:s, s:s}", "event", "park", "job", "one");
	refuse(w, "job.unknown", "{s:s, s:i}", "event", "park", "job", 77);
	assert_int_equal(count_events(w, NULL, 0), 10);
}

static void test_too_large_is_refused(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) big = { 0 };
	struct record record = { 0 };
	struct err e = { 0 };
	size_t len = 300 * 1024;
	char *text = calloc(1, len + 1);

	assert_non_null(text);
	memset(text, 'x', len);
	refuse(w, "record.invalid", "{s:s, s:s, s:s}", "event", "station", "what", "note", "detail",
	    text);
	refuse(w, "record.invalid", "{s:s}", "event", text);
	refuse(w, "record.invalid", "{s:s, s:s, s:s, s:s, s:s}", "event", "claim", "serial", text,
	    "model", "m", "slot", "1", "profile", "#p");
	free(text);
	assert_non_null(buf_room(&big, 5 << 20, &e));
	big.len = 5 << 20;
	assert_err(record_add_blob(&record, "csr", &big, &e), &e, "record.invalid");
	assert_int_equal(big.len, 5 << 20); /* untouched */
	for (int i = 0; i < RECORD_BLOBS_MAX; i++) {
		struct buf one = { 0 };

		assert_ok(record_add_blob(&record, "csr", &one, &e), &e);
	}
	big.len = 1;
	assert_err(record_add_blob(&record, "csr", &big, &e), &e, "record.invalid");
	record_free(&record);
}

static int keep_event(const json_t *event, void *context, struct err *e)
{
	json_t **kept = context;

	(void)e;
	json_decref(*kept);
	*kept = json_deep_copy(event);
	return 0;
}

static void test_a_refusal_says_what_was_refused_and_why(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *last = NULL;
	struct err e = { 0 };

	refuse(w, "profile.unknown", "{s:s, s:s, s:s, s:s, s:s}", "event", "claim", "serial", "S1",
	    "model", "P1", "slot", "4", "profile", "#nothing");
	assert_ok(records_events(w->r, "S1", 0, keep_event, &last, &e), &e);
	assert_member(last, "event", "refused");
	assert_member(last, "what", "claim");
	assert_member(last, "slot", "4");
	assert_member(json_object_get(last, "error"), "code", "profile.unknown");
}

static void test_events_are_found_by_serial_and_position(void **state)
{
	struct world *w = *state;
	int all;

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	(void)world_pass(w, "B", NULL);
	all = count_events(w, NULL, 0);
	assert_int_equal(count_events(w, "A", 0), count_events(w, "B", 0));
	assert_int_equal(count_events(w, "A", 0) + count_events(w, "B", 0) + 1, all);
	assert_int_equal(count_events(w, NULL, 3), all - 3);
	assert_int_equal(count_events(w, "C", 0), 0);
}

static int stop_at_once(const json_t *event, void *context, struct err *e)
{
	(void)event;
	(void)context;
	return err_set(e, ERR_CONFIG, "test", "enough");
}

static void test_iteration_stops_where_the_caller_says(void **state)
{
	struct err e = { 0 };

	world_profile(*state);
	assert_err(records_events(((struct world *)*state)->r, NULL, 0, stop_at_once, NULL, &e), &e,
	    "test");
}

/* The callback may ask for more: events have a connection of their own. */
static int read_blob_of(const json_t *event, void *context, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct world *w = context;

	assert_ok(records_blob(w->r, json_opt_str(event, "text", ""), &text, e), e);
	assert_int_equal(text.len, strlen("product: pump"));
	return 0;
}

static void test_blobs_come_back_by_their_digest(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	world_profile(w);
	assert_ok(records_blob(w->r, digest("anchors"), &text, &e), &e);
	assert_memory_equal(text.data, "anchors", 7);
	assert_err(records_blob(w->r, digest("never"), &text, &e), &e, "blob.unknown");
	assert_ok(records_events(w->r, NULL, 0, read_blob_of, w, &e), &e);
}

static void test_a_second_station_is_locked_out(void **state)
{
	struct world *w = *state;
	struct records *second = NULL;
	struct err e = { 0 };

	assert_err(records_open(&second, w->path, "line-2", false, &e), &e, "records.locked");
	assert_null(second);
	assert_ok(records_open(&second, w->path, NULL, false, &e), &e);
	records_close(second);
	world_close(w);
	world_open(w, "line-2");
}

static void test_absent_records_are_not_made_unasked(void **state)
{
	struct world *w = *state;
	struct records *r = NULL;
	struct err e = { 0 };
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/other.db", w->folder);
	assert_err(records_open(&r, path, "line-1", false, &e), &e, "records.none");
	assert_int_equal(access(path, F_OK), -1);
	assert_err(records_open(&r, path, NULL, true, &e), &e, "records.none");
	assert_err(records_open(&r, path, "", true, &e), &e, "records.station");
	assert_err(records_open(&r, path, "line one", true, &e), &e, "records.station");
	/* A crash before the schema was committed leaves an empty file. */
	assert_true(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	assert_err(records_open(&r, path, "line-1", false, &e), &e, "records.damaged");
	assert_ok(records_open(&r, path, "line-1", true, &e), &e);
	records_close(r);
}

static void spoil(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_open(struct world *w, const char *code)
{
	struct records *r = NULL;
	struct err e = { 0 };

	assert_err(records_open(&r, w->path, NULL, false, &e), &e, code);
	assert_err(records_open(&r, w->path, "line-1", false, &e), &e, code);
}

static void test_other_versions_and_other_files_are_refused(void **state)
{
	struct world *w = *state;

	world_close(w);
	spoil(w->path, "PRAGMA user_version = 2");
	assert_open(w, "records.newer");
	spoil(w->path, "PRAGMA user_version = 0");
	assert_open(w, "records.damaged");
	spoil(w->path, "PRAGMA user_version = 1; PRAGMA application_id = 1");
	assert_open(w, "records.damaged");
	spoil(w->path, "PRAGMA application_id = 1802071150; CREATE VIEW v AS SELECT 1");
	assert_open(w, "records.damaged");
	spoil(w->path, "DROP VIEW v; DROP TRIGGER event_is_not_deleted");
	assert_open(w, "records.damaged");
	assert_int_equal(truncate(w->path, 100), 0);
	assert_open(w, "records.damaged");
}

static void test_events_and_blobs_can_not_be_changed(void **state)
{
	static const char *const attempts[] = { "UPDATE event SET body = 'x'", "DELETE FROM event",
		"UPDATE blob SET bytes = 'x'", "DELETE FROM blob" };
	struct world *w = *state;
	sqlite3 *db = NULL;

	world_profile(w);
	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	for (size_t i = 0; i < COUNT(attempts); i++) {
		assert_int_equal(sqlite3_exec(db, attempts[i], NULL, NULL, NULL),
		    SQLITE_CONSTRAINT);
		assert_non_null(strstr(sqlite3_errmsg(db), "append only"));
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_records_on_a_read_only_medium_are_read(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *counts = NULL;
	const bool root = geteuid() == 0;
	struct err e = { 0 };
	char wal[600];
	int rc;

	(void)snprintf(wal, sizeof(wal), "%s-wal", w->path);
	world_profile(w);
	world_close(w);
	assert_int_equal(chmod(w->path, 0444), 0);
	assert_int_equal(chmod(w->folder, 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0); /* root writes anywhere */
	rc = records_open(&w->r, w->path, NULL, false, &e);
	assert_int_equal(access(wal, F_OK), -1);
	if (rc == 0)
		rc = records_verify(w->r, &counts, &e);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(w->folder, 0700), 0);
	assert_ok(rc, &e);
	assert_int_equal(json_opt_int(counts, "events", 0), 1);
}

static void test_reading_alone_can_not_append(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int fd;

	world_close(w);
	assert_ok(records_open(&w->r, w->path, NULL, false, &e), &e);
	refuse(w, "records.io", "{s:s, s:s}", "event", "station", "what", "start");
	assert_err(records_start(w->r, &fd, &e), &e, "records.io");
}

static void test_two_stations_have_a_chain_each(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *counts = NULL;
	uint8_t head[SHA256_LEN];
	struct err e = { 0 };
	int64_t seq;

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	world_close(w);
	world_open(w, "line-2");
	assert_ok(records_head(w->r, &seq, head, &e), &e);
	assert_int_equal(seq, 0);
	(void)world_pass(w, "B", NULL);
	world_close(w);
	world_open(w, "line-1");
	(void)world_pass(w, "C", NULL);
	counts = world_verify(w);
	assert_int_equal(json_opt_int(counts, "stations", 0), 2);
	assert_int_equal(json_opt_int(counts, "passed", 0), 3);
	assert_int_equal(json_opt_int(counts, "units", 0), 3);
	assert_int_equal(json_opt_int(counts, "certificates", 0), 3);
	assert_int_equal(json_opt_int(counts, "orphans", -1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_an_event_is_complete_and_in_the_chain),
		world_test(test_the_hash_is_of_the_hash_before_and_the_body),
		world_test(test_bad_events_are_refused_and_recorded),
		world_test(test_too_large_is_refused),
		world_test(test_a_refusal_says_what_was_refused_and_why),
		world_test(test_events_are_found_by_serial_and_position),
		world_test(test_iteration_stops_where_the_caller_says),
		world_test(test_blobs_come_back_by_their_digest),
		world_test(test_a_second_station_is_locked_out),
		world_test(test_absent_records_are_not_made_unasked),
		cmocka_unit_test_setup_teardown(test_other_versions_and_other_files_are_refused,
		    world_setup, world_teardown),
		world_test(test_events_and_blobs_can_not_be_changed),
		world_test(test_records_on_a_read_only_medium_are_read),
		world_test(test_reading_alone_can_not_append),
		world_test(test_two_stations_have_a_chain_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
