/*
 * SQLite as the records use it: one connection, cached statements, rows as JSON. Only records_db.c
 * calls SQLite. A constraint that refuses is error RECORDS "record.constraint"; everything else that
 * SQLite reports ("records.io", "records.locked", "records.damaged") leaves the connection unusable.
 */
#ifndef KILN_RECORDS_DB_H
#define KILN_RECORDS_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "json.h"

struct sqlite3;
struct sqlite3_stmt;

enum { DB_CACHE_MAX = 96 };

struct db {
	struct sqlite3 *handle; /* NULL: closed */
	struct {
		const char *sql; /* by address: texts are literals */
		struct sqlite3_stmt *statement;
	} cache[DB_CACHE_MAX];
	size_t cached;
	int wal_pages; /* in the write-ahead log after the last commit */
};

enum db_mode {
	DB_MEMORY, /* private and temporary, spills to disk; path is ignored */
	DB_READ,
	DB_ALONE, /* for reading, the file as it is: a log beside it does not count */
	DB_WRITE, /* the file exists, empty or not */
};

/* May block up to a second where another process recovers the file. */
must_check int db_open(struct db *db, const char *path, enum db_mode mode, struct err *e);
/* checkpoint false: the log stays beside the file, for after a failure. */
void db_close(struct db *db, bool checkpoint);
static inline void db_close_plain(struct db *db)
{
	db_close(db, true);
}
OWNED_STRUCT(db, db_close_plain)

/* Parameters of a statement: ?1, ?2 ... All are borrowed for the call. */
struct db_value {
	const char *text; /* NULL is SQL's NULL unless it is bytes or a number */
	const void *bytes;
	size_t len;
	int64_t number;
	enum { DB_TEXT, DB_BYTES, DB_NUMBER } kind;
};
static inline struct db_value db_text(const char *text)
{
	return (struct db_value){ .kind = DB_TEXT, .text = text };
}
static inline struct db_value db_int(int64_t number)
{
	return (struct db_value){ .kind = DB_NUMBER, .number = number };
}
static inline struct db_value db_bytes(const void *bytes, size_t len)
{
	return (struct db_value){ .kind = DB_BYTES, .bytes = bytes, .len = len };
}
#define DB_ARGS(...)                                                                               \
	(const struct db_value[]){ __VA_ARGS__ },                                                  \
	    sizeof((const struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value)
#define DB_NONE NULL, 0

/* Statements without parameters or rows; several in one text. */
must_check int db_exec(struct db *db, const char *sql, struct err *e);
/* One statement; sql is a literal. */
must_check int db_run(struct db *db, const char *sql, const struct db_value *args, size_t count,
    struct err *e);
/* Rows that the last db_run changed. */
int64_t db_changes(const struct db *db);
/* The first row as an object {column: text or integer}, NULL columns left out; *ret is NULL where
 * there is no row. */
must_check int db_row(struct db *db, const char *sql, const struct db_value *args, size_t count,
    json_t **ret, struct err *e);
/* All rows, as an array of such objects. */
must_check int db_rows(struct db *db, const char *sql, const struct db_value *args, size_t count,
    json_t **ret, struct err *e);
/* The first column of the first row; fallback where there is none or it is NULL. */
must_check int db_number(struct db *db, const char *sql, const struct db_value *args, size_t count,
    int64_t fallback, int64_t *ret, struct err *e);

/* Rows one by one. Values are borrowed until the next call. */
struct db_cursor {
	struct db *db;
	struct sqlite3_stmt *statement;
};
must_check int db_query(struct db *db, const char *sql, const struct db_value *args, size_t count,
    struct db_cursor *ret, struct err *e);
must_check int db_next(struct db_cursor *c, bool *ret_row, struct err *e);
/* Text or bytes of a column that holds that; "" / NULL and 0 where it holds another type. */
const char *db_column_text(struct db_cursor *c, int column, size_t *ret_len);
const void *db_column_bytes(struct db_cursor *c, int column, size_t *ret_len);
int64_t db_column_int(struct db_cursor *c, int column);
void db_cursor_close(struct db_cursor *c);
OWNED_STRUCT(db_cursor, db_cursor_close)

/*
 * Runs the same query on both and compares every row, column and type. The first difference is an
 * error RECORDS of this code that names what, the row's first column and the column.
 */
must_check int db_compare(struct db *have, struct db *want, const char *what, const char *sql,
    const char *code, struct err *e);

/* Moves all of the log into the file and begins it anew. "records.locked" where somebody reads on. */
must_check int db_empty_log(struct db *db, struct err *e);
/* Moves what is in the log into the file when it has grown; readers may delay that. */
must_check int db_checkpoint(struct db *db, struct err *e);

#endif
