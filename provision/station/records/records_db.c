#include "records_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "failpoint.h"

enum { BUSY_MS = 1000, WAL_PAGES_MAX = 1000 };

static int failed(struct sqlite3 *handle, int rc, struct err *e)
{
	const char *why = handle != NULL ? sqlite3_errmsg(handle) : sqlite3_errstr(rc);
	int system = handle != NULL ? sqlite3_system_errno(handle) : 0;

	if ((rc & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT))
		rc = SQLITE_FULL;
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		return err_set(e, ERR_RECORDS, "record.constraint", "the records refuse this: %s",
		    why);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return err_set(e, ERR_RECORDS, "records.damaged", "the records are damaged: %s",
		    why);
	case SQLITE_NOMEM:
		return err_nomem(e);
	case SQLITE_BUSY:
	case SQLITE_PROTOCOL: /* a lock that did not come free, again and again */
		return err_set(e, ERR_RECORDS, "records.locked",
		    "another program is using the records: wait for it to end, or stop it");
	case SQLITE_FULL:
		return err_set(e, ERR_RECORDS, "records.io",
		    "the disk of the records is full: make room on it, then start again");
	case SQLITE_IOERR:
		return err_set(e, ERR_RECORDS, "records.io",
		    "the disk of the records fails (%s%s%s): see the kernel's log and replace it "
		    "or make room, then start again",
		    why, system != 0 ? ": " : "", system != 0 ? strerror(system) : "");
	default:
		return err_set(e, ERR_RECORDS, "records.io", "the records can not be used: %s%s%s",
		    why, system != 0 ? ": " : "", system != 0 ? strerror(system) : "");
	}
}

static int note_wal_pages(void *context, struct sqlite3 *handle, const char *name, int pages)
{
	struct db *db = context;

	(void)handle;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/* A file on a read-only medium, closed properly: WAL would want to make its index beside it. */
static bool is_sealed(const char *path)
{
	char wal[4096];

	return snprintf(wal, sizeof(wal), "%s-wal", path) < (int)sizeof(wal) &&
	       access(wal, F_OK) != 0;
}

/* path as SQLite's URI with this parameter; whatever is in the path stays a path. */
static int make_uri(const char *path, const char *parameter, struct buf *ret, struct err *e)
{
	if (buf_add_str(ret, path[0] == '/' ? "file://" : "file:", e) != 0)
		return -1;
	for (const char *p = path; *p != '\0'; p++)
		if (buf_printf(ret, e, strchr("?#%", *p) != NULL ? "%%%02x" : "%c", *p) != 0)
			return -1;
	return buf_printf(ret, e, "?%s", parameter);
}

static int open_uri(struct db *db, const char *path, const char *parameter, int flags,
    struct err *e)
{
	AUTO_STRUCT(buf) uri = { 0 };
	const char *text;
	int rc;

	if (make_uri(path, parameter, &uri, e) != 0)
		return -1;
	text = buf_str(&uri, e);
	if (text == NULL)
		return -1;
	rc = sqlite3_open_v2(text, &db->handle, flags | SQLITE_OPEN_URI, NULL);
	return rc == SQLITE_OK ? 0 : failed(db->handle, rc, e);
}

static int open_immutable(struct db *db, const char *path, struct err *e)
{
	(void)sqlite3_close_v2(db->handle); /* it failed to open */
	db->handle = NULL;
	return open_uri(db, path, "immutable=1", SQLITE_OPEN_READONLY, e);
}

/*
 * psow=0: a disk that loses its power may spoil the whole sector it was writing, also what had been synced
 * there. So each commit fills its last sector of the log, and the next one begins behind it.
 */
static int open_handle(struct db *db, const char *path, enum db_mode mode, struct err *e)
{
	int rc;

	if (mode == DB_WRITE)
		return open_uri(db, path, "psow=0", SQLITE_OPEN_READWRITE, e);
	if (mode == DB_ALONE)
		return open_uri(db, path, "immutable=1", SQLITE_OPEN_READONLY, e);
	rc = mode == DB_MEMORY ? sqlite3_open_v2("", &db->handle,
				     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)
			       : sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READONLY, NULL);
	return rc == SQLITE_OK ? 0 : failed(db->handle, rc, e);
}

