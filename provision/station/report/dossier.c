#include "dossier.h"

#include <string.h>

#include "advice.h"
#include "clock.h"
#include "report.h"

/* Of each list of the dossier: an answer of the control socket is one line (line.h). */
enum {
	STEPS_MAX = 40,
	ATTEMPTS_MAX = 20,
	PARKS_MAX = 10,
	AWAY_MAX = 10,
	ORPHANS_MAX = 10,
	DECISIONS_MAX = 20,
};

/* While the events go by. What is of JSON is borrowed from all. */
struct dossier {
	json_t *all, *jobs, *away, *decisions;
	json_t *job;               /* open, or the last one; NULL before the first */
	bool open, failed, passed; /* it is; an earlier one did */
	int64_t claimed_ms, passage;
	int64_t spent_ms[WHO_COUNT]; /* of this passage */
	int64_t opened, retests, reworks, left_out;
};

static json_int_t n(int64_t value)
{
	return (json_int_t)value;
}

/* Keeps the newest. Takes value over. */
static int put(struct dossier *d, json_t *list, size_t max, json_t *value, struct err *e)
{
	if (value == NULL || json_array_append_new(list, value) != 0)
		return err_nomem(e);
	if (json_array_size(list) <= max)
		return 0;
	d->left_out++;
	return json_array_remove(list, 0) == 0 ? 0 : err_nomem(e);
}

/* The error as it was recorded, with what to do. NULL where there is none, or no memory. */
static json_t *advised(const json_t *error)
{
	json_t *copy = json_is_object(error) ? json_copy((json_t *)(uintptr_t)error) : NULL;
	struct err said = { 0 };

	if (copy == NULL)
		return NULL;
	(void)json_to_err(error, &said); /* -1 always */
	if (json_object_set_new(copy, "advice", json_string(advice_for(&said))) == 0)
		return copy;
	json_decref(copy);
	return NULL;
}

static int open_job(struct dossier *d, const json_t *claim, struct err *e)
{
	bool retest = d->failed && !d->passed;
	json_t *job = json_pack("{s:I, s:b, s:b, s:[], s:[], s:[], s:[]}", "job",
	    n(json_opt_int(claim, "record", 0)), "retest", retest, "rework", d->passed, "steps",
	    "checks", "attempts", "parks");

	d->opened++;
	d->retests += retest;
	d->reworks += d->passed;
	d->open = true;
	d->passage = 0;
	d->job = job;
	return put(d, d->jobs, DOSSIER_JOBS_MAX, job, e);
}

static int on_claim(struct dossier *d, const json_t *claim, int64_t at_ms, struct err *e)
{
	const char *operator;

	if (!d->open && open_job(d, claim, e) != 0)
		return -1;
	d->claimed_ms = at_ms;
	memset(d->spent_ms, 0, sizeof(d->spent_ms));
	operator= json_opt_str(claim, "operator", NULL);
	if (operator== NULL)
		(void)json_object_del(d->job, "operator"); /* there may be none */
	if (json_set_str(d->job, "operator", operator, e) != 0 ||
	    json_set_str(d->job, "model", json_opt_str(claim, "model", ""), e) != 0)
		return -1;
	return json_set_int(d->job, "passages", ++d->passage, e);
}

static int on_step(struct dossier *d, const json_t *event, struct err *e)
{
	int64_t ms = json_opt_int(event, "ms", 0);
	const char *name = json_opt_str(event, "step", "");
	enum step_id step = STEP_IDENTIFY;
	enum who who = step_parse(name, &step) ? report_who(step) : WHO_STATION;

	d->spent_ms[who] += ms;
	if (json_object_get(event, "origin_evidence") != NULL &&
	    json_set_str(d->job, "origin_evidence", json_opt_str(event, "origin_evidence", ""),
		e) != 0)
		return -1;
	return put(d, json_object_get(d->job, "steps"), STEPS_MAX,
	    json_pack("{s:s, s:s, s:I, s:s, s:I}", "step", name, "who", who_name(who), "ms", n(ms),
		"at", json_opt_str(event, "at", ""), "passage", n(d->passage)),
	    e);
}

static int on_attempt(struct dossier *d, const json_t *event, struct err *e)
{
	if (strcmp(json_opt_str(event, "kind", ""), "enrol") != 0)
		return 0;
	return put(d, json_object_get(d->job, "attempts"), ATTEMPTS_MAX,
	    json_pack("{s:I, s:s, s:s}", "attempt", n(json_opt_int(event, "attempt", 0)), "at",
		json_opt_str(event, "at", ""), "state", "open"),
	    e);
}

