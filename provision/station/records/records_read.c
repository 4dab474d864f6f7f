#include "records_internal.h"

#include <string.h>

#include "clock.h"

static int add_intents(struct db *db, json_t *job, int64_t number, struct err *e)
{
	AUTO(json_t) *rows = NULL;
	json_t *intents = json_object();
	int64_t attempts = 0;

	if (json_set_new(job, "intents", intents, e) != 0 ||
	    db_rows(db, "SELECT kind, attempt, state FROM intent WHERE job = ?1 ORDER BY attempt",
		DB_ARGS(db_int(number)), &rows, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		const char *kind = json_opt_str(row, "kind", "");

		if (json_set_str(intents, kind, json_opt_str(row, "state", ""), e) != 0)
			return -1;
		if (strcmp(kind, "enrol") == 0)
			attempts = json_opt_int(row, "attempt", 0);
	}
	return json_set_int(job, "attempts", attempts, e);
}

/* The keys that are recorded for its unit, by way of its events: no index leads from a serial to them. */
static int add_keys(struct db *db, json_t *job, struct err *e)
{
	AUTO(json_t) *rows = NULL;
	json_t *keys = json_array();

	if (json_set_new(job, "keys", keys, e) != 0 ||
	    db_rows(db,
		"SELECT spki FROM device_key WHERE serial = ?1 AND spki IN"
		" (SELECT json_extract(body, '$.spki') FROM event WHERE serial = ?1)"
		" ORDER BY spki",
		DB_ARGS(db_text(json_opt_str(job, "serial", NULL))), &rows, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (json_array_append(keys, json_object_get(json_array_get(rows, i), "spki")) != 0)
			return err_nomem(e);
	return 0;
}

static int add_error(json_t *job, struct err *e)
{
	const json_t *text = json_object_get(job, "error");
	json_t *error = NULL;

	if (text == NULL)
		return 0;
	if (json_parse(json_string_value(text), json_string_length(text), &error, ERR_RECORDS, e) !=
	    0)
		return -1;
	return json_set_new(job, "error", error, e);
}

static const char job_query[] =
    "SELECT job.number AS job, job.serial, unit.model, station, slot, profile, firmware,"
    " lifecycle, work_order AS \"order\", ordinal, reuse, job.rework, status, resumed,"
    " opened_at, ended_at, step, csr, spki, certificate, chain, readback, statement, cms, jws,"
    " retry_at, error,"
    /* The newest job before this one that made a key, or may have. */
    " (SELECT CASE WHEN earlier.spki IS NULL THEN 'unseen' ELSE 'seen' END FROM job earlier"
    " WHERE earlier.serial = job.serial AND earlier.number < job.number AND EXISTS"
    " (SELECT 1 FROM intent WHERE intent.job = earlier.number AND intent.kind = 'keygen')"
    " ORDER BY earlier.number DESC LIMIT 1) AS earlier_key,"
    " EXISTS (SELECT 1 FROM job earlier WHERE earlier.serial = job.serial AND"
    " earlier.number < job.number AND earlier.status IN ('passed', 'failed')) AS again"
    " FROM job JOIN unit ON unit.serial = "
    "job.serial WHERE job.number = ?1";

int job_read(struct db *db, int64_t number, json_t **ret, struct err *e)
{
	AUTO(json_t) *job = NULL;

	if (db_row(db, job_query, DB_ARGS(db_int(number)), &job, e) != 0)
		return -1;
	if (job == NULL)
		return err_set(e, ERR_RECORDS, "job.unknown", "there is no job %lld",
		    (long long)number);
	if (json_set_bool(job, "reuse", json_opt_int(job, "reuse", 0) != 0, e) != 0 ||
	    json_set_bool(job, "resumed", json_opt_int(job, "resumed", 0) != 0, e) != 0 ||
	    json_set_bool(job, "rework", json_object_get(job, "rework") != NULL, e) != 0 ||
	    json_set_bool(job, "again", json_opt_int(job, "again", 0) != 0, e) != 0 ||
	    add_error(job, e) != 0 || add_keys(db, job, e) != 0 ||
	    add_intents(db, job, number, e) != 0)
		return -1;
	*ret = steal(&job);
	return 0;
}

/* For what asks more than once: all answers are of one moment, and the file is locked and looked at for
 * changes once for all. */
static int begin_reading(struct records *r, struct err *e)
{
	(void)pthread_mutex_lock(&r->reading);
	if (db_run(&r->reader, "BEGIN", DB_NONE, e) == 0)
		return 0;
	(void)pthread_mutex_unlock(&r->reading);
	return -1;
}

static void end_reading(struct records *r)
{
	struct err ignored = { 0 };
	int rc = db_run(&r->reader, "COMMIT", DB_NONE, &ignored);

	(void)rc; /* nothing was written; were it still open, the next to begin would be told */
	(void)pthread_mutex_unlock(&r->reading);
}

int records_job(struct records *r, int64_t job, json_t **ret, struct err *e)
{
	int rc;

	if (begin_reading(r, e) != 0)
		return -1;
	rc = job_read(&r->reader, job, ret, e);
	end_reading(r);
	return rc;
}

static int unit_read(struct db *db, const char *serial, json_t **ret, struct err *e)
{
	int64_t job;

	if (db_number(db, "SELECT max(number) FROM job WHERE serial = ?1", DB_ARGS(db_text(serial)),
		0, &job, e) != 0)
		return -1;
	if (job != 0)
		return job_read(db, job, ret, e);
	*ret = NULL;
	return 0;
}

int records_unit(struct records *r, const char *serial, json_t **ret, struct err *e)
{
	int rc;

	if (begin_reading(r, e) != 0)
		return -1;
	rc = unit_read(&r->reader, serial, ret, e);
	end_reading(r);
	return rc;
}

static int open_jobs_read(struct db *db, const char *station, json_t **ret, struct err *e)
{
	AUTO(json_t) *numbers = NULL;
	AUTO(json_t) *jobs = json_array();

	if (jobs == NULL)
		return err_nomem(e);
	if (db_rows(db,
		"SELECT number FROM job WHERE status IN ('open', 'parked') AND (station = ?1 OR"
		" ?1 IS NULL) ORDER BY serial",
		DB_ARGS(db_text(station)), &numbers, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(numbers); i++) {
		const json_t *row = json_array_get(numbers, i);
		json_t *job = NULL;

		if (job_read(db, json_opt_int(row, "number", 0), &job, e) != 0)
			return -1;
		if (json_array_append_new(jobs, job) != 0)
			return err_nomem(e);
	}
	*ret = steal(&jobs);
	return 0;
}

int records_open_jobs(struct records *r, json_t **ret, struct err *e)
{
	int rc;

	if (begin_reading(r, e) != 0)
		return -1;
	rc = open_jobs_read(&r->reader, r->station, ret, e);
	end_reading(r);
	return rc;
}

/* The body of an event, of none where there is no such number. */
static int event_body(struct db *db, int64_t number, json_t **ret, struct err *e)
{
	AUTO(json_t) *row = NULL;
	const json_t *text;

	if (db_row(db, "SELECT body FROM event WHERE number = ?1", DB_ARGS(db_int(number)), &row,
		e) != 0)
		return -1;
	text = json_object_get(row, "body");
	return json_parse(json_string_value(text), json_string_length(text), ret, ERR_RECORDS, e);
}

/* By its id; or by its CSR's, where its certificate came to light later. */
static int add_revoked_at(struct db *db, json_t *orphan, struct err *e)
{
	AUTO(json_t) *body = NULL;
	int64_t number;

	if (db_number(db,
		"SELECT number FROM event WHERE number >= ?1 AND body LIKE"
		" '%\"event\":\"revoked\"%' AND (body LIKE '%\"orphan\":\"' || ?2 || '\"%' OR"
		" body LIKE '%\"orphan\":\"' || ?3 || '\"%')"
		" ORDER BY body LIKE '%\"orphan\":\"' || ?2 || '\"%' DESC, number LIMIT 1",
		DB_ARGS(db_int(json_opt_int(orphan, "event", 0)),
		    db_text(json_opt_str(orphan, "id", "")),
		    db_text(json_opt_str(orphan, "csr", ""))),
		0, &number, e) != 0)
		return -1;
	if (number == 0)
		return 0;
	return event_body(db, number, &body, e) == 0
		   ? json_set_str(orphan, "revoked_at", json_opt_str(body, "at", ""), e)
		   : -1;
}

/* What was revoked while it was undecided was listed since it was asked for. */
static int add_listed_at(struct db *db, json_t *orphan, struct err *e)
{
	int64_t number = json_opt_int(orphan, "event", 0);
	AUTO(json_t) *body = NULL;
	AUTO(json_t) *asked = NULL;

	if (event_body(db, number, &body, e) != 0)
		return -1;
	if (strcmp(json_opt_str(body, "event", ""), "revoked") != 0)
		return json_set_str(orphan, "at", json_opt_str(body, "at", ""), e);
	if (db_number(db,
		"SELECT event FROM intent WHERE job = ?1 AND attempt = ?2 AND kind = 'enrol'",
		DB_ARGS(db_int(json_opt_int(orphan, "job", 0)),
		    db_int(json_opt_int(orphan, "attempt", 0))),
		number, &number, e) != 0 ||
	    event_body(db, number, &asked, e) != 0)
		return -1;
	return json_set_str(orphan, "at", json_opt_str(asked, "at", ""), e);
}

static int add_times(struct db *db, json_t *orphans, struct err *e)
{
	for (size_t i = 0; i < json_array_size(orphans); i++) {
		json_t *orphan = json_array_get(orphans, i);
		bool revoked = strcmp(json_opt_str(orphan, "revocation", ""), "revoked") == 0;

		if (add_listed_at(db, orphan, e) != 0 ||
		    (revoked && add_revoked_at(db, orphan, e) != 0))
			return -1;
	}
	return 0;
}

/* serial NULL: of all units. */
static int orphans_read(struct db *db, const char *serial, json_t **ret, struct err *e)
{
	AUTO(json_t) *orphans = NULL;

	if (db_rows(db,
		"SELECT orphan.id, orphan.event, orphan.job, job.serial, orphan.attempt,"
		" orphan.csr, orphan.spki, orphan.certificate, orphan.number, orphan.reason,"
		" orphan.revocation, orphan.revoked_by FROM orphan"
		" JOIN job ON job.number = orphan.job WHERE job.serial = ?1 OR ?1 IS NULL"
		/* Its unit may still come back, but what an answer that was lost issued never will. */
		" UNION ALL SELECT intent.csr, intent.event, intent.job, job.serial,"
		" intent.attempt, intent.csr, job.spki, NULL, NULL,"
		" 'possibly issued by attempt ' || intent.attempt ||"
		" ': no answer came; its unit still waits', 'undecided', NULL FROM intent"
		" JOIN job ON job.number = intent.job WHERE intent.kind = 'enrol'"
		" AND job.status IN ('open', 'parked')"
		" AND intent.state IN ('open', 'possibly-issued') AND NOT EXISTS (SELECT 1"
		" FROM certificate c WHERE c.job = intent.job AND c.attempt = intent.attempt)"
		" AND (job.serial = ?1 OR ?1 IS NULL) ORDER BY 2, 3, 5",
		DB_ARGS(db_text(serial)), &orphans, e) != 0 ||
	    add_times(db, orphans, e) != 0)
		return -1;
	*ret = steal(&orphans);
	return 0;
}

int records_unit_orphans(struct records *r, const char *serial, json_t **ret, struct err *e)
{
	int rc;

	if (begin_reading(r, e) != 0)
		return -1;
	rc = orphans_read(&r->reader, serial, ret, e);
	end_reading(r);
	return rc;
}

int records_orphans(struct records *r, json_t **ret, struct err *e)
{
	return records_unit_orphans(r, NULL, ret, e);
}

int records_profile(struct records *r, const char *sha256, json_t **ret, struct err *e)
{
	json_t *profile = NULL;
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = db_row(&r->reader,
	    "SELECT sha256, product, version, anchors FROM profile WHERE sha256 = ?1",
	    DB_ARGS(db_text(sha256)), &profile, e);
	(void)pthread_mutex_unlock(&r->reading);
	if (rc != 0)
		return -1;
	if (profile == NULL)
		return err_set(e, ERR_RECORDS, "profile.unknown", "profile %s is not recorded",
		    sha256);
	*ret = profile;
	return 0;
}

int records_order(struct records *r, const char *id, json_t **ret, struct err *e)
{
	json_t *order = NULL;
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = db_row(&r->reader,
	    "SELECT quantity AS ordered, issued, orphaned + unasked AS orphaned, reserved FROM"
	    " work_order WHERE id = ?1",
	    DB_ARGS(db_text(id)), &order, e);
	(void)pthread_mutex_unlock(&r->reading);
	if (rc != 0)
		return -1;
	if (order == NULL)
		return err_set(e, ERR_RECORDS, "order.unknown", "order %s is not recorded", id);
	*ret = order;
	return 0;
}

/* By such an event something was made. Only claims and intents were checked against the clock, so that a start at
 * a wrong time leaves no trace here. */
static bool is_making(const json_t *event)
{
	const char *name = json_opt_str(event, "event", "");

	return strcmp(name, "claim") == 0 || strcmp(name, "intent") == 0 ||
	       (strcmp(name, "station") == 0 &&
		   strcmp(json_opt_str(event, "what", ""), "clock-accepted") == 0);
}

/* Backwards from the newest: the last time that something was made is not far. */
static int made_at(struct db *db, const char *station, int64_t *ret, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	bool row;

	*ret = 0;
	if (db_query(db, "SELECT body FROM event WHERE station = ?1 ORDER BY seq DESC",
		DB_ARGS(db_text(station)), &c, e) != 0)
		return -1;
	for (;;) {
		AUTO(json_t) *event = NULL;
		const char *text;
		size_t len;

		if (db_next(&c, &row, e) != 0)
			return -1;
		if (!row)
			return 0;
		text = db_column_text(&c, 0, &len);
		if (json_parse(text, len, &event, ERR_RECORDS, e) != 0)
			return -1;
		if (!is_making(event))
			continue;
		*ret = clock_parse(json_opt_str(event, "at", ""));
		return *ret >= 0
			   ? 0
			   : err_set(e, ERR_RECORDS, "records.damaged", "event %lld has no time",
				 (long long)json_opt_int(event, "record", 0));
	}
}

int records_last_made(struct records *r, int64_t *ret_wall_ms, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = made_at(&r->reader, r->station, ret_wall_ms, e);
	(void)pthread_mutex_unlock(&r->reading);
	return rc;
}

static int blob_read(struct db *db, const char *digest, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(db_cursor) c = { 0 };
	char found[2 * SHA256_LEN + 1];
	const void *bytes;
	bool row = false;
	size_t len;

	if (db_query(db, "SELECT bytes FROM blob WHERE sha256 = ?1", DB_ARGS(db_text(digest)), &c,
		e) != 0 ||
	    db_next(&c, &row, e) != 0)
		return -1;
	if (!row)
		return err_set(e, ERR_RECORDS, "blob.unknown", "blob %s is not recorded", digest);
	bytes = db_column_bytes(&c, 0, &len);
	sha256_hex(len > 0 ? bytes : "", len, found);
	if (strcmp(found, digest) != 0)
		return err_set(e, ERR_RECORDS, "verify.blob",
		    "blob %s: its bytes have another digest", digest);
	return buf_set(ret, bytes, len, e);
}

int records_blob(struct records *r, const char *digest, struct buf *ret, struct err *e)
{
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = blob_read(&r->reader, digest, ret, e);
	(void)pthread_mutex_unlock(&r->reading);
	return rc;
}

int records_head(struct records *r, int64_t *ret_seq, uint8_t ret_head[static SHA256_LEN],
    struct err *e)
{
	AUTO(json_t) *last = NULL;
	uint8_t hash[SHA256_LEN] = { 0 };
	int rc;

	(void)pthread_mutex_lock(&r->reading);
	rc = db_row(&r->reader,
	    "SELECT seq, hash FROM event WHERE station = ?1 ORDER BY seq DESC LIMIT 1",
	    DB_ARGS(db_text(r->station)), &last, e);
	(void)pthread_mutex_unlock(&r->reading);
	if (rc != 0)
		return -1;
	if (last != NULL && !hex_decode(json_opt_str(last, "hash", ""), hash, SHA256_LEN))
		return err_set(e, ERR_RECORDS, "records.damaged", "the newest event has no hash");
	*ret_seq = json_opt_int(last, "seq", 0);
	memcpy(ret_head, hash, SHA256_LEN);
	return 0;
}
