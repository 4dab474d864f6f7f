#include "records_internal.h"

#include <string.h>

#include "clock.h"

bool records_is_broken(const struct err *e)
{
	return err_is(e, "records.io") || err_is(e, "records.locked") ||
	       err_is(e, "records.damaged") || err_is(e, "nomem");
}

static int invalid(const char *member, const char *want, struct err *e)
{
	return err_set(e, ERR_RECORDS, "record.invalid", "member \"%s\" is missing or is not %s",
	    member, want);
}

int event_text(const struct event *ev, const char *member, size_t max, const char **ret,
    struct err *e)
{
	const json_t *v = json_object_get(ev->body, member);
	size_t len = json_string_length(v);

	if (len == 0 || len != strlen(json_string_value(v)))
		return invalid(member, "a text", e);
	if (len > max)
		return err_set(e, ERR_RECORDS, "record.invalid",
		    "member \"%s\" is longer than %zu bytes", member, max);
	*ret = json_string_value(v);
	return 0;
}

int event_opt_text(const struct event *ev, const char *member, size_t max, const char **ret,
    struct err *e)
{
	const json_t *v = json_object_get(ev->body, member);

	*ret = NULL;
	if (v == NULL || (json_is_string(v) && json_string_length(v) == 0))
		return 0;
	return event_text(ev, member, max, ret, e);
}

int event_opt_count(const struct event *ev, const char *member, int64_t *ret, struct err *e)
{
	*ret = -1;
	if (json_object_get(ev->body, member) == NULL)
		return 0;
	if (json_get_int(ev->body, member, ret, ERR_RECORDS, e) != 0)
		return -1;
	return *ret >= 0 ? 0 : invalid(member, "a count", e);
}

bool digest_is_valid(const char *text)
{
	return strlen(text) == 2 * SHA256_LEN && strspn(text, "0123456789abcdef") == 2 * SHA256_LEN;
}

int event_digest(const struct event *ev, const char *member, const char **ret, struct err *e)
{
	const char *text;

	if (event_text(ev, member, RECORD_TEXT_MAX, &text, e) != 0)
		return -1;
	if (!digest_is_valid(text))
		return invalid(member, "a SHA-256 in lower-case hex", e);
	*ret = text;
	return 0;
}

int event_opt_digest(const struct event *ev, const char *member, const char **ret, struct err *e)
{
	*ret = NULL;
	if (json_object_get(ev->body, member) == NULL)
		return 0;
	return event_digest(ev, member, ret, e);
}

