/* Changing records behind kiln's back: without its guards, triggers and constraints. */
#ifndef KILN_TEST_RECORDS_TAMPER_H
#define KILN_TEST_RECORDS_TAMPER_H

#include "records_world.h"

#include <sqlite3.h>

/* A history with something in every table. */
static inline void tamper_fill(struct world *w)
{
	int64_t job;

	world_profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "nine", "quantity", 9);
	(void)world_pass(w, "A", "nine");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A", "reason",
	    "new board", "by", "mei");
	(void)world_pass(w, "A", "nine");
	world_fail(w, world_claim(w, "B", "nine"));
	job = world_claim(w, "B", NULL);
	world_request(w, job, "key B");
	world_intent(w, job, "key B");
	world_answer(w, job, "possibly-issued");
	world_intent(w, job, "key B");
	world_park(w, job);
}

/* Gives the test's SQL a connection without kiln's guards; the records are closed meanwhile. */
static inline sqlite3 *raw_open(struct world *w)
{
	sqlite3 *db = NULL;

	if (w->r != NULL)
		world_close(w);
	assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
	return db;
}

static inline void raw_close(sqlite3 *db)
{
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline int raw_exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static inline char *raw_text(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	char *ret = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL)
		ret = strdup((const char *)sqlite3_column_text(s, 0));
	assert_int_equal(sqlite3_finalize(s), SQLITE_OK);
	return ret;
}

/* Runs sql past the triggers, constraints and foreign keys, and puts the triggers back. */
static inline int tamper(struct world *w, const char *sql)
{
	sqlite3 *db = raw_open(w);
	char *triggers =
	    raw_text(db, "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE type = 'trigger'");
	int rc;

	assert_int_equal(raw_exec(db, "PRAGMA ignore_check_constraints = ON; BEGIN;"
				      "DROP TRIGGER event_is_not_updated;"
				      "DROP TRIGGER event_is_not_deleted;"
				      "DROP TRIGGER blob_is_not_updated;"
				      "DROP TRIGGER blob_is_not_deleted"),
	    SQLITE_OK);
	rc = raw_exec(db, sql);
	assert_int_equal(raw_exec(db, triggers), SQLITE_OK);
	assert_int_equal(raw_exec(db, "COMMIT"), SQLITE_OK);
	free(triggers);
	raw_close(db);
	return rc;
}

static inline int verify(struct world *w, struct err *e)
{
	struct records *r = NULL;
	json_t *counts = NULL;
	int rc = records_open(&r, w->path, NULL, false, e);

	if (rc != 0)
		return -1;
	rc = records_verify(r, &counts, e);
	json_decref(counts);
	records_close(r);
	return rc;
}

static inline void keep(struct world *w, struct buf *ret)
{
	raw_close(raw_open(w)); /* closes the records, and with them the log */
	testing_read(w->path, ret);
}

static inline void put_back(struct world *w, const struct buf *kept)
{
	char path[600];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s-wal", w->path);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s-shm", w->path);
	(void)unlink(path);
	f = fopen(w->path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(kept->data, 1, kept->len, f), kept->len);
	assert_int_equal(fclose(f), 0);
}

#endif
