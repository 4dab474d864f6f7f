#include "records_world.h"

#include <sys/stat.h>

#include <sqlite3.h>

#include "file.h"

/* A history with something in every table; the golden database of a version is one of these. */
static void fill(struct world *w)
{
	int64_t job;

	must_tell(w, "{s:s, s:s, s:s}", "event", "station", "what", "start", "build", "golden");
	world_profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "nine", "quantity", 9);
	(void)world_pass(w, "A", "nine");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A", "reason",
	    "new board", "by", "mei");
	(void)world_pass(w, "A", "nine");
	(void)world_pass(w, "C", "nine");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "C", "reason", "fell down",
	    "by", "mei");
	world_fail(w, world_claim(w, "B", "nine"));
	refuse(w, "claim.scrapped", "{s:s, s:s, s:s, s:s, s:s}", "event", "claim", "serial", "C",
	    "model", "P1", "slot", "2", "profile", "#product: pump");
	job = world_claim(w, "B", NULL);
	world_request(w, job, "key B");
	world_intent(w, job, "key B");
	world_answer(w, job, "possibly-issued");
	world_intent(w, job, "key B");
	world_issue(w, job, "key B", "cert B");
	world_park(w, job);
	must_tell(w, "{s:s, s:s, s:s}", "event", "revoked", "orphan", "#csr of key B", "by",
	    "ca desk");
}

static bool exists(const struct world *w, const char *suffix)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s%s", w->path, suffix);
	return access(path, F_OK) == 0;
}

static int upgrade(struct world *w, struct err *e)
{
	if (w->r != NULL)
		world_close(w);
	return records_upgrade(w->path, e);
}

static void test_an_upgrade_keeps_every_event_and_the_old_file(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *before = NULL;
	AUTO(json_t) *after = NULL;
	uint8_t old_head[SHA256_LEN], new_head[SHA256_LEN];
	struct records *old = NULL;
	struct err e = { 0 };
	int64_t old_seq, new_seq;
	char path[600];

	fill(w);
	before = world_verify(w);
	assert_ok(records_head(w->r, &old_seq, old_head, &e), &e);
	assert_ok(upgrade(w, &e), &e);
	assert_false(exists(w, ".new"));
	assert_false(exists(w, "-wal"));
	assert_true(exists(w, ".old"));

	world_open(w, "line-1");
	after = world_verify(w);
	assert_true(json_equal(before, after));
	assert_ok(records_head(w->r, &new_seq, new_head, &e), &e);
	assert_int_equal(new_seq, old_seq);
	assert_memory_equal(new_head, old_head, SHA256_LEN);
	assert_true(world_claim(w, "B", NULL) > 0); /* and work goes on */

	(void)snprintf(path, sizeof(path), "%s.old", w->path);
	assert_ok(records_open(&old, path, NULL, false, &e), &e);
	assert_ok(records_head(old, &old_seq, old_head, &e), &e);
	records_close(old);
}

static void test_an_upgrade_does_not_overwrite_the_last_one(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	fill(w);
	assert_ok(upgrade(w, &e), &e);
	assert_err(upgrade(w, &e), &e, "records.old");
	world_open(w, "line-1");
}

static void test_an_upgrade_waits_for_the_station(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	sqlite3 *reader = NULL;

	fill(w);
	assert_err(records_upgrade(w->path, &e), &e, "records.locked");
	/* A reader would go on with the old log beside the new file. */
	world_close(w);
	assert_int_equal(sqlite3_open(w->path, &reader), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM event", NULL, NULL,
			     NULL),
	    SQLITE_OK);
	assert_err(upgrade(w, &e), &e, "records.locked");
	assert_false(exists(w, ".old"));
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	assert_ok(upgrade(w, &e), &e);
	world_open(w, "line-1");
}

