#include "records_internal.h"

#include <stdio.h>
#include <string.h>

/* Members that both have, and the unit; *ret_unit is owned by the caller. */
static int read_decision(struct db *db, const struct event *ev, const char **ret_serial,
    const char **ret_reason, json_t **ret_unit, struct err *e)
{
	const char *by;

	if (event_text(ev, "serial", RECORD_TEXT_MAX, ret_serial, e) != 0 ||
	    event_text(ev, "reason", RECORD_REASON_MAX, ret_reason, e) != 0 ||
	    event_text(ev, "by", RECORD_TEXT_MAX, &by, e) != 0 ||
	    db_row(db, "SELECT * FROM unit WHERE serial = ?1", DB_ARGS(db_text(*ret_serial)),
		ret_unit, e) != 0)
		return -1;
	if (*ret_unit == NULL)
		return err_set(e, ERR_OPERATOR, "unit.unknown", "there is no unit %s", *ret_serial);
	if (json_object_get(*ret_unit, "scrapped") != NULL)
		return err_set(e, ERR_OPERATOR, "unit.scrapped", "unit %s is scrapped",
		    *ret_serial);
	return 0;
}

static int open_job_of(struct db *db, const char *serial, json_t **ret, struct err *e)
{
	return db_row(db, "SELECT * FROM job WHERE serial = ?1 AND status IN ('open', 'parked')",
	    DB_ARGS(db_text(serial)), ret, e);
}

int apply_rework(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *unit = NULL;
	AUTO(json_t) *job = NULL;
	const char *serial, *reason;

	if (read_decision(db, ev, &serial, &reason, &unit, e) != 0 ||
	    open_job_of(db, serial, &job, e) != 0)
		return -1;
	if (json_object_get(unit, "passed") == NULL)
		return err_set(e, ERR_OPERATOR, "rework.passed",
		    "unit %s never passed: it needs no rework, only to be plugged in", serial);
	if (job != NULL || json_object_get(unit, "rework") != NULL)
		return err_set(e, ERR_OPERATOR, "rework.again", "a rework of unit %s is %s already",
		    serial, job != NULL ? "in work" : "allowed");
	return db_run(db, "UPDATE unit SET rework = ?2 WHERE serial = ?1",
	    DB_ARGS(db_text(serial), db_int(ev->number)), e);
}

int unit_failures(struct db *db, const char *serial, int64_t *ret, struct err *e)
{
	return db_number(db,
	    "SELECT count(*) FROM job WHERE serial = ?1 AND status = 'failed' AND error NOT LIKE"
	    " '%\"code\":\"key.lost\"%'",
	    DB_ARGS(db_text(serial)), 0, ret, e);
}

int apply_retest(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *unit = NULL;
	AUTO(json_t) *job = NULL;
	const char *serial, *reason;
	int64_t limit, failed;

	if (event_opt_count(ev, "retests", &limit, e) != 0 ||
	    read_decision(db, ev, &serial, &reason, &unit, e) != 0 ||
	    open_job_of(db, serial, &job, e) != 0 || unit_failures(db, serial, &failed, e) != 0)
		return -1;
	if (json_object_get(unit, "passed") != NULL)
		return err_set(e, ERR_OPERATOR, "retest.passed",
		    "unit %s has passed: a second identity is a rework, not a retest", serial);
	if (json_object_get(unit, "rework") != NULL)
		return err_set(e, ERR_OPERATOR, "retest.again",
		    "one more retest of unit %s is allowed already", serial);
	if (job != NULL || failed == 0 || failed <= limit)
		return err_set(e, ERR_OPERATOR, "retest.needless",
		    "unit %s may be made without it: it %s", serial,
		    job != NULL ? "is in work" : "has not failed too often");
	return db_run(db, "UPDATE unit SET rework = ?2 WHERE serial = ?1",
	    DB_ARGS(db_text(serial), db_int(ev->number)), e);
}

/* Ends the unit's open job, which nobody will finish. */
static int end_job(struct db *db, const struct event *ev, const json_t *job, const char *why,
    struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *error = NULL;
	const char *station = json_opt_str(job, "station", "");
	struct err scrapped = { 0 };

	if (strcmp(station, ev->station) != 0 &&
	    strcmp(json_opt_str(job, "status", ""), "open") == 0)
		return err_set(e, ERR_OPERATOR, "scrap.busy", "unit %s is in work at station %s",
		    json_opt_str(job, "serial", ""), station);
	(void)err_set(&scrapped, ERR_OPERATOR, "unit.scrapped", "%s", why);
	error = json_from_err(&scrapped);
	if (error == NULL)
		return err_nomem(e);
	if (json_canonical(error, &text, e) != 0 || buf_str(&text, e) == NULL ||
	    orphan_leftovers(db, ev, job, INT64_MAX, why, e) != 0 ||
	    order_release(db, job_number(job), e) != 0)
		return -1;
	return db_run(db,
	    "UPDATE job SET status = 'failed', ended_at = ?2, error = ?3 WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(ev->at), db_text((const char *)text.data)), e);
}

int apply_scrap(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *unit = NULL;
	AUTO(json_t) *job = NULL;
	const char *serial, *reason;
	char why[RECORD_REASON_MAX + 40];

	if (read_decision(db, ev, &serial, &reason, &unit, e) != 0 ||
	    open_job_of(db, serial, &job, e) != 0)
		return -1;
	(void)snprintf(why, sizeof(why), "the unit was scrapped: %s", reason);
	if (job != NULL && end_job(db, ev, job, why, e) != 0)
		return -1;
	if (orphan_delivered(db, ev, serial, why, e) != 0)
		return -1;
	return db_run(db, "UPDATE unit SET scrapped = ?2, rework = NULL WHERE serial = ?1",
	    DB_ARGS(db_text(serial), db_int(ev->number)), e);
}
