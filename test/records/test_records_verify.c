#include "records_tamper.h"

#include "clock.h"

static void test_whole_records_verify_and_are_counted(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *counts = NULL;

	counts = world_verify(w);
	assert_int_equal(json_opt_int(counts, "events", -1), 0);
	json_decref(counts);
	tamper_fill(w);
	counts = world_verify(w);
	assert_int_equal(json_opt_int(counts, "units", -1), 2);
	assert_int_equal(json_opt_int(counts, "passed", -1), 1);
	assert_int_equal(json_opt_int(counts, "certificates", -1), 2);
	assert_int_equal(json_opt_int(counts, "orphans", -1), 1);
	assert_int_equal(json_opt_int(counts, "stations", -1), 1);
	assert_int_equal(json_opt_int(counts, "events", -1), 39);
}

static void test_changes_are_named(void **state)
{
	static const struct {
		const char *sql, *code, *text;
	} rows[] = {
		{ "UPDATE event SET body = replace(body, '\"ms\":7', '\"ms\":8') WHERE number = 5",
		    "verify.chain", "event 5 (5 of station line-1): its hash" },
		{ "UPDATE event SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE number = 7",
		    "verify.chain", "event 7 " },
		{ "UPDATE event SET station = 'line-2' WHERE number = 7", "verify.chain",
		    "event 7 " },
		{ "UPDATE event SET station = 'line-2'", "verify.chain", "event 1 " },
		{ "UPDATE event SET number = number + 100 WHERE number > 7", "verify.chain",
		    "event 8 is missing" },
		{ "UPDATE event SET seq = seq + 100 WHERE seq > 7", "verify.chain", "event 8 " },
		{ "DELETE FROM event WHERE number = 9", "verify.chain", "event 9 is missing" },
		{ "DELETE FROM event WHERE number = (SELECT max(number) FROM event)",
		    "verify.state", "job \"" },
		{ "UPDATE event SET serial = 'Z' WHERE serial = 'A'", "verify.state", "event \"" },
		{ "UPDATE event SET body = '{}' WHERE number = 1", "verify.chain", "event 1 " },
		{ "UPDATE blob SET bytes = x'00' WHERE bytes = x'616e63686f7273'", "verify.blob",
		    "blob " },
		{ "UPDATE blob SET bytes = CAST(bytes AS TEXT)", "verify.blob", "blob " },
		{ "INSERT INTO blob VALUES "
		  "('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f200"
		  "15ad', x'616263')",
		    "verify.state", "no event made it" },
		{ "DELETE FROM blob WHERE bytes = x'616e63686f7273'", "verify.state",
		    "is missing" },
		{ "UPDATE unit SET passed = NULL WHERE serial = 'A'", "verify.state",
		    "unit \"A\": passed is \"nothing\", the events say" },
		{ "UPDATE job SET status = 'passed' WHERE status = 'parked'", "verify.state",
		    "job \"" },
		{ "DELETE FROM orphan", "verify.state", "orphan of event" },
		{ "UPDATE orphan SET revocation = 'revoked'", "verify.state", "unrevoked" },
		{ "UPDATE work_order SET quantity = 10", "verify.state",
		    "order \"nine\": quantity" },
		{ "INSERT INTO unit (serial, model) VALUES ('Z', 'P1')", "verify.state",
		    "unit \"Z\" is there and no event made it" },
	};
	struct world *w = *state;
	AUTO_STRUCT(buf) kept = { 0 };
	struct err e = { 0 };

	tamper_fill(w);
	keep(w, &kept);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(tamper(w, rows[i].sql), SQLITE_OK);
		assert_err(verify(w, &e), &e, rows[i].code);
		if (strstr(e.message, rows[i].text) == NULL)
			fail_msg("%s: \"%s\" is not in \"%s\"", rows[i].sql, rows[i].text,
			    e.message);
		put_back(w, &kept);
	}
	assert_ok(verify(w, &e), &e);
}

/* A chain that was made again from the start, consistently, still has to obey the rules. */
static int rechain(sqlite3 *db)
{
	uint8_t input[SHA256_LEN + 65536] = { 0 }, hash[SHA256_LEN];
	sqlite3_stmt *read = NULL, *write = NULL;
	int events = 0;

	assert_int_equal(sqlite3_prepare_v2(db, "SELECT number, body FROM event ORDER BY number",
			     -1, &read, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "UPDATE event SET hash = ?2 WHERE number = ?1", -1,
			     &write, NULL),
	    SQLITE_OK);
	for (; sqlite3_step(read) == SQLITE_ROW; events++) {
		size_t len = (size_t)sqlite3_column_bytes(read, 1);
		char text[2 * SHA256_LEN + 1];

		memcpy(input + SHA256_LEN, sqlite3_column_text(read, 1), len);
		sha256(input, SHA256_LEN + len, hash);
		memcpy(input, hash, SHA256_LEN);
		hex_encode(hash, SHA256_LEN, text);
		assert_int_equal(sqlite3_bind_int64(write, 1, sqlite3_column_int64(read, 0)),
		    SQLITE_OK);
		assert_int_equal(sqlite3_bind_text(write, 2, text, -1, SQLITE_TRANSIENT),
		    SQLITE_OK);
		assert_int_equal(sqlite3_step(write), SQLITE_DONE);
		assert_int_equal(sqlite3_reset(write), SQLITE_OK);
	}
	(void)sqlite3_finalize(read);
	(void)sqlite3_finalize(write);
	return events;
}

