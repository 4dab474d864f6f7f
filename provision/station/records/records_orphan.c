#include "records_internal.h"

#include <stdio.h>
#include <string.h>

/* What is put together here is never cut: half a character would make it no text. */
enum { ORPHAN_REASON = RECORD_REASON_MAX + 160 };

/* One certificate that exists, or may, and is on no device. Texts are borrowed. */
struct orphan {
	int64_t job, attempt;
	const char *csr, *spki, *reason;
	const char *certificate, *number; /* NULL: unknown */
};

static int insert(struct db *db, const struct event *ev, const struct orphan *o, enum place from,
    struct err *e)
{
	if (db_run(db,
		"INSERT INTO orphan (event, job, attempt, id, csr, spki, certificate,"
		" number, reason, revocation)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'unrevoked')",
		DB_ARGS(db_int(ev->number), db_int(o->job), db_int(o->attempt),
		    db_text(o->certificate != NULL ? o->certificate : o->csr), db_text(o->csr),
		    db_text(o->spki), db_text(o->certificate), db_text(o->number),
		    db_text(o->reason)),
		e) != 0)
		return -1;
	if (from != PLACE_NONE &&
	    db_run(db,
		"UPDATE intent SET state = 'orphaned' WHERE job = ?1 AND kind = 'enrol'"
		" AND attempt = ?2",
		DB_ARGS(db_int(o->job), db_int(o->attempt)), e) != 0)
		return -1;
	return order_orphaned(db, o->job, from, e);
}

/* Lists a recorded certificate. row is its row of the table. */
static int list_certificate(struct db *db, const struct event *ev, const json_t *row,
    const char *reason, struct err *e)
{
	AUTO(json_t) *job = NULL;
	bool delivered = strcmp(json_opt_str(row, "state", ""), "delivered") == 0;
	struct orphan o = { .job = json_opt_int(row, "job", 0),
		.attempt = json_opt_int(row, "attempt", 0),
		.spki = json_opt_str(row, "spki", NULL),
		.certificate = json_opt_str(row, "sha256", NULL),
		.number = json_opt_str(row, "number", NULL),
		.reason = reason };

	if (db_row(db, "SELECT csr FROM job WHERE number = ?1", DB_ARGS(db_int(o.job)), &job, e) !=
		0 ||
	    db_run(db, "UPDATE certificate SET state = 'orphaned' WHERE sha256 = ?1",
		DB_ARGS(db_text(o.certificate)), e) != 0)
		return -1;
	o.csr = json_opt_str(job, "csr", NULL);
	return insert(db, ev, &o, delivered ? PLACE_ISSUED : PLACE_HELD, e);
}

static int list_issued(struct db *db, const struct event *ev, const json_t *job, const char *why,
    struct err *e)
{
	AUTO(json_t) *row = NULL;
	char reason[ORPHAN_REASON];

	if (db_row(db, "SELECT * FROM certificate WHERE job = ?1 AND state = 'issued'",
		DB_ARGS(db_int(job_number(job))), &row, e) != 0)
		return -1;
	if (row == NULL)
		return 0;
	(void)snprintf(reason, sizeof(reason), "issued and not delivered: %s", why);
	return list_certificate(db, ev, row, reason, e);
}

