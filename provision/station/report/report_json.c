#include <stdio.h>

#include "clock.h"
#include "report_view.h"
#include "serve.h"
#include "version.h"

/* v changes when a member changes its meaning. */
enum { JSON_VERSION = 1 };

static json_int_t n(int64_t value)
{
	return (json_int_t)value;
}

/* The parts of the object; NULL of any is one of the whole. */
static json_t *json_of_time(int64_t ms)
{
	char utc[CLOCK_TEXT], local[ZONE_TEXT];

	clock_text(ms, utc);
	zone_text(ms, local);
	return json_pack("{s:s, s:s}", "utc", utc, "local", local);
}

static json_t *json_of_ppm(int64_t ppm)
{
	return ppm >= 0 ? json_integer(ppm) : json_null();
}

static json_t *json_of_period(const struct report *r, const struct report_head *h)
{
	char zone[ZONE_NAME];

	zone_name(r->span.from_ms, zone);
	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:s*}", "title", h->title, "zone", zone, "from",
	    json_of_time(r->span.from_ms), "to", json_of_time(r->span.to_ms), "over",
	    !view_goes_on(r), "order", r->span.order);
}

static json_t *json_of_records(const struct report *r, const struct report_head *h)
{
	json_t *chains = json_array();

	for (size_t i = 0; i < r->chain_count; i++) {
		const struct report_chain *c = &r->chains[i];

		(void)json_array_append_new(chains,
		    json_pack("{s:s, s:I, s:{s:I, s:s}, s:{s:I, s:s}}", "station", c->station,
			"events", n(c->events), "first", "seq", n(c->first_seq), "hash",
			c->first_hash, "last", "seq", n(c->last_seq), "hash", c->last_hash));
	}
	return json_pack("{s:s, s:o}", "path", h->records, "chains", chains);
}

static json_t *json_of_units(const struct report *r)
{
	int64_t seen = 0;

	for (size_t i = REPORT_PASSED; i < REPORT_OUTCOMES; i++)
		seen += r->units[i];
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "seen",
	    n(seen), "passed", n(r->units[REPORT_PASSED]), "failed", n(r->units[REPORT_FAILED]),
	    "refused", n(r->units[REPORT_REFUSED]), "waiting", n(r->units[REPORT_WAITING]),
	    "in_work", n(r->units[REPORT_IN_WORK]), "ended", n(report_ended(r)), "first_jobs",
	    n(r->first_jobs), "first_passed", n(r->first_passed), "passed_after_wait",
	    n(r->passed_after_wait), "passed_after_failure", n(r->passed_after_failure),
	    "passed_as_rework", n(r->passed_as_rework));
}

static json_t *json_of_jobs(const struct report *r)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "opened", n(r->jobs_opened),
	    "passed", n(r->jobs_passed), "failed", n(r->jobs_failed), "refused", n(r->jobs_refused),
	    "retests", n(r->retests), "retests_passed", n(r->retests_passed), "reworks",
	    n(r->reworks), "continued", n(r->continued));
}

static json_t *json_of_reasons(const struct report_reasons *reasons)
{
	json_t *list = json_array();

	for (size_t i = 0; i < reasons->count; i++) {
		const struct report_reason *row = &reasons->list[i];

		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:I, s:I}", "reason", row->code, "domain",
			row->domain, "message", row->message, "times", n(row->times), "units",
			n(row->units)));
	}
	return list;
}

static json_t *json_of_tallies(const struct report_tallies *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->count; i++)
		(void)json_array_append_new(list,
		    json_pack("{s:s, s:I, s:I, s:I}", "name", t->list[i].name, "passed",
			n(t->list[i].passed), "failed", n(t->list[i].failed), "waits",
			n(t->list[i].waits)));
	return list;
}

static json_t *json_of_decisions(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->decision_count; i++)
		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s, s:I}", "what", r->decisions[i].what, "by",
			r->decisions[i].by, "times", n(r->decisions[i].times)));
	return list;
}

static json_t *json_of_rate(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->bucket_count; i++)
		(void)json_array_append_new(list,
		    json_pack("{s:o, s:I, s:I}", "from", json_of_time(r->buckets[i].from_ms),
			"passed", n(r->buckets[i].passed), "failed", n(r->buckets[i].failed)));
	return json_pack("{s:o, s:o}", "buckets", list, "units_per_hour",
	    json_of_ppm(report_per_hour(r)));
}

