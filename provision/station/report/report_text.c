#include <stdio.h>
#include <string.h>

#include "report_view.h"

/* What a terminal would obey becomes '?', as in cli_print. */
static void put_text(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		bool is_c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		(void)fputc(*p < 0x20 || *p == 0x7f || is_c1 ? '?' : *p, out);
		p += is_c1;
	}
}

/* In a column of at least that many characters (not bytes). */
static void put_column(FILE *out, const char *text, int width)
{
	int len = 0;

	put_text(out, text);
	for (const char *p = text; *p != '\0'; p++)
		len += ((unsigned char)*p & 0xc0) != 0x80;
	(void)fprintf(out, "%*s", len < width ? width - len : 0, "");
}

static void put_line(FILE *out, const char *label, const char *text)
{
	(void)fprintf(out, "  %-10s ", label);
	put_text(out, text);
	(void)fputc('\n', out);
}

static void put_head(const struct report *r, const struct report_head *h, FILE *out)
{
	char text[VIEW_PERIOD], by[ZONE_TEXT + 200];

	put_text(out, h->station[0] != '\0' ? h->station : h->records);
	(void)fputs(": ", out);
	put_text(out, h->title);
	(void)fputs("\n\n", out);
	view_period(r, text);
	put_line(out, "period", text);
	zone_text(r->made_ms, text);
	(void)snprintf(by, sizeof(by), "%s by %s%s", text, h->by,
	    view_goes_on(r) ? "; the period is not over" : "");
	put_line(out, "made", by);
	put_line(out, "records", h->records);
	for (size_t i = 0; i < r->chain_count; i++) {
		const struct report_chain *c = &r->chains[i];

		(void)fprintf(out, "  %-10s ", "events");
		put_text(out, c->station);
		(void)fprintf(out, "/%lld %.12s... to %lld %.12s...\n", (long long)c->first_seq,
		    c->first_hash, (long long)c->last_seq, c->last_hash);
	}
}

static void put_units(const struct report *r, FILE *out)
{
	char yield[VIEW_TEXT], first[VIEW_TEXT];

	(void)fprintf(out,
	    "\n  %lld passed, %lld failed, %lld refused, %lld waiting, %lld in work\n",
	    (long long)r->units[REPORT_PASSED], (long long)r->units[REPORT_FAILED],
	    (long long)r->units[REPORT_REFUSED], (long long)r->units[REPORT_WAITING],
	    (long long)r->units[REPORT_IN_WORK]);
	(void)fprintf(out, "  yield %s (%lld of %lld), first-pass yield %s (%lld of %lld)\n",
	    view_percent(report_yield_ppm(r), yield), (long long)r->units[REPORT_PASSED],
	    (long long)report_ended(r), view_percent(report_first_pass_ppm(r), first),
	    (long long)r->first_passed, (long long)r->first_jobs);
	(void)fprintf(out, "  passed after a wait %lld, after a failure %lld, as a rework %lld\n",
	    (long long)r->passed_after_wait, (long long)r->passed_after_failure,
	    (long long)r->passed_as_rework);
	(void)fprintf(out, "  retests %lld (%lld passed), reworks %lld, continued %lld\n",
	    (long long)r->retests, (long long)r->retests_passed, (long long)r->reworks,
	    (long long)r->continued);
	if (report_per_hour(r) >= 0)
		(void)fprintf(out, "  %lld units per hour\n", (long long)report_per_hour(r));
}

/* times and units: which of the two say something of these reasons. */
static void put_reasons(const char *title, bool times, bool units,
    const struct report_reasons *reasons, FILE *out)
{
	if (reasons->count == 0)
		return;
	(void)fprintf(out, "\n  %-28s %6s %6s  first said\n", title, times ? "times" : "",
	    units ? "units" : "");
	for (size_t i = 0; i < reasons->count; i++) {
		const struct report_reason *row = &reasons->list[i];

		(void)fputs("  ", out);
		put_column(out, row->code, 28);
		(void)fprintf(out, times ? " %6lld" : " %6.0lld",
		    times ? (long long)row->times : 0);
		(void)fprintf(out, units ? " %6lld  " : " %6.0lld  ",
		    units ? (long long)row->units : 0);
		put_text(out, row->message);
		(void)fputc('\n', out);
	}
}

