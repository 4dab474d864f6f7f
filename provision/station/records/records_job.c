#include "records_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(text, *names) == 0)
			return true;
	return false;
}

int intent_last(struct db *db, const json_t *job, const char *kind, json_t **ret, struct err *e)
{
	return db_row(db,
	    "SELECT * FROM intent WHERE job = ?1 AND kind = ?2 ORDER BY attempt DESC LIMIT 1",
	    DB_ARGS(db_int(job_number(job)), db_text(kind)), ret, e);
}

static int event_kind(const struct event *ev, const char **ret, struct err *e)
{
	static const char *const names[] = { "keygen", "enrol", "seal", NULL };

	if (event_text(ev, "kind", RECORD_TEXT_MAX, ret, e) != 0)
		return -1;
	if (!is_one_of(*ret, names))
		return err_set(e, ERR_RECORDS, "record.invalid", "there is no intent \"%s\"", *ret);
	return 0;
}

/* Only the CSR that was judged is sent, and none once there is a certificate. */
static int check_csr(const struct event *ev, const json_t *job, struct err *e)
{
	const char *csr;

	if (event_digest(ev, "csr", &csr, e) != 0)
		return -1;
	if (strcmp(csr, json_opt_str(job, "csr", "")) != 0)
		return err_set(e, ERR_RECORDS, "intent.csr",
		    "job %lld has another CSR: only the one that was judged may be sent",
		    (long long)job_number(job));
	if (json_object_get(job, "certificate") != NULL)
		return err_set(e, ERR_RECORDS, "intent.issued",
		    "job %lld has its certificate: no further one may be asked for",
		    (long long)job_number(job));
	return 0;
}

/*
 * An earlier attempt that has no answer may have been issued; a pending one is asked for again by this
 * one. Each that may have been issued needs a place in the order beside the new one's.
 */
static int before_enrol(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	int64_t needed;

	if (check_csr(ev, job, e) != 0 ||
	    job_run(db, job,
		"UPDATE intent SET state = CASE state WHEN 'open' THEN 'possibly-issued'"
		" ELSE 'continued' END WHERE job = ?1 AND kind = 'enrol'"
		" AND state IN ('open', 'pending')",
		e) != 0 ||
	    job_run(db, job, "UPDATE job SET retry_at = NULL WHERE number = ?1", e) != 0 ||
	    db_number(db,
		"SELECT 1 + count(*) - (SELECT held FROM job WHERE number = ?1)"
		" FROM intent WHERE job = ?1 AND kind = 'enrol'"
		" AND state IN ('done', 'possibly-issued')",
		DB_ARGS(db_int(job_number(job))), 0, &needed, e) != 0)
		return -1;
	for (; needed > 0; needed--)
		if (order_reserve(db, job_number(job), e) != 0)
			return -1;
	return 0;
}

static int before_other(struct db *db, const json_t *job, const char *kind, struct err *e)
{
	return db_run(db,
	    "UPDATE intent SET state = 'continued' WHERE job = ?1 AND kind = ?2 AND state = 'open'",
	    DB_ARGS(db_int(job_number(job)), db_text(kind)), e);
}

int apply_intent(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *job = NULL;
	AUTO(json_t) *last = NULL;
	const char *kind, *csr;
	int64_t attempt;
	bool enrol;

	if (event_job(db, ev, false, &job, e) != 0 || event_kind(ev, &kind, e) != 0 ||
	    event_opt_digest(ev, "csr", &csr, e) != 0 || intent_last(db, job, kind, &last, e) != 0)
		return -1;
	enrol = strcmp(kind, "enrol") == 0;
	attempt = json_opt_int(last, "attempt", 0) + 1;
	if (enrol && json_opt_int(ev->body, "attempt", attempt) != attempt)
		return err_set(e, ERR_RECORDS, "intent.attempt",
		    "job %lld: the next attempt is %lld", (long long)job_number(job),
		    (long long)attempt);
	if (enrol ? before_enrol(db, ev, job, e) != 0 : before_other(db, job, kind, e) != 0)
		return -1;
	return db_run(db,
	    "INSERT INTO intent (job, kind, attempt, state, csr, event)"
	    " VALUES (?1, ?2, ?3, 'open', ?4, ?5)",
	    DB_ARGS(db_int(job_number(job)), db_text(kind), db_int(attempt), db_text(csr),
		db_int(ev->number)),
	    e);
}

