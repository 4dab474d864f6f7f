#include "records_internal.h"

#include <string.h>

/* Every table, in a total order, with what a row of it is called. What the chain and
 * the digests say already (bodies, bytes) is left out. */
static const struct {
	const char *what, *sql;
} tables[] = {
	{ "event", "SELECT number, station, seq, serial, hash FROM event ORDER BY number" },
	{ "blob", "SELECT sha256 FROM blob ORDER BY sha256" },
	{ "profile", "SELECT * FROM profile ORDER BY sha256" },
	{ "order", "SELECT * FROM work_order ORDER BY id" },
	{ "spare ordinal of order", "SELECT * FROM spare_ordinal ORDER BY work_order, ordinal" },
	{ "unit", "SELECT * FROM unit ORDER BY serial" },
	{ "job", "SELECT * FROM job ORDER BY number" },
	{ "intent of job", "SELECT * FROM intent ORDER BY job, kind, attempt" },
	{ "key", "SELECT * FROM device_key ORDER BY spki" },
	{ "certificate", "SELECT * FROM certificate ORDER BY sha256" },
	{ "proof of event", "SELECT * FROM proof ORDER BY event" },
	{ "orphan of event", "SELECT * FROM orphan ORDER BY event, job, attempt" },
};

static int check_file(struct db *db, struct err *e)
{
	AUTO(json_t) *row = NULL;
	const char *found;

	if (db_row(db, "PRAGMA integrity_check(1)", DB_NONE, &row, e) != 0)
		return -1;
	found = json_opt_str(row, "integrity_check", "no answer");
	if (strstr(found, "error code=7") != NULL) /* SQLITE_NOMEM is a finding of the check's */
		return err_nomem(e);
	if (strcmp(found, "ok") != 0)
		return err_set(e, ERR_RECORDS, "verify.file", "the database file is damaged: %s",
		    found);
	return records_schema_check(db, "verify.file", e);
}

static int check_blobs(struct db *db, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	bool more = false;

	if (db_query(db, "SELECT sha256, bytes, typeof(bytes) FROM blob", DB_NONE, &c, e) != 0)
		return -1;
	for (;;) {
		char digest[2 * SHA256_LEN + 1];
		const void *bytes;
		const char *name, *type;
		size_t len, ignored;

		if (db_next(&c, &more, e) != 0)
			return -1;
		if (!more)
			return 0;
		name = db_column_text(&c, 0, &ignored);
		bytes = db_column_bytes(&c, 1, &len);
		type = db_column_text(&c, 2, &ignored);
		sha256_hex(len > 0 ? bytes : "", len, digest);
		if (strcmp(digest, name) != 0 || strcmp(type, "blob") != 0)
			return err_set(e, ERR_RECORDS, "verify.blob",
			    "blob %.80s: its bytes have digest %s", name, digest);
	}
}

static int count_all(struct db *db, int64_t events, json_t **ret, struct err *e)
{
	AUTO(json_t) *counts = NULL;

	if (db_row(db,
		"SELECT (SELECT count(*) FROM unit) AS units,"
		" (SELECT count(*) FROM unit WHERE passed > 0 AND scrapped IS NULL) AS passed,"
		" (SELECT count(*) FROM certificate) AS certificates,"
		" (SELECT count(*) FROM orphan) AS orphans,"
		" (SELECT count(DISTINCT station) FROM event) AS stations",
		DB_NONE, &counts, e) != 0 ||
	    json_set_int(counts, "events", events, e) != 0)
		return -1;
	*ret = steal(&counts);
	return 0;
}

int records_verify_db(struct db *db, json_t **ret, struct err *e)
{
	AUTO_STRUCT(db) fresh = { 0 };
	int64_t events;

	/* One read transaction: a station may go on writing meanwhile. */
	if (db_exec(db, "BEGIN", e) != 0 || check_file(db, e) != 0 ||
	    db_open(&fresh, NULL, DB_MEMORY, e) != 0 ||
	    /* Of many units the 2 MiB that SQLite takes by itself hold no index. */
	    db_exec(&fresh, "PRAGMA cache_size = -65536", e) != 0 ||
	    db_exec(db, "PRAGMA cache_size = -65536", e) != 0 ||
	    records_schema_create(&fresh, e) != 0 ||
	    records_replay(db, &fresh, false, &events, e) != 0 || check_blobs(db, e) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(tables); i++)
		if (db_compare(db, &fresh, tables[i].what, tables[i].sql, "verify.state", e) != 0)
			return -1;
	if (db_exec(db, "COMMIT", e) != 0)
		return -1;
	return count_all(&fresh, events, ret, e);
}

/* The checkpoint is read first: a station that writes meanwhile moves both, the records before it. */
int records_verify(struct records *r, json_t **ret, struct err *e)
{
	AUTO_STRUCT(db) db = { 0 };
	AUTO(json_t) *counts = NULL;
	enum checkpoint_state state;
	struct records_place place;

	if (checkpoint_read(r->path, &place, &state, e) != 0)
		return -1;
	if (db_open(&db, r->path, DB_READ, e) != 0)
		return err_while(e, "%s", r->path);
	if (records_verify_db(&db, &counts, e) != 0)
		return -1;
	if (state == CHECKPOINT_READ &&
	    checkpoint_held(&db, &place, "the checkpoint beside them", e) != 0) {
		char message[sizeof(e->message)];

		if (!err_is(e, "records.restored"))
			return -1;
		memcpy(message, e->message, sizeof(message));
		return err_set(e, ERR_RECORDS, "verify.truncated", "%s", message);
	}
	*ret = steal(&counts);
	return 0;
}