/* Of the last attempt. A step "enrol" is an answer too. */
static int answer_attempt(struct dossier *d, const json_t *event, const char *state, struct err *e)
{
	json_t *attempts = json_object_get(d->job, "attempts");
	size_t count = json_array_size(attempts);
	json_t *last = count > 0 ? json_array_get(attempts, count - 1) : NULL;
	const json_t *detail = json_object_get(event, "detail");

	if (last == NULL)
		return 0;
	if (json_set_str(last, "state", state, e) != 0 ||
	    json_set_str(last, "answered_at", json_opt_str(event, "at", ""), e) != 0)
		return -1;
	return json_set_str(last, "message", json_opt_str(detail, "message", NULL), e);
}

static int on_park(struct dossier *d, const json_t *event, struct err *e)
{
	return put(d, json_object_get(d->job, "parks"), PARKS_MAX,
	    json_pack("{s:s, s:o*}", "at", json_opt_str(event, "at", ""), "error",
		advised(json_object_get(event, "error"))),
	    e);
}

static int set_spent(struct dossier *d, int64_t whole_ms, struct err *e)
{
	json_t *spent = json_object();
	int64_t left = whole_ms;

	if (json_set_new(d->job, "spent", spent, e) != 0)
		return -1;
	for (enum who who = WHO_DEVICE; who < WHO_STATION; who++) {
		left -= d->spent_ms[who];
		if (json_set_int(spent, who_name(who), d->spent_ms[who], e) != 0)
			return -1;
	}
	if (whole_ms < 0)
		return 0;
	if (json_set_int(d->job, "whole_ms", whole_ms, e) != 0)
		return -1;
	return json_set_int(spent, who_name(WHO_STATION), left > 0 ? left : 0, e);
}

static int on_end(struct dossier *d, const json_t *event, int64_t at_ms, struct err *e)
{
	bool passed = strcmp(json_opt_str(event, "outcome", ""), "passed") == 0;

	d->open = false;
	d->passed |= passed;
	d->failed |= strcmp(json_opt_str(event, "outcome", ""), "failed") == 0;
	return set_spent(d, passed && at_ms > d->claimed_ms ? at_ms - d->claimed_ms : -1, e);
}

static int of_job(struct dossier *d, const json_t *event, const char *kind, int64_t at_ms,
    struct err *e)
{
	if (dossier_add_checks(json_object_get(d->job, "checks"), event, e) != 0)
		return -1;
	if (strcmp(kind, "step") == 0)
		return on_step(d, event, e) != 0 ||
			       (strcmp(json_opt_str(event, "step", ""), "enrol") == 0 &&
				   answer_attempt(d, event, "done", e) != 0)
			   ? -1
			   : 0;
	if (strcmp(kind, "intent") == 0)
		return on_attempt(d, event, e);
	if (strcmp(kind, "answer") == 0 && strcmp(json_opt_str(event, "kind", ""), "enrol") == 0)
		return answer_attempt(d, event, json_opt_str(event, "state", ""), e);
	if (strcmp(kind, "park") == 0)
		return on_park(d, event, e);
	return strcmp(kind, "end") == 0 ? on_end(d, event, at_ms, e) : 0;
}

static int on_decision(struct dossier *d, const json_t *event, const char *kind, struct err *e)
{
	if (strcmp(kind, "scrap") == 0 && d->open) {
		d->open = false;
		d->failed = true;
	}
	return put(d, d->decisions, DECISIONS_MAX,
	    json_pack("{s:s, s:s, s:s, s:s}", "what", kind, "at", json_opt_str(event, "at", ""),
		"by", json_opt_str(event, "by", ""), "reason", json_opt_str(event, "reason", "")),
	    e);
}

/* What the records refused of a job names the job; a unit that never got one has only its slot. */
static int on_refused(struct dossier *d, const json_t *event, struct err *e)
{
	if (json_object_get(event, "job") != NULL || json_object_get(event, "slot") == NULL)
		return 0;
	return put(d, d->away, AWAY_MAX,
	    json_pack("{s:s, s:s, s:s, s:o*}", "at", json_opt_str(event, "at", ""), "slot",
		json_opt_str(event, "slot", ""), "station", json_opt_str(event, "station", ""),
		"error", advised(json_object_get(event, "error"))),
	    e);
}

static int take(const json_t *event, void *context, struct err *e)
{
	const char *kind = json_opt_str(event, "event", "");
	int64_t at_ms = clock_parse(json_opt_str(event, "at", ""));
	struct dossier *d = context;

	if (strcmp(kind, "claim") == 0)
		return on_claim(d, event, at_ms, e) == 0
			   ? dossier_add_checks(json_object_get(d->job, "checks"), event, e)
			   : -1;
	if (strcmp(kind, "scrap") == 0 || strcmp(kind, "rework") == 0)
		return on_decision(d, event, kind, e);
	if (strcmp(kind, "refused") == 0)
		return on_refused(d, event, e);
	if (d->job == NULL || json_opt_int(event, "job", -1) != json_opt_int(d->job, "job", 0))
		return 0;
	return of_job(d, event, kind, at_ms, e);
}

