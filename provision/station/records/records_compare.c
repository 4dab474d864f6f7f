/* Two databases row by row: the state tables against what the events make of them. */
#include "records_db.h"

#include <string.h>

#include <sqlite3.h>

static bool same_value(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
	int type = sqlite3_column_type(a, column);
	const void *x, *y;
	int len;

	if (type != sqlite3_column_type(b, column))
		return false;
	if (type == SQLITE_INTEGER)
		return sqlite3_column_int64(a, column) == sqlite3_column_int64(b, column);
	x = sqlite3_column_blob(a, column);
	y = sqlite3_column_blob(b, column);
	len = sqlite3_column_bytes(a, column);
	return len == sqlite3_column_bytes(b, column) &&
	       (len == 0 || memcmp(x, y, (size_t)len) == 0);
}

static const char *shown(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text != NULL ? text : "nothing";
}

/* Below 0, 0, above 0: the order in which SQLite sorts texts and integers. */
static int order_of(sqlite3_stmt *a, sqlite3_stmt *b)
{
	const void *x, *y;
	int len_x, len_y, order;

	if (sqlite3_column_type(a, 0) == SQLITE_INTEGER &&
	    sqlite3_column_type(b, 0) == SQLITE_INTEGER) {
		int64_t n = sqlite3_column_int64(a, 0), m = sqlite3_column_int64(b, 0);

		return n < m ? -1 : n > m;
	}
	x = sqlite3_column_blob(a, 0);
	y = sqlite3_column_blob(b, 0);
	len_x = sqlite3_column_bytes(a, 0);
	len_y = sqlite3_column_bytes(b, 0);
	order = len_x > 0 && len_y > 0 ? memcmp(x, y, (size_t)(len_x < len_y ? len_x : len_y)) : 0;
	return order != 0 ? order : len_x - len_y;
}

static int unmade(sqlite3_stmt *have, const char *what, const char *code, struct err *e)
{
	return err_set(e, ERR_RECORDS, code, "%s \"%.70s\" is there and no event made it", what,
	    shown(have, 0));
}

static int missing(sqlite3_stmt *want, const char *what, const char *code, struct err *e)
{
	return err_set(e, ERR_RECORDS, code, "%s \"%.70s\" is missing", what, shown(want, 0));
}

static int same_row(sqlite3_stmt *have, sqlite3_stmt *want, const char *what, const char *code,
    struct err *e)
{
	int order = order_of(have, want);

	if (order != 0)
		return order < 0 ? unmade(have, what, code, e) : missing(want, what, code, e);
	for (int i = 0; i < sqlite3_column_count(want); i++)
		if (!same_value(have, want, i))
			return err_set(e, ERR_RECORDS, code,
			    "%s \"%.70s\": %s is \"%.70s\", the events say \"%.70s\"", what,
			    shown(want, 0), sqlite3_column_name(want, i), shown(have, i),
			    shown(want, i));
	return 0;
}

int db_compare(struct db *have, struct db *want, const char *what, const char *sql,
    const char *code, struct err *e)
{
	AUTO_STRUCT(db_cursor) a = { 0 };
	AUTO_STRUCT(db_cursor) b = { 0 };

	if (db_query(have, sql, DB_NONE, &a, e) != 0 || db_query(want, sql, DB_NONE, &b, e) != 0)
		return -1;
	for (;;) {
		bool more_a = false, more_b = false;

		if (db_next(&a, &more_a, e) != 0 || db_next(&b, &more_b, e) != 0)
			return -1;
		if (!more_a && !more_b)
			return 0;
		if (!more_b)
			return unmade(a.statement, what, code, e);
		if (!more_a)
			return missing(b.statement, what, code, e);
		if (same_row(a.statement, b.statement, what, code, e) != 0)
			return -1;
	}
}