/* What was not sent, or was refused, takes nothing back: the pending request that it would have asked for
 * is pending again. A refusal is of this asking (a credential, a busy CA); the CA still has the first. */
static int reopen_pending(struct db *db, const json_t *job, int64_t attempt, struct err *e)
{
	return db_run(db,
	    "UPDATE intent SET state = 'pending' WHERE job = ?1 AND kind = 'enrol'"
	    " AND state = 'continued' AND attempt = (SELECT max(attempt) FROM intent"
	    " WHERE job = ?1 AND kind = 'enrol' AND attempt < ?2"
	    " AND state NOT IN ('not-sent', 'rejected'))",
	    DB_ARGS(db_int(job_number(job)), db_int(attempt)), e);
}

int apply_answer(struct db *db, const struct event *ev, struct err *e)
{
	static const char *const states[] = { "done", "pending", "not-sent", "possibly-issued",
		"rejected", NULL };
	AUTO(json_t) *job = NULL;
	AUTO(json_t) *last = NULL;
	const char *kind, *state, *was;
	int64_t attempt;

	if (event_job(db, ev, false, &job, e) != 0 || event_kind(ev, &kind, e) != 0 ||
	    event_text(ev, "state", RECORD_TEXT_MAX, &state, e) != 0 ||
	    intent_last(db, job, kind, &last, e) != 0)
		return -1;
	if (!is_one_of(state, states))
		return err_set(e, ERR_RECORDS, "record.invalid", "there is no answer \"%s\"",
		    state);
	was = json_opt_str(last, "state", "missing");
	if (strcmp(was, "open") != 0 && strcmp(was, "pending") != 0)
		return err_set(e, ERR_RECORDS, "answer.unasked",
		    "job %lld: no %s intent waits for an answer, the last one is %s",
		    (long long)job_number(job), kind, was);
	attempt = json_opt_int(last, "attempt", 0);
	if (db_run(db, "UPDATE intent SET state = ?4 WHERE job = ?1 AND kind = ?2 AND attempt = ?3",
		DB_ARGS(db_int(job_number(job)), db_text(kind), db_int(attempt), db_text(state)),
		e) != 0)
		return -1;
	if (strcmp(kind, "enrol") != 0)
		return 0;
	if ((strcmp(state, "not-sent") == 0 || strcmp(state, "rejected") == 0) &&
	    reopen_pending(db, job, attempt, e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET retry_at = ?2 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), json_is_integer(json_object_get(ev->body, "retry_at"))
						 ? db_int(json_opt_int(ev->body, "retry_at", 0))
						 : db_text(NULL)),
	    e);
}

int apply_park(struct db *db, const struct event *ev, struct err *e)
{
	AUTO_STRUCT(buf) error = { 0 };
	AUTO(json_t) *job = NULL;

	if (event_job(db, ev, false, &job, e) != 0 || event_error(ev, &error, e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET status = 'parked', error = ?2 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text((const char *)error.data)), e);
}

/* PASS needs everything it stands for (promises I3, I5), in this attachment. */
static int check_complete(struct db *db, const json_t *job, struct err *e)
{
	static const char *const needed[] = { "certificate", "readback", "proof", "statement" };
	AUTO(json_t) *open = NULL;

	if (strcmp(json_opt_str(job, "status", ""), "open") != 0)
		return err_set(e, ERR_RECORDS, "end.incomplete",
		    "job %lld is parked: it can not pass before it is claimed again",
		    (long long)job_number(job));
	for (size_t i = 0; i < COUNT(needed); i++)
		if (json_object_get(job, needed[i]) == NULL)
			return err_set(e, ERR_RECORDS, "end.incomplete",
			    "job %lld can not pass: no %s is recorded since it was claimed",
			    (long long)job_number(job), needed[i]);
	if (db_row(db, "SELECT kind FROM intent WHERE job = ?1 AND state = 'open'",
		DB_ARGS(db_int(job_number(job))), &open, e) != 0)
		return -1;
	if (open != NULL)
		return err_set(e, ERR_RECORDS, "end.incomplete",
		    "job %lld can not pass: its %s intent has no answer",
		    (long long)job_number(job), json_opt_str(open, "kind", ""));
	return 0;
}