static int open_file(struct db *db, const char *path, enum db_mode mode, struct err *e)
{
	int rc;

	if (open_handle(db, path, mode, e) != 0)
		return -1;
	(void)sqlite3_busy_timeout(db->handle, BUSY_MS); /* fails only on a closed connection */
	if (mode != DB_READ)
		return 0;
	rc = sqlite3_exec(db->handle, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
	if (((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) && is_sealed(path))
		return open_immutable(db, path, e);
	return rc == SQLITE_OK ? 0 : failed(db->handle, rc, e);
}

/* What is in the file is not trusted to be ours: no functions in its schema, no odd page passed on. */
static int harden(struct db *db, struct err *e)
{
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL); /* since 3.26 */
	(void)sqlite3_extended_result_codes(db->handle, 1); /* fails only on a closed connection */
	return db_exec(db,
	    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
	    "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON",
	    e);
}

static int make_durable(struct db *db, struct err *e)
{
	AUTO(json_t) *mode = NULL;

	/* What a savepoint undoes is kept in memory: a file for each costs more than the record. */
	if (db_exec(db, "PRAGMA temp_store = MEMORY", e) != 0 ||
	    db_row(db, "PRAGMA journal_mode = WAL", DB_NONE, &mode, e) != 0)
		return -1;
	if (strcmp(json_opt_str(mode, "journal_mode", ""), "wal") != 0)
		return err_set(e, ERR_RECORDS, "records.io",
		    "this file system can not hold the records: no write-ahead log on it");
	(void)sqlite3_wal_hook(db->handle, note_wal_pages, db); /* returns the hook before */
	/* wal_hook above replaced SQLite's own checkpoints, which hide their errors. */
	return db_exec(db, "PRAGMA synchronous = FULL", e);
}

int db_empty_log(struct db *db, struct err *e)
{
	int rc =
	    sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : failed(db->handle, rc, e);
}

int db_open(struct db *db, const char *path, enum db_mode mode, struct err *e)
{
	if (open_file(db, path, mode, e) == 0 && harden(db, e) == 0 &&
	    (mode != DB_WRITE || make_durable(db, e) == 0))
		return 0;
	db_close(db, false);
	return -1;
}

void db_close(struct db *db, bool checkpoint)
{
	for (size_t i = 0; i < db->cached; i++)
		(void)sqlite3_finalize(
		    db->cache[i].statement); /* repeats the statement's last error */
	if (db->handle != NULL && !checkpoint)
		(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close_v2(db->handle); /* can not fail without open statements */
	*db = (struct db){ 0 };
}

int db_exec(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : failed(db->handle, rc, e);
}

static int bind(struct db *db, sqlite3_stmt *statement, const struct db_value *args, size_t count,
    struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		int at = (int)i + 1;
		int rc;

		if (args[i].kind == DB_NUMBER)
			rc = sqlite3_bind_int64(statement, at, args[i].number);
		else if (args[i].kind == DB_BYTES)
			rc = sqlite3_bind_blob64(statement, at,
			    args[i].len > 0 ? args[i].bytes : "", args[i].len, SQLITE_STATIC);
		else if (args[i].text == NULL)
			rc = sqlite3_bind_null(statement, at);
		else
			rc = sqlite3_bind_text(statement, at, args[i].text, -1, SQLITE_STATIC);
		if (rc != SQLITE_OK)
			return failed(db->handle, rc, e);
	}
	return 0;
}

static int prepare(struct db *db, const char *sql, sqlite3_stmt **ret, struct err *e)
{
	int rc;

	for (size_t i = 0; i < db->cached; i++) {
		if (db->cache[i].sql == sql) {
			*ret = db->cache[i].statement;
			return 0;
		}
	}
	if (db->cached == DB_CACHE_MAX)
		(void)sqlite3_finalize(db->cache[--db->cached].statement); /* none is in use here */
	rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
	if (rc != SQLITE_OK)
		return failed(db->handle, rc, e);
	db->cache[db->cached].sql = sql;
	db->cache[db->cached].statement = *ret;
	db->cached++;
	return 0;
}

/* Makes the statement ready for the next use; its error was reported where it happened. */
static void release(sqlite3_stmt *statement)
{
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
}

static json_t *column_json(sqlite3_stmt *statement, int column)
{
	if (sqlite3_column_type(statement, column) == SQLITE_INTEGER)
		return json_integer(sqlite3_column_int64(statement, column));
	return json_stringn((const char *)sqlite3_column_text(statement, column),
	    (size_t)sqlite3_column_bytes(statement, column));
}

static int row_json(sqlite3_stmt *statement, json_t **ret, struct err *e)
{
	AUTO(json_t) *row = json_object();

	for (int i = 0; i < sqlite3_column_count(statement); i++) {
		json_t *value;

		if (sqlite3_column_type(statement, i) == SQLITE_NULL)
			continue;
		value = column_json(statement, i);
		if (value == NULL)
			return err_set(e, ERR_RECORDS, "records.damaged",
			    "the records are damaged: column %s is not text",
			    sqlite3_column_name(statement, i));
		if (json_set_new(row, sqlite3_column_name(statement, i), value, e) != 0)
			return -1;
	}
	if (row == NULL)
		return err_nomem(e);
	*ret = steal(&row);
	return 0;
}

/* Steps through all rows; those up to max go into rows. */
static int collect(struct db *db, sqlite3_stmt *statement, json_t *rows, size_t max, struct err *e)
{
	int rc;

	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		json_t *row = NULL;

		if (json_array_size(rows) >= max)
			continue;
		if (row_json(statement, &row, e) != 0)
			return -1;
		if (json_array_append_new(rows, row) != 0)
			return err_nomem(e);
	}
	return rc == SQLITE_DONE ? 0 : failed(db->handle, rc, e);
}