static void forge(struct world *w, const char *sql)
{
	sqlite3 *db = raw_open(w);
	char *triggers =
	    raw_text(db, "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE type = 'trigger'");

	assert_int_equal(raw_exec(db, "DROP TRIGGER event_is_not_updated"), SQLITE_OK);
	assert_int_equal(raw_exec(db, sql), SQLITE_OK);
	assert_true(rechain(db) > 0);
	assert_int_equal(raw_exec(db, "DROP TRIGGER event_is_not_deleted;"
				      "DROP TRIGGER blob_is_not_updated;"
				      "DROP TRIGGER blob_is_not_deleted"),
	    SQLITE_OK);
	assert_int_equal(raw_exec(db, triggers), SQLITE_OK);
	free(triggers);
	raw_close(db);
}

/* Events as a forger would have them, and what they meet. */
static const struct forgery {
	const char *sql, *code, *text;
} forgeries[] = {
	/* I9: the key of A under the serial B */
	{ "UPDATE event SET body = replace(body, '%KEYB%', '%KEYA%')", "verify.rule",
	    "key.duplicate" },
	/* a passed unit claimed without a rework */
	{ "UPDATE event SET body = replace(body, '\"event\":\"rework\"', "
	  "'\"event\":\"refused\"')",
	    "verify.rule", "claim.passed" },
	/* I6 */
	{ "UPDATE event SET body = replace(body, '\"quantity\":9', '\"quantity\":1')",
	    "verify.rule", "claim.quota" },
	/* I3: a nonce that served before */
	{ "UPDATE event SET body = replace(body, '\"nonce\":\"%N2%\"', "
	  "'\"nonce\":\"%N1%\"')",
	    "verify.rule", "prove.nonce" },
	{ "UPDATE event SET body = replace(body, '\"v\":1', '\"v\":2') WHERE number = 3",
	    "verify.chain", "version" },
	{ "UPDATE event SET body = replace(body, '\"seq\":3,', '\"seq\":4,') WHERE number "
	  "= 3",
	    "verify.chain", "another place" },
	{ "UPDATE event SET seq = seq + 5, body = replace(body, '\"seq\":' || seq || ',',"
	  " '\"seq\":' || (seq + 5) || ',') WHERE number = (SELECT max(number) FROM event)",
	    "verify.chain", "the one before it is missing" },
	{ "UPDATE event SET body = '[]' WHERE number = 3", "verify.chain", "not a JSON object" },
	{ "UPDATE event SET body = replace(body, '\"slot\":\"1\"', '\"slot\":\"2\"')"
	  " WHERE number = 3",
	    "verify.state", "slot is \"1\", the events say \"2\"" },
};

/* sql with its marks replaced by the digests and nonces of tamper_fill's events. */
static void fill_marks(char *sql, size_t size)
{
	static const char *const names[] = { "%KEYA%", "%KEYB%", "%N1%", "%N2%" };
	char values[COUNT(names)][2 * SHA256_LEN + 1];

	(void)snprintf(values[0], sizeof(values[0]), "%s", digest("key of A 3"));
	(void)snprintf(values[1], sizeof(values[1]), "%s", digest("key B"));
	(void)snprintf(values[2], sizeof(values[2]), "%064x", 1);
	(void)snprintf(values[3], sizeof(values[3]), "%064x", 2);
	for (size_t i = 0; i < COUNT(names); i++) {
		char *at = strstr(sql, names[i]);
		char rest[512];

		if (at == NULL)
			continue;
		(void)snprintf(rest, sizeof(rest), "%s", at + strlen(names[i]));
		(void)snprintf(at, size - (size_t)(at - sql), "%s%s", values[i], rest);
	}
}

static void test_a_forged_chain_must_obey_the_promises(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) kept = { 0 };
	struct err e = { 0 };
	char sql[512];

	tamper_fill(w);
	keep(w, &kept);
	for (size_t i = 0; i < COUNT(forgeries); i++) {
		const struct forgery *f = &forgeries[i];

		(void)snprintf(sql, sizeof(sql), "%s", f->sql);
		fill_marks(sql, sizeof(sql));
		forge(w, sql);
		assert_err(verify(w, &e), &e, f->code);
		if (strstr(e.message, f->text) == NULL)
			fail_msg("%s: \"%s\" is not in \"%s\"", sql, f->text, e.message);
		put_back(w, &kept);
	}
}

