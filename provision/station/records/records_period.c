#include "records_internal.h"

#include <string.h>

#include "clock.h"

/* How far a clock may have been set back while the station ran (no unit is made beyond 300 s): events are
 * looked for this much around the period, and judged by their own time. */
enum { SLACK_MS = 3600 * 1000 };

struct range {
	int64_t first, last; /* numbers of events; none where last < first */
};

/* The first event from number on, at most last: its number and time. False where there is none. */
static int time_from(struct db *db, int64_t number, int64_t last, int64_t *ret_number,
    int64_t *ret_ms, bool *ret_found, struct err *e)
{
	AUTO(json_t) *row = NULL;
	AUTO(json_t) *body = NULL;
	const char *text;

	*ret_found = false;
	if (db_row(db,
		"SELECT number, body FROM event WHERE number BETWEEN ?1 AND ?2 ORDER BY number"
		" LIMIT 1",
		DB_ARGS(db_int(number), db_int(last)), &row, e) != 0)
		return -1;
	if (row == NULL)
		return 0;
	text = json_opt_str(row, "body", "");
	if (json_parse(text, strlen(text), &body, ERR_RECORDS, e) != 0)
		return -1;
	*ret_number = json_opt_int(row, "number", 0);
	*ret_ms = clock_parse(json_opt_str(body, "at", ""));
	*ret_found = true;
	return *ret_ms >= 0 ? 0
			    : err_set(e, ERR_RECORDS, "records.damaged", "event %lld has no time",
				  (long long)*ret_number);
}

/* The first number of the run whose event is not before ms; run.last + 1 where all are. */
static int bisect(struct db *db, struct range run, int64_t ms, int64_t *ret, struct err *e)
{
	int64_t low = run.first, high = run.last + 1;

	while (low < high) {
		int64_t middle = low + (high - low) / 2, number, at;
		bool found;

		if (time_from(db, middle, run.last, &number, &at, &found, e) != 0)
			return -1;
		if (!found || at >= ms)
			high = middle;
		else
			low = number + 1;
	}
	*ret = low;
	return 0;
}

/* Widens ret by what of one run of the station may be in the period. */
static int add_run(struct db *db, struct range run, const struct records_span *span,
    struct range *ret, struct err *e)
{
	int64_t first, after;

	if (bisect(db, run, span->from_ms - SLACK_MS, &first, e) != 0 ||
	    bisect(db, run, span->to_ms + SLACK_MS, &after, e) != 0)
		return -1;
	if (first >= after)
		return 0;
	if (ret->last < ret->first) {
		*ret = (struct range){ first, after - 1 };
		return 0;
	}
	ret->first = first < ret->first ? first : ret->first;
	ret->last = after - 1 > ret->last ? after - 1 : ret->last;
	return 0;
}

/*
 * Within one run of the station times do not go back by more than the slack; between two runs somebody may
 * have set the clock. So each run is searched by itself.
 */
static int find_range(struct db *db, const struct records_span *span, struct range *ret,
    struct err *e)
{
	AUTO(json_t) *starts = NULL;
	struct range run = { .first = 1 };
	int64_t newest;

	*ret = (struct range){ 1, 0 };
	if (db_number(db, "SELECT max(number) FROM event", DB_NONE, 0, &newest, e) != 0 ||
	    db_rows(db,
		"SELECT number FROM event WHERE serial IS NULL AND"
		" (body LIKE '%\"what\":\"start\"%' OR body LIKE '%\"what\":\"clock-accepted\"%')"
		" ORDER BY number",
		DB_NONE, &starts, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(starts); i++) {
		int64_t start = json_opt_int(json_array_get(starts, i), "number", 0);

		run.last = start - 1;
		if (add_run(db, run, span, ret, e) != 0)
			return -1;
		run.first = start;
	}
	run.last = newest;
	return add_run(db, run, span, ret, e);
}

struct pass {
	struct db *db;
	const struct records_span *span;
	int (*each)(const json_t *event, void *context, struct err *e);
	void *context;
};

/* A column as a member, where it has a value. */
static int set_column(json_t *event, const char *member, struct db_cursor *c, int column,
    struct err *e)
{
	size_t len;
	const char *text = db_column_text(c, column, &len);