static int run(struct db *db, const char *sql, const struct db_value *args, size_t count,
    json_t *rows, size_t max, struct err *e)
{
	sqlite3_stmt *statement = NULL;
	int rc;

	if (prepare(db, sql, &statement, e) != 0)
		return -1;
	rc = bind(db, statement, args, count, e);
	if (rc == 0)
		rc = collect(db, statement, rows, max, e);
	release(statement);
	return rc;
}

int db_run(struct db *db, const char *sql, const struct db_value *args, size_t count, struct err *e)
{
	return run(db, sql, args, count, NULL, 0, e);
}

int64_t db_changes(const struct db *db)
{
	return sqlite3_changes64(db->handle);
}

int db_rows(struct db *db, const char *sql, const struct db_value *args, size_t count, json_t **ret,
    struct err *e)
{
	AUTO(json_t) *rows = json_array();

	if (rows == NULL)
		return err_nomem(e);
	if (run(db, sql, args, count, rows, SIZE_MAX, e) != 0)
		return -1;
	*ret = steal(&rows);
	return 0;
}

int db_row(struct db *db, const char *sql, const struct db_value *args, size_t count, json_t **ret,
    struct err *e)
{
	AUTO(json_t) *rows = json_array();

	if (rows == NULL)
		return err_nomem(e);
	if (run(db, sql, args, count, rows, 1, e) != 0)
		return -1;
	*ret = json_incref(json_array_get(rows, 0));
	return 0;
}

int db_number(struct db *db, const char *sql, const struct db_value *args, size_t count,
    int64_t fallback, int64_t *ret, struct err *e)
{
	AUTO(json_t) *row = NULL;
	const json_t *value;

	if (db_row(db, sql, args, count, &row, e) != 0)
		return -1;
	value = json_object_iter_value(json_object_iter(row));
	*ret = json_is_integer(value) ? json_integer_value(value) : fallback;
	return 0;
}

int db_query(struct db *db, const char *sql, const struct db_value *args, size_t count,
    struct db_cursor *ret, struct err *e)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

	if (rc != SQLITE_OK)
		return failed(db->handle, rc, e);
	if (bind(db, statement, args, count, e) != 0) {
		(void)sqlite3_finalize(statement); /* never ran */
		return -1;
	}
	*ret = (struct db_cursor){ .db = db, .statement = statement };
	return 0;
}

int db_next(struct db_cursor *c, bool *ret_row, struct err *e)
{
	int rc = sqlite3_step(c->statement);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return failed(c->db->handle, rc, e);
	*ret_row = rc == SQLITE_ROW;
	return 0;
}

const char *db_column_text(struct db_cursor *c, int column, size_t *ret_len)
{
	const char *text = "";

	*ret_len = 0;
	if (sqlite3_column_type(c->statement, column) != SQLITE_TEXT)
		return text;
	text = (const char *)sqlite3_column_text(c->statement, column);
	*ret_len = (size_t)sqlite3_column_bytes(c->statement, column);
	return text != NULL ? text : "";
}

const void *db_column_bytes(struct db_cursor *c, int column, size_t *ret_len)
{
	*ret_len = 0;
	if (sqlite3_column_type(c->statement, column) != SQLITE_BLOB)
		return NULL;
	*ret_len = (size_t)sqlite3_column_bytes(c->statement, column);
	return sqlite3_column_blob(c->statement, column);
}

int64_t db_column_int(struct db_cursor *c, int column)
{
	if (sqlite3_column_type(c->statement, column) != SQLITE_INTEGER)
		return INT64_MIN;
	return sqlite3_column_int64(c->statement, column);
}

void db_cursor_close(struct db_cursor *c)
{
	(void)sqlite3_finalize(c->statement); /* repeats an error that db_next reported */
	*c = (struct db_cursor){ 0 };
}

int db_checkpoint(struct db *db, struct err *e)
{
	int rc;

	if (db->wal_pages < WAL_PAGES_MAX)
		return 0;
	FAILPOINT("records.checkpoint");
	rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	FAILPOINT("records.checkpointed");
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		return failed(db->handle, rc, e);
	return 0;
}