int orphan_leftovers(struct db *db, const struct event *ev, const json_t *job, int64_t until,
    const char *why, struct err *e)
{
	AUTO(json_t) *attempts = NULL;
	if (until == INT64_MAX && list_issued(db, ev, job, why, e) != 0)
		return -1;
	if (db_rows(db,
		"SELECT attempt, csr FROM intent WHERE job = ?1 AND kind = 'enrol'"
		" AND attempt <= ?2"
		" AND state IN ('open', 'possibly-issued', 'pending', 'done')"
		" AND NOT EXISTS (SELECT 1 FROM certificate c WHERE c.job = intent.job"
		" AND c.attempt = intent.attempt) ORDER BY attempt",
		DB_ARGS(db_int(job_number(job)), db_int(until)), &attempts, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(attempts); i++) {
		const json_t *intent = json_array_get(attempts, i);
		char reason[ORPHAN_REASON];
		struct orphan o = { .job = job_number(job),
			.attempt = json_opt_int(intent, "attempt", 0),
			.csr = json_opt_str(intent, "csr", NULL),
			.spki = json_opt_str(job, "spki", NULL),
			.reason = reason };

		(void)snprintf(reason, sizeof(reason), "possibly issued by attempt %lld: %s",
		    (long long)o.attempt, why);
		if (insert(db, ev, &o, PLACE_HELD, e) != 0)
			return -1;
	}
	return 0;
}

int orphan_delivered(struct db *db, const struct event *ev, const char *serial, const char *reason,
    struct err *e)
{
	AUTO(json_t) *row = NULL;

	if (db_row(db,
		"SELECT certificate.* FROM unit"
		" JOIN certificate ON certificate.job = unit.passed"
		" WHERE unit.serial = ?1 AND certificate.state = 'delivered'",
		DB_ARGS(db_text(serial)), &row, e) != 0)
		return -1;
	if (row == NULL)
		return 0;
	if (db_run(db, "UPDATE device_key SET live = 0 WHERE spki = ?1",
		DB_ARGS(db_text(json_opt_str(row, "spki", NULL))), e) != 0)
		return -1;
	return list_certificate(db, ev, row, reason, e);
}

/* What was listed as unknown turns out to be this certificate. *ret_found false: nothing was listed. */
static int identify(struct db *db, const struct orphan *o, bool *ret_found, struct err *e)
{
	AUTO(json_t) *row = NULL;

	if (db_row(db,
		"SELECT event FROM orphan WHERE job = ?1 AND attempt = ?2 AND certificate IS NULL",
		DB_ARGS(db_int(o->job), db_int(o->attempt)), &row, e) != 0)
		return -1;
	*ret_found = row != NULL && o->certificate != NULL;
	if (!*ret_found)
		return 0;
	return db_run(db,
	    "UPDATE orphan SET id = ?4, certificate = ?4, number = ?5, spki = ?6,"
	    " reason = ?7 WHERE event = ?1 AND job = ?2 AND attempt = ?3",
	    DB_ARGS(db_int(json_opt_int(row, "event", 0)), db_int(o->job), db_int(o->attempt),
		db_text(o->certificate), db_text(o->number), db_text(o->spki), db_text(o->reason)),
	    e);
}

static int read_orphan(struct db *db, const struct event *ev, const json_t *job, struct orphan *ret,
    struct err *e)
{
	AUTO(json_t) *last = NULL;

	if (event_opt_digest(ev, "csr", &ret->csr, e) != 0 ||
	    event_opt_digest(ev, "spki", &ret->spki, e) != 0 ||
	    event_opt_digest(ev, "certificate", &ret->certificate, e) != 0 ||
	    event_opt_text(ev, "number", RECORD_LONG_MAX, &ret->number, e) != 0 ||
	    event_text(ev, "reason", RECORD_REASON_MAX, &ret->reason, e) != 0 ||
	    intent_last(db, job, "enrol", &last, e) != 0)
		return -1;
	ret->job = job_number(job);
	ret->attempt = json_opt_int(ev->body, "attempt", json_opt_int(last, "attempt", 0));
	if (ret->csr == NULL)
		ret->csr = json_opt_str(job, "csr", NULL);
	if (ret->spki == NULL)
		ret->spki = json_opt_str(job, "spki", NULL);
	if (ret->attempt == 0 || ret->csr == NULL || ret->spki == NULL)
		return err_set(e, ERR_RECORDS, "orphan.unasked",
		    "job %lld never asked for a certificate", (long long)ret->job);
	return 0;
}

/* A certificate has one place: in a job, on a device, or in this list. */
static int check_unlisted(struct db *db, const struct orphan *o, const json_t *recorded,
    struct err *e)
{
	AUTO(json_t) *listed = NULL;

	if (db_row(db, "SELECT job, 'listed' AS state FROM orphan WHERE certificate = ?1",
		DB_ARGS(db_text(o->certificate)), &listed, e) != 0)
		return -1;
	if (listed == NULL &&
	    (recorded == NULL || (json_opt_int(recorded, "job", 0) == o->job &&
				     strcmp(json_opt_str(recorded, "state", ""), "issued") == 0)))
		return 0;
	return err_set(e, ERR_CERT, "orphan.known",
	    "certificate %s is recorded with job %lld already", o->certificate,
	    (long long)json_opt_int(listed != NULL ? listed : recorded, "job", 0));
}

/* An attempt that may have been issued and has no certificate holds a place; a second one has none. */
static int place_of_attempt(struct db *db, const struct orphan *o, enum place *ret, struct err *e)
{
	int64_t open;

	if (db_number(db,
		"SELECT count(*) FROM intent WHERE job = ?1 AND kind = 'enrol' AND attempt = ?2"
		" AND state IN ('open', 'possibly-issued', 'pending', 'done')"
		" AND NOT EXISTS (SELECT 1 FROM certificate c WHERE c.job = intent.job"
		" AND c.attempt = intent.attempt)",
		DB_ARGS(db_int(o->job), db_int(o->attempt)), 0, &open, e) != 0)
		return -1;
	*ret = open > 0 ? PLACE_HELD : PLACE_NONE;
	return 0;
}

/* Also for a job that has ended: what comes to light later counts as well. */
int apply_orphan(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *job = NULL;
	AUTO(json_t) *recorded = NULL;
	struct orphan o = { 0 };
	enum place from;
	bool found;

	if (event_job(db, ev, true, &job, e) != 0 || read_orphan(db, ev, job, &o, e) != 0 ||
	    db_row(db, "SELECT * FROM certificate WHERE sha256 = ?1",
		DB_ARGS(db_text(o.certificate)), &recorded, e) != 0 ||
	    check_unlisted(db, &o, recorded, e) != 0)
		return -1;
	if (recorded != NULL)
		return list_certificate(db, ev, recorded, o.reason, e);
	if (identify(db, &o, &found, e) != 0)
		return -1;
	if (found)
		return 0;
	if (place_of_attempt(db, &o, &from, e) != 0)
		return -1;
	return insert(db, ev, &o, from, e);
}

/* Attempts without an answer, of a unit that still waits: what they issued is decided by now. */
static int list_undecided(struct db *db, const struct event *ev, const char *csr, struct err *e)
{
	AUTO(json_t) *attempts = NULL;

	if (db_rows(db,
		"SELECT intent.job, intent.attempt, job.spki FROM intent"
		" JOIN job ON job.number = intent.job WHERE intent.csr = ?1"
		" AND intent.kind = 'enrol' AND intent.state IN ('open', 'possibly-issued')"
		" AND job.status IN ('open', 'parked') AND NOT EXISTS (SELECT 1 FROM certificate c"
		" WHERE c.job = intent.job AND c.attempt = intent.attempt)"
		" ORDER BY intent.job, intent.attempt",
		DB_ARGS(db_text(csr)), &attempts, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(attempts); i++) {
		const json_t *row = json_array_get(attempts, i);
		char reason[ORPHAN_REASON];
		struct orphan o = { .job = json_opt_int(row, "job", 0),
			.attempt = json_opt_int(row, "attempt", 0),
			.csr = csr,
			.spki = json_opt_str(row, "spki", NULL),
			.reason = reason };

		(void)snprintf(reason, sizeof(reason),
		    "possibly issued by attempt %lld: revoked while its unit waited",
		    (long long)o.attempt);
		if (insert(db, ev, &o, PLACE_HELD, e) != 0)
			return -1;
	}
	return 0;
}

int apply_revoked(struct db *db, const struct event *ev, struct err *e)
{
	const char *id, *by;
	int64_t listed;

	if (event_digest(ev, "orphan", &id, e) != 0 ||
	    event_text(ev, "by", RECORD_TEXT_MAX, &by, e) != 0 ||
	    list_undecided(db, ev, id, e) != 0 ||
	    db_number(db, "SELECT count(*) FROM orphan WHERE id = ?1", DB_ARGS(db_text(id)), 0,
		&listed, e) != 0)
		return -1;
	if (listed == 0)
		return err_set(e, ERR_OPERATOR, "orphan.unknown", "no orphan %s is listed", id);
	if (db_run(db,
		"UPDATE orphan SET revocation = 'revoked', revoked_by = ?2 WHERE id = ?1"
		" AND revocation = 'unrevoked'",
		DB_ARGS(db_text(id), db_text(by)), e) != 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_OPERATOR, "orphan.revoked", "orphan %s is revoked already",
		    id);
	return 0;
}