	return json_set_str(event, member, len > 0 ? text : NULL, e);
}

/* Columns: body, hash, ordinal, product, version of the profile. */
static int give(const struct pass *p, struct db_cursor *c, const char *unit, struct err *e)
{
	AUTO(json_t) *event = NULL;
	size_t len;
	const char *text = db_column_text(c, 0, &len);
	int64_t ordinal = db_column_int(c, 2), at;

	if (json_parse(text, len, &event, ERR_RECORDS, e) != 0)
		return -1;
	at = clock_parse(json_opt_str(event, "at", ""));
	if (at >= p->span->to_ms || (unit == NULL && at < p->span->from_ms))
		return 0;
	if (set_column(event, "hash", c, 1, e) != 0 || json_set_str(event, "unit", unit, e) != 0 ||
	    set_column(event, "product", c, 3, e) != 0 ||
	    set_column(event, "version", c, 4, e) != 0 ||
	    (ordinal > 0 && json_set_int(event, "ordinal", ordinal, e) != 0))
		return -1;
	return p->each(event, p->context, e);
}

static int give_all(const struct pass *p, struct db_cursor *c, const char *unit, struct err *e)
{
	bool row = true;

	while (row) {
		if (db_next(c, &row, e) != 0 || (row && give(p, c, unit, e) != 0))
			return -1;
	}
	return 0;
}

static int give_common(const struct pass *p, struct range range, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };

	if (db_query(p->db,
		"SELECT body, hash, NULL, NULL, NULL FROM event WHERE serial IS NULL AND number"
		" BETWEEN ?1 AND ?2 ORDER BY number",
		DB_ARGS(db_int(range.first), db_int(range.last)), &c, e) != 0)
		return -1;
	return give_all(p, &c, NULL, e);
}

static int give_unit(const struct pass *p, const char *unit, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };

	if (db_query(p->db,
		"SELECT body, hash, ordinal, product, version FROM event"
		" LEFT JOIN job ON job.number = event.number"
		" LEFT JOIN profile ON profile.sha256 = job.profile"
		" WHERE event.serial = ?1 ORDER BY event.number",
		DB_ARGS(db_text(unit)), &c, e) != 0)
		return -1;
	return give_all(p, &c, unit, e);
}

/* Sorted by SQLite, which spills to disk what does not fit into its memory. */
static const char units_of_range[] =
    "SELECT DISTINCT serial FROM event WHERE number BETWEEN ?1 AND ?2 AND serial IS NOT NULL"
    " AND ?3 IS NULL ORDER BY serial";
static const char units_of_order[] =
    "SELECT DISTINCT serial FROM job WHERE ?1 <= ?2 AND work_order = ?3 ORDER BY serial";

static int give_units(const struct pass *p, struct range range, struct err *e)
{
	const char *order = p->span->order;
	AUTO_STRUCT(db_cursor) c = { 0 };

	if (db_query(p->db, order != NULL ? units_of_order : units_of_range,
		DB_ARGS(db_int(range.first), db_int(range.last), db_text(order)), &c, e) != 0)
		return -1;
	for (;;) {
		bool row;
		size_t len;

		if (db_next(&c, &row, e) != 0)
			return -1;
		if (!row)
			return 0;
		if (give_unit(p, db_column_text(&c, 0, &len), e) != 0)
			return -1;
	}
}

int records_period(struct records *r, const struct records_span *span,
    int (*each)(const json_t *event, void *context, struct err *e), void *context, struct err *e)
{
	AUTO_STRUCT(db) db = { 0 }; /* of its own, and of one moment */
	const struct pass pass = { &db, span, each, context };
	struct range range;

	if (db_open(&db, r->path, DB_READ, e) != 0 || db_exec(&db, "BEGIN", e) != 0 ||
	    find_range(&db, span, &range, e) != 0 || give_common(&pass, range, e) != 0 ||
	    give_units(&pass, range, e) != 0)
		return -1;
	return 0;
}

