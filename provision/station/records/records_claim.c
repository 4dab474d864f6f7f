#include "records_internal.h"

#include <string.h>

/* A claim's members, checked. Texts are borrowed from the event. */
struct claim {
	const char *serial, *model, *slot, *profile;
	const char *firmware, *lifecycle, *order; /* NULL: not said */
	bool reuse;
	int64_t retests; /* -1: not said */
};

static int read_claim(const struct event *ev, struct claim *ret, struct err *e)
{
	if (event_text(ev, "serial", RECORD_TEXT_MAX, &ret->serial, e) != 0 ||
	    event_text(ev, "model", RECORD_TEXT_MAX, &ret->model, e) != 0 ||
	    event_text(ev, "slot", RECORD_TEXT_MAX, &ret->slot, e) != 0 ||
	    event_digest(ev, "profile", &ret->profile, e) != 0 ||
	    event_opt_text(ev, "firmware", RECORD_TEXT_MAX, &ret->firmware, e) != 0 ||
	    event_opt_text(ev, "lifecycle", RECORD_TEXT_MAX, &ret->lifecycle, e) != 0 ||
	    event_opt_text(ev, "order", RECORD_TEXT_MAX, &ret->order, e) != 0)
		return -1;
	ret->reuse = json_opt_bool(ev->body, "reuse", false);
	return event_opt_count(ev, "retests", &ret->retests, e);
}

static int check_names(struct db *db, const struct claim *c, struct err *e)
{
	AUTO(json_t) *profile = NULL;
	AUTO(json_t) *order = NULL;

	if (db_row(db, "SELECT sha256 FROM profile WHERE sha256 = ?1", DB_ARGS(db_text(c->profile)),
		&profile, e) != 0)
		return -1;
	if (profile == NULL)
		return err_set(e, ERR_RECORDS, "profile.unknown", "profile %s is not recorded",
		    c->profile);
	if (c->order == NULL)
		return 0;
	if (db_row(db, "SELECT id FROM work_order WHERE id = ?1", DB_ARGS(db_text(c->order)),
		&order, e) != 0)
		return -1;
	if (order == NULL)
		return err_set(e, ERR_RECORDS, "order.unknown", "order %s is not recorded",
		    c->order);
	return 0;
}

static int check_unit(const json_t *unit, const struct claim *c, struct err *e)
{
	const char *model = json_opt_str(unit, "model", "");

	if (strcmp(model, c->model) != 0)
		return err_set(e, ERR_OPERATOR, "claim.model",
		    "serial %s is recorded as model %s, this device says %s", c->serial, model,
		    c->model);
	if (json_object_get(unit, "scrapped") != NULL)
		return err_set(e, ERR_OPERATOR, "claim.scrapped",
		    "unit %s was scrapped: take it off the line", c->serial);
	return 0;
}

/* What was proved before the device went away says nothing of what is in the slot now. */
static int continue_job(struct db *db, const struct event *ev, const struct claim *c,
    const json_t *job, struct err *e)
{
	const char *station = json_opt_str(job, "station", "");
	const char *profile = json_opt_str(job, "profile", "");

	if (strcmp(station, ev->station) != 0 &&
	    strcmp(json_opt_str(job, "status", ""), "open") == 0)
		return err_set(e, ERR_OPERATOR, "claim.busy", "unit %s is in work at station %s",
		    c->serial, station);
	if (strcmp(profile, c->profile) != 0)
		return err_set(e, ERR_OPERATOR, "claim.profile",
		    "unit %s began with profile %s and must end with it, not with %s", c->serial,
		    profile, c->profile);
	return db_run(db,
	    "UPDATE job SET status = 'open', resumed = 1, station = ?2, slot = ?3,"
	    " firmware = ?4, lifecycle = ?5, error = NULL, readback = NULL, proof = NULL,"
	    " statement = NULL, cms = NULL, jws = NULL WHERE number = ?1",
	    DB_ARGS(db_int(job_number(job)), db_text(ev->station), db_text(c->slot),
		db_text(c->firmware), db_text(c->lifecycle)),
	    e);
}

/* A unit that failed too often is claimed again only where an engineer allows it, once. */
static int check_retests(struct db *db, const struct claim *c, struct err *e)
{
	int64_t failed;

	if (c->retests < 0)
		return 0;
	if (unit_failures(db, c->serial, &failed, e) != 0)
		return -1;
	if (failed <= c->retests)
		return 0;
	return err_set(e, ERR_OPERATOR, "claim.retests",
	    "unit %s has failed %lld %s, and the station makes a unit again %lld times at most",
	    c->serial, (long long)failed, failed == 1 ? "time" : "times", (long long)c->retests);
}

/* The one claim more that a person has allowed; a passed unit is claimed again by nothing else. */
static int use_allowance(struct db *db, const json_t *unit, const struct claim *c, struct err *e)
{
	if (json_object_get(unit, "rework") != NULL)
		return db_run(db, "UPDATE unit SET rework = NULL WHERE serial = ?1",
		    DB_ARGS(db_text(c->serial)), e);
	if (json_object_get(unit, "passed") == NULL)
		return check_retests(db, c, e);
	return err_set(e, ERR_OPERATOR, "claim.passed",
	    "unit %s has its identity already; kiln rework %s allows a second one", c->serial,
	    c->serial);
}

static int open_job(struct db *db, const struct event *ev, const struct claim *c,
    const json_t *unit, struct err *e)
{
	const json_t *rework = json_object_get(unit, "passed") != NULL
				   ? json_object_get(unit, "rework")
				   : NULL; /* it allowed a retest: the first identity is to come */

	if (use_allowance(db, unit, c, e) != 0)
		return -1;
	if (unit == NULL && db_run(db, "INSERT INTO unit (serial, model) VALUES (?1, ?2)",
				DB_ARGS(db_text(c->serial), db_text(c->model)), e) != 0)
		return -1;
	if (db_run(db,
		"INSERT INTO job (number, serial, station, slot, profile, firmware,"
		" lifecycle, work_order, held, reuse, rework, status, resumed, opened_at)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, 'open', 0, ?11)",
		DB_ARGS(db_int(ev->number), db_text(c->serial), db_text(ev->station),
		    db_text(c->slot), db_text(c->profile), db_text(c->firmware),
		    db_text(c->lifecycle), db_text(c->order), db_int(c->reuse),
		    rework != NULL ? db_int(json_integer_value(rework)) : db_text(NULL),
		    db_text(ev->at)),
		e) != 0)
		return -1;
	if (order_reserve(db, ev->number, e) != 0)
		return -1;
	return order_number(db, ev->number, e);
}

int apply_claim(struct db *db, const struct event *ev, struct err *e)
{
	AUTO(json_t) *unit = NULL;
	AUTO(json_t) *job = NULL;
	struct claim c = { 0 };

	if (read_claim(ev, &c, e) != 0 || check_names(db, &c, e) != 0)
		return -1;
	if (db_row(db, "SELECT * FROM unit WHERE serial = ?1", DB_ARGS(db_text(c.serial)), &unit,
		e) != 0)
		return -1;
	if (unit != NULL && check_unit(unit, &c, e) != 0)
		return -1;
	if (db_row(db, "SELECT * FROM job WHERE serial = ?1 AND status IN ('open', 'parked')",
		DB_ARGS(db_text(c.serial)), &job, e) != 0)
		return -1;
	return job != NULL ? continue_job(db, ev, &c, job, e) : open_job(db, ev, &c, unit, e);
}