static void put_times(FILE *out, const char *name, const char *by, const struct histogram *h)
{
	if (h->count == 0)
		return;
	(void)fprintf(out, "  %-10s %-8s %8lld %10lld %10lld\n", name, by, (long long)h->count,
	    (long long)histogram_percentile(h, 50), (long long)histogram_percentile(h, 95));
}

static void put_steps(const struct report *r, FILE *out)
{
	(void)fprintf(out, "\n  %-10s %-8s %8s %10s %10s\n", "step", "by", "times", "p50 ms",
	    "p95 ms");
	for (enum step_id s = STEP_IDENTIFY; s < STEP_COUNT; s++)
		put_times(out, step_name(s), who_name(report_who(s)), &r->steps[s]);
	if (r->whole.count == 0)
		return;
	(void)fprintf(out, "\n  %-10s %-8s %8s %10s %10s\n", "passed", "", "jobs", "p50 ms",
	    "p95 ms");
	for (enum who w = WHO_DEVICE; w < WHO_COUNT; w++)
		put_times(out, who_name(w), "", &r->split[w]);
	put_times(out, "whole", "", &r->whole);
}

static void put_rate(const struct report *r, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < r->bucket_count; i++) {
		char from[ZONE_TEXT];

		if (r->buckets[i].passed + r->buckets[i].failed == 0)
			continue;
		if (!any)
			(void)fprintf(out, "\n  %-10s %8s %8s\n", "from", "passed", "failed");
		any = true;
		view_bucket(r, i, from);
		(void)fprintf(out, "  %-10s %8lld %8lld\n", from, (long long)r->buckets[i].passed,
		    (long long)r->buckets[i].failed);
	}
}

static void put_tallies(const char *title, const struct report_tallies *t, FILE *out)
{
	if (t->count == 0)
		return;
	(void)fprintf(out, "\n  %-28s %8s %8s %8s\n", title, "passed", "failed", "waits");
	for (size_t i = 0; i < t->count; i++) {
		(void)fputs("  ", out);
		put_column(out, t->list[i].name, 28);
		(void)fprintf(out, " %8lld %8lld %8lld\n", (long long)t->list[i].passed,
		    (long long)t->list[i].failed, (long long)t->list[i].waits);
	}
}

static void put_decisions(const struct report *r, FILE *out)
{
	if (r->decision_count > 0)
		(void)fprintf(out, "\n  %-20s %6s  by\n", "decided", "times");
	for (size_t i = 0; i < r->decision_count; i++) {
		(void)fprintf(out, "  %-20s %6lld  ", r->decisions[i].what,
		    (long long)r->decisions[i].times);
		put_text(out, r->decisions[i].by);
		(void)fputc('\n', out);
	}
}

static void put_outage(const char *name, int64_t times, int64_t ms, FILE *out)
{
	char text[VIEW_TEXT];

	if (times > 0)
		(void)fprintf(out, "  %s away %lld times, %s\n", name, (long long)times,
		    view_duration(ms, text));
}

void report_text(const struct report *r, const struct report_head *h, FILE *out)
{
	put_head(r, h, out);
	put_units(r, out);
	put_reasons("failures", true, true, &r->failures, out);
	put_reasons("waits", true, true, &r->waits, out);
	put_reasons("refused", false, true, &r->refusals, out);
	put_reasons("not identified", true, false, &r->unidentified, out);
	put_rate(r, out);
	put_steps(r, out);
	put_tallies("product", &r->products, out);
	put_tallies("slot", &r->slots, out);
	put_tallies("operator", &r->operators, out);
	put_decisions(r, out);
	(void)fprintf(out, "\n  orphans listed: %lld, of which %lld unrevoked, %lld undecided\n",
	    (long long)r->orphans, (long long)r->orphans_unrevoked,
	    (long long)r->orphans_undecided);
	put_outage("CA", r->ca_outages, r->ca_outage_ms, out);
	put_outage("HSM", r->hsm_outages, r->hsm_outage_ms, out);
}