static int copy_members(json_t *to, const json_t *from, const char *const names[], struct err *e)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		json_t *value = json_object_get(from, names[i]);

		if (value != NULL && json_object_set(to, names[i], value) != 0)
			return err_nomem(e);
	}
	return 0;
}

/* What is so now, from the state tables. */
static int finish_job(struct records *r, json_t *job, struct err *e)
{
	static const char *const known[] = { "status", "station", "slot", "profile", "order",
		"ordinal", "firmware", "lifecycle", "opened_at", "ended_at", "step", "spki", "csr",
		NULL };
	static const char *const product[] = { "product", "version", NULL };
	AUTO(json_t) *now = NULL;
	AUTO(json_t) *profile = NULL;
	json_t *certificate = NULL, *error;

	if (records_job(r, json_opt_int(job, "job", 0), &now, e) != 0 ||
	    records_profile(r, json_opt_str(now, "profile", ""), &profile, e) != 0 ||
	    copy_members(job, now, known, e) != 0 || copy_members(job, profile, product, e) != 0 ||
	    json_set_int(job, "attempts_made", json_opt_int(now, "attempts", 0), e) != 0)
		return -1;
	error = json_object_get(now, "error");
	if (json_is_object(error) && json_set_new(job, "error", advised(error), e) != 0)
		return -1;
	if (dossier_certificate(r, now, &certificate, e) != 0)
		return -1;
	return certificate != NULL ? json_set_new(job, "certificate", certificate, e) : 0;
}

static int add_orphans(struct dossier *d, struct records *r, const char *serial, struct err *e)
{
	AUTO(json_t) *orphans = NULL;
	json_t *list = json_array();

	if (json_set_new(d->all, "orphans", list, e) != 0 ||
	    records_unit_orphans(r, serial, &orphans, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(orphans); i++)
		if (put(d, list, ORPHANS_MAX, json_incref(json_array_get(orphans, i)), e) != 0)
			return -1;
	return 0;
}

/* Newest first: what a person looks for. */
static int finish_jobs(struct dossier *d, struct records *r, struct err *e)
{
	json_t *list = json_array();

	for (size_t i = json_array_size(d->jobs); i > 0; i--) {
		json_t *job = json_array_get(d->jobs, i - 1);

		if (finish_job(r, job, e) != 0 || json_array_append(list, job) != 0) {
			json_decref(list);
			return e->domain != ERR_NONE ? -1 : err_nomem(e);
		}
	}
	return json_set_new(d->all, "jobs", list, e);
}

static bool is_scrapped(const struct dossier *d)
{
	for (size_t i = 0; i < json_array_size(d->decisions); i++)
		if (strcmp(json_opt_str(json_array_get(d->decisions, i), "what", ""), "scrap") == 0)
			return true;
	return false;
}

static int set_head(struct dossier *d, const char *serial, struct err *e)
{
	const json_t *newest = json_array_get(json_object_get(d->all, "jobs"), 0);
	const char *status = json_opt_str(newest, "status", "turned-away");

	if (json_set_int(d->all, "v", 1, e) != 0 ||
	    json_set_str(d->all, "serial", serial, e) != 0 ||
	    json_set_str(d->all, "model", json_opt_str(newest, "model", NULL), e) != 0 ||
	    json_set_str(d->all, "status", is_scrapped(d) ? "scrapped" : status, e) != 0 ||
	    json_set_int(d->all, "left_out", d->left_out, e) != 0)
		return -1;
	return json_set_new(d->all, "counts",
	    json_pack("{s:I, s:I, s:I}", "jobs", n(d->opened), "retests", n(d->retests), "reworks",
		n(d->reworks)),
	    e);
}

int dossier_make(struct records *r, const char *serial, json_t **ret, struct err *e)
{
	AUTO(json_t) *all = json_pack("{s:[], s:[], s:[]}", "jobs", "turned_away", "decisions");
	struct dossier d = { .all = all };

	if (all == NULL)
		return err_nomem(e);
	d.jobs = json_object_get(all, "jobs");
	d.away = json_object_get(all, "turned_away");
	d.decisions = json_object_get(all, "decisions");
	if (records_events(r, serial, 0, take, &d, e) != 0)
		return -1;
	if (json_array_size(d.jobs) + json_array_size(d.away) == 0)
		return err_set(e, ERR_OPERATOR, "unit.unknown", "serial %s is not in these records",
		    serial);
	if (add_orphans(&d, r, serial, e) != 0 || finish_jobs(&d, r, e) != 0 ||
	    set_head(&d, serial, e) != 0)
		return -1;
	*ret = steal(&all);
	return 0;
}