int event_error(const struct event *ev, struct buf *ret, struct err *e)
{
	const json_t *error = json_object_get(ev->body, "error");

	size_t code = json_string_length(json_object_get(error, "code"));

	if (code == 0 || code >= sizeof(e->code))
		return invalid("error", "an error with a code", e);
	if (json_canonical(error, ret, e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

int64_t job_number(const json_t *job)
{
	return json_opt_int(job, "number", 0);
}

int job_run(struct db *db, const json_t *job, const char *sql, struct err *e)
{
	return db_run(db, sql, DB_ARGS(db_int(job_number(job))), e);
}

int event_job(struct db *db, const struct event *ev, bool any_status, json_t **ret, struct err *e)
{
	AUTO(json_t) *job = NULL;
	const char *status, *station;
	int64_t number;

	if (json_get_int(ev->body, "job", &number, ERR_RECORDS, e) != 0)
		return -1;
	if (db_row(db, "SELECT * FROM job WHERE number = ?1", DB_ARGS(db_int(number)), &job, e) !=
	    0)
		return -1;
	if (job == NULL)
		return err_set(e, ERR_RECORDS, "job.unknown", "there is no job %lld",
		    (long long)number);
	station = json_opt_str(job, "station", "");
	if (strcmp(station, ev->station) != 0)
		return err_set(e, ERR_RECORDS, "job.station", "job %lld belongs to station %s",
		    (long long)number, station);
	status = json_opt_str(job, "status", "");
	if (!any_status && strcmp(status, "open") != 0 && strcmp(status, "parked") != 0)
		return err_set(e, ERR_RECORDS, "job.ended", "job %lld has ended: it is %s",
		    (long long)number, status);
	*ret = steal(&job);
	return 0;
}

static int apply_nothing(struct db *db, const struct event *ev, struct err *e)
{
	(void)db;
	(void)ev;
	(void)e;
	return 0;
}

static int apply_station(struct db *db, const struct event *ev, struct err *e)
{
	const char *what;

	(void)db;
	return event_text(ev, "what", RECORD_TEXT_MAX, &what, e);
}

static int apply_attesting(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *job = NULL;

	return event_job(db, ev, false, &job, e);
}

static int apply_profile(struct db *db, const struct event *ev, struct err *e)
{
	const char *sha256, *text, *anchors, *product, *version;

	if (event_digest(ev, "sha256", &sha256, e) != 0 ||
	    event_digest(ev, "text", &text, e) != 0 ||
	    event_opt_digest(ev, "anchors", &anchors, e) != 0 ||
	    event_text(ev, "product", RECORD_TEXT_MAX, &product, e) != 0 ||
	    event_text(ev, "version", RECORD_TEXT_MAX, &version, e) != 0)
		return -1;
	if (strcmp(sha256, text) != 0)
		return err_set(e, ERR_RECORDS, "profile.digest",
		    "profile %s %s: the digest is not that of its text", product, version);
	/* The same again is no change: the digest says that the text is the same. */
	return db_run(db,
	    "INSERT INTO profile (sha256, product, version, anchors)"
	    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
	    DB_ARGS(db_text(sha256), db_text(product), db_text(version), db_text(anchors)), e);
}

static const struct {
	const char *name;
	int (*apply)(struct db *db, const struct event *ev, struct err *e);
} kinds[] = {
	{ "answer", apply_answer },
	{ "attesting", apply_attesting },
	{ "claim", apply_claim },
	{ "end", apply_end },
	{ "intent", apply_intent },
	{ "label", apply_label },
	{ "order", apply_order },
	{ "orphan", apply_orphan },
	{ "park", apply_park },
	{ "profile", apply_profile },
	{ "refused", apply_nothing },
	{ "restored", apply_restored },
	{ "retest", apply_retest },
	{ "revoked", apply_revoked },
	{ "rework", apply_rework },
	{ "scrap", apply_scrap },
	{ "station", apply_station },
	{ "step", apply_step },
};

int records_apply(struct db *db, const struct event *ev, struct err *e)
{
	if (clock_parse(ev->at) < 0)
		return invalid("at", "a time (RFC 3339, UTC)", e);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (strcmp(ev->name, kinds[i].name) != 0)
			continue;
		if (kinds[i].apply(db, ev, e) == 0)
			return 0;
		return err_is(e, "record.constraint") ? err_while(e, "event \"%s\"", ev->name) : -1;
	}
	return err_set(e, ERR_RECORDS, "record.invalid", "there is no event \"%s\"", ev->name);
}

/* The serial that an event is about, for finding a unit's events; *ret NULL where there is none. */
static int find_serial(struct db *db, const struct event *ev, json_t **ret, struct err *e)
{
	const json_t *serial = json_object_get(ev->body, "serial");
	const char *orphan = json_opt_str(ev->body, "orphan", NULL);
	size_t len = json_string_length(serial);

	if (len > 0 && len <= RECORD_TEXT_MAX) {
		*ret = json_pack("{s:O}", "serial", serial);
		return *ret != NULL ? 0 : err_nomem(e);
	}
	if (json_object_get(ev->body, "job") != NULL)
		return db_row(db, "SELECT serial FROM job WHERE number = ?1",
		    DB_ARGS(db_int(json_opt_int(ev->body, "job", 0))), ret, e);
	/* About no unit. No index leads to the job of a CSR: all jobs would be read to find none. */
	if (orphan == NULL)
		return 0;
	if (db_row(db,
		"SELECT job.serial FROM orphan JOIN job ON job.number = orphan.job"
		" WHERE orphan.id = ?1 ORDER BY job.number",
		DB_ARGS(db_text(orphan)), ret, e) != 0)
		return -1;
	if (*ret != NULL)
		return 0;
	return db_row(db, "SELECT serial FROM job WHERE csr = ?1 ORDER BY number",
	    DB_ARGS(db_text(orphan)), ret, e);
}

int records_project(struct db *db, const struct event *ev, const char *body, const char *hash,
    struct err *e)
{
	AUTO(json_t) *row = NULL;

	if (find_serial(db, ev, &row, e) != 0)
		return -1;
	if (db_run(db,
		"INSERT INTO event (number, station, seq, serial, body, hash)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		DB_ARGS(db_int(ev->number), db_text(ev->station), db_int(ev->seq),
		    db_text(json_opt_str(row, "serial", NULL)), db_text(body), db_text(hash)),
		e) != 0)
		return -1;
	return records_apply(db, ev, e);
}