static void test_a_schema_that_is_not_ours_is_refused(void **state)
{
	struct world *w = *state;
	struct records *r = NULL;
	json_t *counts = NULL;
	struct err e = { 0 };
	sqlite3 *db = NULL;

	tamper_fill(w);
	world_close(w);
	assert_ok(records_open(&r, w->path, NULL, false, &e), &e);
	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	assert_int_equal(raw_exec(db, "DROP INDEX one_live_key"), SQLITE_OK);
	assert_err(records_verify(r, &counts, &e), &e, "verify.file");
	assert_non_null(strstr(e.message, "one_live_key"));
	records_close(r);
	assert_err(verify(w, &e), &e, "records.damaged");
	raw_close(db);
}

/* A shift's worth, through the thread. */
enum { JOBS = 1000, EVENTS_PER_JOB = 12 };

static void forget(struct record *record)
{
	if (record->rc != 0)
		fail_msg("%s: %s", record->err.code, record->err.message);
	record_free(record);
	free(record);
}

static void later(struct world *w, json_t *body)
{
	struct record *record = calloc(1, sizeof(*record));

	assert_non_null(record);
	world_fill(record, body);
	record->done = forget;
	records_submit(w->r, record);
}

static void submit_job(struct world *w, int n, json_int_t job)
{
	char serial[32], text[64], nonce[65];

	(void)snprintf(serial, sizeof(serial), "SN%06d", n);
	(void)snprintf(nonce, sizeof(nonce), "%064x", n);
	later(w, json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "claim", "serial", serial, "model",
		     "P1", "slot", "1", "profile", "#product: pump"));
	later(w, json_pack("{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "keygen"));
	later(w, json_pack("{s:s, s:I, s:s}", "event", "step", "job", job, "step", "keygen"));
	(void)snprintf(text, sizeof(text), "@csr %d", n);
	later(w, json_pack("{s:s, s:I, s:s, s:s, s:s}", "event", "step", "job", job, "step",
		     "request", "csr", text, "spki", digest(serial)));
	text[0] = '#';
	later(w, json_pack("{s:s, s:I, s:s, s:s}", "event", "intent", "job", job, "kind", "enrol",
		     "csr", text));
	(void)snprintf(text, sizeof(text), "@certificate %d", n);
	later(w, json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
		     "step", "enrol", "certificate", text, "number", serial, "issuer", "CN=ca",
		     "spki", digest(serial)));
	later(w, json_pack("{s:s, s:I, s:s}", "event", "step", "job", job, "step", "install"));
	text[0] = '#';
	later(w, json_pack("{s:s, s:I, s:s, s:s}", "event", "step", "job", job, "step", "readback",
		     "certificate", text));
	(void)snprintf(text, sizeof(text), "@preimage %d", n);
	later(w,
	    json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job", job, "step",
		"prove", "nonce", nonce, "scheme", "test", "preimage", text, "signature", "@sig"));
	later(w, json_pack("{s:s, s:I}", "event", "attesting", "job", job));
	(void)snprintf(text, sizeof(text), "@statement %d", n);
	later(w, json_pack("{s:s, s:I, s:s, s:s, s:s, s:s}", "event", "step", "job", job, "step",
		     "attest", "statement", text, "cms", "@cms", "jws", "@jws"));
	later(w, json_pack("{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "passed"));
}

static void test_a_shift_verifies_in_reasonable_time(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *counts = NULL;
	struct err e = { 0 };
	int64_t began, written, verified;
	int fd;

	world_profile(w);
	began = clock_now_ms();
	assert_ok(records_start(w->r, &fd, &e), &e);
	for (int i = 0; i < JOBS; i++)
		submit_job(w, i, 2 + (json_int_t)i * EVENTS_PER_JOB);
	records_stop(w->r);
	written = clock_now_ms();
	counts = world_verify(w);
	verified = clock_now_ms();
	assert_int_equal(json_opt_int(counts, "passed", 0), JOBS);
	assert_int_equal(json_opt_int(counts, "events", 0), 1 + JOBS * EVENTS_PER_JOB);
	print_message("%d jobs, %d events: recorded in %lld ms, verified in %lld ms\n", JOBS,
	    JOBS * EVENTS_PER_JOB, (long long)(written - began), (long long)(verified - written));
	assert_true(verified - began < 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_whole_records_verify_and_are_counted),
		cmocka_unit_test_setup_teardown(test_changes_are_named, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(test_a_forged_chain_must_obey_the_promises,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_schema_that_is_not_ours_is_refused,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_shift_verifies_in_reasonable_time,
		    world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