static void spoil(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* An upgrade builds the state again: it must not launder what was changed. */
static void test_damaged_records_are_not_upgraded(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	fill(w);
	world_close(w);
	spoil(w->path, "UPDATE unit SET passed = NULL");
	assert_err(upgrade(w, &e), &e, "verify.state");
	assert_false(exists(w, ".old"));
	assert_false(exists(w, ".new"));
	spoil(w->path, "PRAGMA user_version = 2");
	assert_err(upgrade(w, &e), &e, "records.newer");
	spoil(w->path, "PRAGMA application_id = 7");
	assert_err(upgrade(w, &e), &e, "records.damaged");
}

static void test_what_an_interrupted_upgrade_left_is_replaced(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char path[600];

	fill(w);
	(void)snprintf(path, sizeof(path), "%s.new", w->path);
	assert_ok(file_write(path, "half", 4, 0600, &e), &e);
	(void)snprintf(path, sizeof(path), "%s.new-wal", w->path);
	assert_ok(file_write(path, "half", 4, 0600, &e), &e);
	assert_ok(upgrade(w, &e), &e);
	assert_false(exists(w, ".new"));
	assert_false(exists(w, ".new-wal"));
	world_open(w, "line-1");
}

static void test_nothing_is_not_upgraded(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/none.db", w->folder);
	assert_err(records_upgrade(path, &e), &e, "records.io");
	assert_int_equal(access(path, F_OK), -1);
}

static void copy_golden(struct world *w, const char *name)
{
	AUTO_STRUCT(buf) bytes = { 0 };
	char relative[128];
	struct err e = { 0 };

	world_close(w);
	(void)snprintf(relative, sizeof(relative), "test/records/%s", name);
	testing_read(testing_source(relative), &bytes);
	assert_ok(file_write(w->path, bytes.data, bytes.len, 0600, &e), &e);
}

static void assert_golden(const json_t *counts)
{
	AUTO(json_t) *want = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "events", 57, "units", 3,
	    "passed", 1, "certificates", 4, "orphans", 3, "stations", 1);

	if (!json_equal(counts, want))
		fail_msg("the golden database counts %s", json_dumps(counts, JSON_SORT_KEYS));
}

/* Records made by every released version are read as they are, or upgraded, for ever. */
static void test_golden_version_1(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *counts = NULL;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };

	copy_golden(w, "v1.db");
	assert_ok(records_open(&w->r, w->path, NULL, false, &e), &e);
	counts = world_verify(w);
	assert_golden(counts);
	assert_ok(records_unit(w->r, "B", &job, &e), &e);
	assert_member(job, "status", "parked");
	assert_member(job, "certificate", digest("cert B"));
	json_decref(counts);
	counts = NULL;

	assert_ok(upgrade(w, &e), &e);
	world_open(w, "line-1");
	counts = world_verify(w);
	assert_golden(counts);
	assert_int_equal(world_claim(w, "B", NULL), json_opt_int(job, "job", 0));
	w->counter = 100; /* nonces that it has not seen */
	world_finish(w, json_opt_int(job, "job", 0), "cert B");
}

/* Writes a golden database of the present version: KILN_GOLDEN=FILE test_records_upgrade. */
static void write_golden(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };

	fill(w);
	world_close(w);
	spoil(w->path, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM");
	testing_read(w->path, &bytes);
	assert_ok(file_write(getenv("KILN_GOLDEN"), bytes.data, bytes.len, 0644, &e), &e);
}

int main(void)
{
	const struct CMUnitTest golden[] = {
		cmocka_unit_test_setup_teardown(write_golden, world_setup, world_teardown),
	};
	const struct CMUnitTest tests[] = {
		world_test(test_an_upgrade_keeps_every_event_and_the_old_file),
		world_test(test_an_upgrade_does_not_overwrite_the_last_one),
		world_test(test_an_upgrade_waits_for_the_station),
		cmocka_unit_test_setup_teardown(test_damaged_records_are_not_upgraded, world_setup,
		    world_teardown),
		world_test(test_what_an_interrupted_upgrade_left_is_replaced),
		world_test(test_nothing_is_not_upgraded),
		world_test(test_golden_version_1),
	};

	if (getenv("KILN_GOLDEN") != NULL)
		return cmocka_run_group_tests(golden, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