static json_t *json_of_times(const char *key, const char *name, const char *by,
    const struct histogram *h)
{
	return json_pack("{s:s, s:s*, s:I, s:I, s:I, s:I}", key, name, "by", by, "times",
	    n(h->count), "p50_ms", n(histogram_percentile(h, 50)), "p95_ms",
	    n(histogram_percentile(h, 95)), "max_ms", n(h->max_ms));
}

static json_t *json_of_steps(const struct report *r)
{
	json_t *list = json_array();

	for (enum step_id s = STEP_IDENTIFY; s < STEP_COUNT; s++)
		if (r->steps[s].count > 0)
			(void)json_array_append_new(list,
			    json_of_times("step", step_name(s), who_name(report_who(s)),
				&r->steps[s]));
	return list;
}

static json_t *json_of_split(const struct report *r)
{
	json_t *list = json_array();

	for (enum who w = WHO_DEVICE; w < WHO_COUNT; w++)
		(void)json_array_append_new(list,
		    json_of_times("by", who_name(w), NULL, &r->split[w]));
	(void)json_array_append_new(list, json_of_times("by", "whole", NULL, &r->whole));
	return list;
}

static json_t *json_of_bottleneck(const struct report *r)
{
	enum who who = report_bottleneck(r);
	enum step_id step;
	int64_t ms;

	if (who == WHO_COUNT)
		return json_null();
	step = report_longest_step(r, who);
	ms = histogram_percentile(&r->split[who], 50);
	return json_pack("{s:s, s:I, s:I, s:s*}", "by", who_name(who), "p50_ms", n(ms), "share_ppm",
	    n(view_share(ms, histogram_percentile(&r->whole, 50))), "step",
	    step != STEP_COUNT ? step_name(step) : NULL);
}

static json_t *json_of_orphans(const struct report *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->orphan_count; i++) {
		const struct report_orphan *o = &r->orphan_list[i];

		(void)json_array_append_new(list,
		    json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", o->id, "serial", o->serial,
			"revocation", o->state, "reason", o->reason, "at", json_of_time(o->at_ms)));
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "listed", n(r->orphans), "unrevoked",
	    n(r->orphans_unrevoked), "undecided", n(r->orphans_undecided), "revoked",
	    n(r->orphans_revoked), "first", list);
}

static json_t *json_of_outages(const struct report *r)
{
	return json_pack("{s:{s:I, s:I}, s:{s:I, s:I}}", "ca", "times", n(r->ca_outages), "ms",
	    n(r->ca_outage_ms), "hsm", "times", n(r->hsm_outages), "ms", n(r->hsm_outage_ms));
}

static json_t *json_of_made(const struct report *r, const struct report_head *h)
{
	return json_pack("{s:o, s:s, s:s, s:s}", "at", json_of_time(r->made_ms), "by", h->by,
	    "version", kiln_version(), "build", build_id());
}

static json_t *json_of_station(const struct report_head *h)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "id", h->station, "site", h->site, "line", h->line,
	    "accepts_test_ca", h->test_ca);
}

int report_json(const struct report *r, const struct report_head *h, struct buf *ret, struct err *e)
{
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{ "v", json_integer(JSON_VERSION) },
		{ "made", json_of_made(r, h) },
		{ "station", json_of_station(h) },
		{ "period", json_of_period(r, h) },
		{ "records", json_of_records(r, h) },
		{ "units", json_of_units(r) },
		{ "yield_ppm", json_of_ppm(report_yield_ppm(r)) },
		{ "first_pass_yield_ppm", json_of_ppm(report_first_pass_ppm(r)) },
		{ "jobs", json_of_jobs(r) },
		{ "failures", json_of_reasons(&r->failures) },
		{ "waits", json_of_reasons(&r->waits) },
		{ "refusals", json_of_reasons(&r->refusals) },
		{ "unidentified", json_of_reasons(&r->unidentified) },
		{ "rate", json_of_rate(r) },
		{ "steps", json_of_steps(r) },
		{ "split", json_of_split(r) },
		{ "bottleneck", json_of_bottleneck(r) },
		{ "slots", json_of_tallies(&r->slots) },
		{ "operators", json_of_tallies(&r->operators) },
		{ "products", json_of_tallies(&r->products) },
		{ "decisions", json_of_decisions(r) },
		{ "orphans", json_of_orphans(r) },
		{ "outages", json_of_outages(r) },
	};
	AUTO(json_t) *all = json_object();
	int rc = 0;

	for (size_t i = 0; i < COUNT(members); i++)
		if (json_set_new(all, members[i].name, members[i].value, e) != 0)
			rc = -1; /* the rest is taken over too */
	return rc == 0 ? json_canonical(all, ret, e) : -1;
}