/* What was revoked while it was undecided is listed since it was asked for. */
static const char orphans_listed[] =
    "SELECT id, o.serial, revocation, work_order AS \"order\", reason, event.body FROM"
    " (SELECT orphan.id, job.serial, orphan.revocation, job.work_order, orphan.reason,"
    " coalesce((SELECT intent.event FROM intent JOIN event listed ON listed.number = orphan.event"
    " WHERE intent.job = orphan.job AND intent.attempt = orphan.attempt AND"
    " intent.kind = 'enrol' AND listed.body LIKE '%\"event\":\"revoked\"%'), orphan.event) AS at"
    " FROM orphan JOIN job ON job.number = orphan.job"
    " UNION ALL SELECT intent.csr, job.serial, 'undecided', job.work_order,"
    " 'no answer came; its unit still waits', intent.event FROM intent JOIN job ON"
    " job.number = intent.job WHERE intent.kind = 'enrol' AND job.status IN ('open', 'parked')"
    " AND intent.state IN ('open', 'possibly-issued') AND NOT EXISTS (SELECT 1 FROM certificate c"
    " WHERE c.job = intent.job AND c.attempt = intent.attempt)) o JOIN event ON event.number = at"
    " WHERE ?1 IS NULL OR work_order = ?1 ORDER BY id, revocation, event.number";

static int give_orphan(const struct pass *p, struct db_cursor *c, struct err *e)
{
	static const char *const members[] = { "id", "serial", "revocation", "order", "reason" };
	AUTO(json_t) *orphan = json_object();
	AUTO(json_t) *body = NULL;
	size_t len;
	const char *text = db_column_text(c, 5, &len);
	int64_t at;

	if (json_parse(text, len, &body, ERR_RECORDS, e) != 0)
		return -1;
	at = clock_parse(json_opt_str(body, "at", ""));
	if (at < p->span->from_ms || at >= p->span->to_ms)
		return 0;
	for (size_t i = 0; i < COUNT(members); i++)
		if (set_column(orphan, members[i], c, (int)i, e) != 0)
			return -1;
	if (json_set_str(orphan, "at", json_opt_str(body, "at", ""), e) != 0)
		return -1;
	return p->each(orphan, p->context, e);
}

int records_period_orphans(struct records *r, const struct records_span *span,
    int (*each)(const json_t *orphan, void *context, struct err *e), void *context, struct err *e)
{
	AUTO_STRUCT(db) db = { 0 };
	AUTO_STRUCT(db_cursor) c = { 0 };
	const struct pass pass = { &db, span, each, context };
	bool row = true;

	if (db_open(&db, r->path, DB_READ, e) != 0 ||
	    db_query(&db, orphans_listed, DB_ARGS(db_text(span->order)), &c, e) != 0)
		return -1;
	while (row) {
		if (db_next(&c, &row, e) != 0 || (row && give_orphan(&pass, &c, e) != 0))
			return -1;
	}
	return 0;
}

int records_order_span(struct records *r, const char *id, struct records_span *ret, struct err *e)
{
	AUTO(json_t) *row = NULL;
	AUTO(json_t) *last = NULL;
	const char *text;
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = db_row(&r->reader,
	    "SELECT id, (SELECT min(opened_at) FROM job WHERE work_order = id) AS first,"
	    " (SELECT body FROM event WHERE number = (SELECT max(event.number) FROM event"
	    " JOIN job ON job.serial = event.serial WHERE work_order = id)) AS last"
	    " FROM work_order WHERE id = ?1",
	    DB_ARGS(db_text(id)), &row, e);
	(void)pthread_mutex_unlock(&r->reading);
	if (rc != 0)
		return -1;
	if (row == NULL)
		return err_set(e, ERR_OPERATOR, "order.unknown", "order %s is not recorded", id);
	*ret = (struct records_span){ -1, -1, id };
	text = json_opt_str(row, "last", NULL);
	if (text == NULL)
		return 0;
	if (json_parse(text, strlen(text), &last, ERR_RECORDS, e) != 0)
		return -1;
	ret->from_ms = clock_parse(json_opt_str(row, "first", ""));
	ret->to_ms = clock_parse(json_opt_str(last, "at", "")) + 1;
	return 0;
}