static int deliver(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	const char *serial = json_opt_str(job, "serial", "");
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "superseded by job %lld",
	    (long long)job_number(job));
	if (check_complete(db, job, e) != 0 || orphan_delivered(db, ev, serial, reason, e) != 0 ||
	    job_run(db, job, "UPDATE certificate SET state = 'delivered' WHERE job = ?1", e) != 0 ||
	    db_run(db, "UPDATE device_key SET live = 1 WHERE spki = ?1",
		DB_ARGS(db_text(json_opt_str(job, "spki", NULL))), e) != 0 ||
	    db_run(db, "UPDATE unit SET passed = ?2 WHERE serial = ?1",
		DB_ARGS(db_text(serial), db_int(job_number(job))), e) != 0)
		return -1;
	return order_issued(db, job_number(job), e);
}

/* Also for what passed: earlier attempts may have been issued. */
static int list_leftovers(struct db *db, const struct event *ev, const json_t *job,
    const char *outcome, struct err *e)
{
	char why[160];

	(void)snprintf(why, sizeof(why), "the unit %s (%s)", outcome,
	    json_opt_str(json_object_get(ev->body, "error"), "code", "no error"));
	return orphan_leftovers(db, ev, job, INT64_MAX, why, e);
}

/*
 * A rework that ends otherwise than by PASS. Once it may have made a key or brought a certificate the first
 * identity may be off the device: it counts as delivered no longer. Once it has begun, it may begin again.
 */
static int fail_rework(struct db *db, const struct event *ev, const json_t *job, struct err *e)
{
	const char *serial = json_opt_str(job, "serial", "");
	char reason[96];
	int64_t keys;

	if (json_object_get(job, "rework") == NULL)
		return 0;
	if (db_number(db,
		"SELECT count(*) FROM intent WHERE job = ?1 AND kind = 'keygen'"
		" AND state <> 'not-sent'",
		DB_ARGS(db_int(job_number(job))), 0, &keys, e) != 0)
		return -1;
	if (keys == 0 && json_object_get(job, "csr") == NULL)
		return 0;
	(void)snprintf(reason, sizeof(reason),
	    "job %lld, a rework, replaced it or may have, and did not pass",
	    (long long)job_number(job));
	if ((keys > 0 || json_object_get(job, "certificate") != NULL) &&
	    orphan_delivered(db, ev, serial, reason, e) != 0)
		return -1;
	return db_run(db, "UPDATE unit SET rework = ?2 WHERE serial = ?1",
	    DB_ARGS(db_text(serial), db_int(json_opt_int(job, "rework", 0))), e);
}

int apply_end(struct db *db, const struct event *ev, struct err *e)
{
	static const char *const outcomes[] = { "passed", "failed", "refused", NULL };
	AUTO_STRUCT(buf) error = { 0 };
	AUTO(json_t) *job = NULL;
	const char *outcome;
	bool passed;

	if (event_job(db, ev, false, &job, e) != 0 ||
	    event_text(ev, "outcome", RECORD_TEXT_MAX, &outcome, e) != 0)
		return -1;
	if (!is_one_of(outcome, outcomes))
		return err_set(e, ERR_RECORDS, "record.invalid", "there is no outcome \"%s\"",
		    outcome);
	passed = strcmp(outcome, "passed") == 0;
	if (passed ? deliver(db, ev, job, e) != 0 : event_error(ev, &error, e) != 0)
		return -1;
	if ((!passed && fail_rework(db, ev, job, e) != 0) ||
	    list_leftovers(db, ev, job, outcome, e) != 0 ||
	    order_release(db, job_number(job), e) != 0)
		return -1;
	return db_run(db, "UPDATE job SET status = ?2, ended_at = ?3, error = ?4 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(outcome), db_text(ev->at),
		db_text(passed ? NULL : (const char *)error.data)),
	    e);
}
