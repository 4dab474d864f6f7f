#include "records_tamper.h"

enum { FLIPS = 400 };

/* Every column of every table: no table is forgotten, no column is free. */
static void test_no_column_can_be_changed_unseen(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) kept = { 0 };
	struct err e = { 0 };
	sqlite3 *db;
	sqlite3_stmt *s = NULL;
	char columns[256][80];
	size_t count = 0, seen = 0;

	tamper_fill(w);
	keep(w, &kept);
	db = raw_open(w);
	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c"
		" WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'",
		-1, &s, NULL),
	    SQLITE_OK);
	for (; sqlite3_step(s) == SQLITE_ROW; count++) {
		assert_true(count < COUNT(columns));
		(void)snprintf(columns[count], sizeof(columns[count]), "%s %s",
		    sqlite3_column_text(s, 0), sqlite3_column_text(s, 1));
	}
	(void)sqlite3_finalize(s);
	raw_close(db);
	assert_true(count > 70);
	for (size_t i = 0; i < count; i++) {
		char table[40], column[40], sql[512];

		assert_int_equal(sscanf(columns[i], "%39s %39s", table, column), 2);
		(void)snprintf(sql, sizeof(sql),
		    "UPDATE %s SET %s = CASE typeof(%s) WHEN 'integer' THEN %s + 1000"
		    " WHEN 'null' THEN 1 WHEN 'blob' THEN x'00' ELSE %s || 'x' END"
		    " WHERE rowid = (SELECT min(rowid) FROM %s)",
		    table, column, column, column, column, table);
		assert_int_equal(tamper(w, sql), SQLITE_OK);
		if (verify(w, &e) == 0)
			fail_msg("%s.%s was changed unseen", table, column);
		seen++;
		put_back(w, &kept);
	}
	assert_int_equal(seen, count);
}

/* What the file says, as one digest; false where SQLite can not read it all. */
static bool content(const char *path, uint8_t ret[static SHA256_LEN])
{
	static const char *const tables[] = { "sqlite_schema ORDER BY name",
		"event ORDER BY number", "blob ORDER BY sha256", "profile ORDER BY sha256",
		"work_order ORDER BY id", "spare_ordinal ORDER BY work_order, ordinal",
		"unit ORDER BY serial", "job ORDER BY number", "intent ORDER BY job, kind, attempt",
		"device_key ORDER BY spki", "certificate ORDER BY sha256", "proof ORDER BY event",
		"orphan ORDER BY event, job, attempt" };
	AUTO_STRUCT(buf) all = { 0 };
	struct err e = { 0 };
	sqlite3 *db = NULL;
	bool whole = sqlite3_open(path, &db) == SQLITE_OK;

	for (size_t t = 0; whole && t < COUNT(tables); t++) {
		sqlite3_stmt *s = NULL;
		char sql[128];
		int rc;

		(void)snprintf(sql, sizeof(sql), "SELECT %s FROM %s",
		    t == 0 ? "type, name, tbl_name, sql" : "*", tables[t]);
		whole = sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK;
		while (whole && (rc = sqlite3_step(s)) != SQLITE_DONE) {
			whole = rc == SQLITE_ROW;
			for (int c = 0; whole && c < sqlite3_column_count(s); c++) {
				const void *value = sqlite3_column_blob(s, c);
				int len = sqlite3_column_bytes(s, c);

				assert_ok(buf_printf(&all, &e, "%d:%d:", sqlite3_column_type(s, c),
					      len),
				    &e);
				assert_ok(buf_add(&all, len > 0 ? value : "", (size_t)len, &e), &e);
			}
		}
		(void)sqlite3_finalize(s);
	}
	(void)sqlite3_close(db);
	sha256(all.data != NULL ? all.data : (const uint8_t *)"", all.len, ret);
	return whole;
}

/* Bytes anywhere in the file: each is either noticed, or says nothing. */
static void test_no_byte_can_be_changed_unseen(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) kept = { 0 };
	uint8_t want[SHA256_LEN], have[SHA256_LEN];
	unsigned seed = 2, noticed = 0;
	struct err e = { 0 };

	tamper_fill(w);
	{
		sqlite3 *db = raw_open(w);

		/* small pages: little of the file is empty */
		assert_int_equal(
		    raw_exec(db, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM"),
		    SQLITE_OK);
		raw_close(db);
	}
	keep(w, &kept);
	assert_true(content(w->path, want));
	assert_ok(verify(w, &e), &e);
	for (int i = 0; i < FLIPS; i++) {
		size_t at = (size_t)rand_r(&seed) % kept.len;
		uint8_t bit = (uint8_t)(1 << rand_r(&seed) % 8);

		kept.data[at] ^= bit;
		put_back(w, &kept);
		if (verify(w, &e) != 0) {
			noticed++;
			assert_true(e.message[0] != '\0');
			assert_int_equal(e.domain, ERR_RECORDS);
		} else if (!content(w->path, have) || memcmp(have, want, SHA256_LEN) != 0) {
			fail_msg("byte %zu of the file was changed unseen", at);
		}
		kept.data[at] ^= bit;
	}
	print_message("%u of %d flips noticed, the others were in unused bytes\n", noticed, FLIPS);
	assert_true(noticed > FLIPS / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_column_can_be_changed_unseen, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(test_no_byte_can_be_changed_unseen, world_setup,
		    world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
