#include "report_tables.h"

#include <stdio.h>

#include "report_svg.h"

/* Columns that begin with # hold numbers. */
static void open_table(FILE *out, const char *class, const char *caption,
    const char *const columns[])
{
	(void)fprintf(out, "<table class=\"%s\">\n<caption>%s</caption>\n<thead><tr>", class,
	    caption);
	for (; *columns != NULL; columns++) {
		bool number = **columns == '#';

		(void)fprintf(out, "<th scope=\"col\"%s>%s</th>", number ? " class=\"n\"" : "",
		    *columns + number);
	}
	(void)fputs("</tr></thead>\n<tbody>\n", out);
}

static void close_table(FILE *out)
{
	(void)fputs("</tbody>\n</table>\n", out);
}

static void open_row(FILE *out, const char *name)
{
	(void)fputs("<tr><th scope=\"row\">", out);
	svg_text(out, name);
	(void)fputs("</th>", out);
}

static void close_row(FILE *out)
{
	(void)fputs("</tr>\n", out);
}

static void put_number(FILE *out, int64_t number)
{
	(void)fprintf(out, "<td class=\"n\">%lld</td>", (long long)number);
}

static void put_cell(FILE *out, const char *class, const char *text)
{
	(void)fprintf(out, "<td class=\"%s\">", class);
	svg_text(out, text);
	(void)fputs("</td>", out);
}

static void put_units(const struct report *r, FILE *out)
{
	static const char *const columns[] = { "Units and jobs", "#", NULL };
	int64_t at_once = r->units[REPORT_PASSED] - r->passed_after_wait - r->passed_after_failure -
			  r->passed_as_rework;
	const struct {
		const char *name;
		int64_t number;
	} rows[] = {
		{ "units passed at once", at_once },
		{ "units passed after a wait", r->passed_after_wait },
		{ "units passed after a failure", r->passed_after_failure },
		{ "units passed as a rework", r->passed_as_rework },
		{ "jobs opened", r->jobs_opened },
		{ "jobs passed", r->jobs_passed },
		{ "jobs failed", r->jobs_failed },
		{ "jobs refused", r->jobs_refused },
		{ "retests", r->retests },
		{ "retests passed", r->retests_passed },
		{ "reworks", r->reworks },
		{ "continued after a wait or a restart", r->continued },
		{ "turned away unidentified", r->unidentified_times },
	};

	open_table(out, "", "Counts", columns);
	for (size_t i = 0; i < COUNT(rows); i++) {
		open_row(out, rows[i].name);
		put_number(out, rows[i].number);
		close_row(out);
	}
	close_table(out);
}

static void put_times(FILE *out, const char *name, const char *by, const struct histogram *h)
{
	char text[VIEW_TEXT];

	if (h->count == 0)
		return;
	open_row(out, name);
	put_cell(out, "", by);
	put_number(out, h->count);
	put_cell(out, "n", view_duration(histogram_percentile(h, 50), text));
	put_cell(out, "n", view_duration(histogram_percentile(h, 95), text));
	put_cell(out, "n", view_duration(h->max_ms, text));
	close_row(out);
}

static void put_steps(const struct report *r, FILE *out)
{
	static const char *const columns[] = { "Step", "By", "#Times", "#p50", "#p95", "#Longest",
		NULL };

	open_table(out, "", "Times", columns);
	for (enum step_id s = STEP_IDENTIFY; s < STEP_COUNT; s++)
		put_times(out, step_name(s), who_name(report_who(s)), &r->steps[s]);
	for (enum who w = WHO_DEVICE; w < WHO_COUNT; w++)
		put_times(out, "passed job", who_name(w), &r->split[w]);
	put_times(out, "passed job", "whole", &r->whole);
	close_table(out);
}

/* times and units: which of the two columns say something of these reasons. */
static void put_reasons(FILE *out, const char *caption, bool times, bool units,
    const struct report_reasons *reasons)
{
	const char *columns[6] = { "Reason", "Domain" };
	size_t count = 2;

	if (reasons->count == 0)
		return;
	if (times)
		columns[count++] = "#Times";
	if (units)
		columns[count++] = "#Units";
	columns[count] = "First said";
	open_table(out, "reasons", caption, columns);
	for (size_t i = 0; i < reasons->count; i++) {
		const struct report_reason *row = &reasons->list[i];

		open_row(out, row->code);
		put_cell(out, "", row->domain);
		if (times)
			put_number(out, row->times);
		if (units)
			put_number(out, row->units);
		put_cell(out, "m", row->message);
		close_row(out);
	}
	close_table(out);
}

static void put_tallies(FILE *out, const char *caption, const char *name,
    const struct report_tallies *t)
{
	const char *const columns[] = { name, "#Passed", "#Failed", "#Waits", NULL };

	if (t->count == 0)
		return;
	open_table(out, "", caption, columns);
	for (size_t i = 0; i < t->count; i++) {
		open_row(out, t->list[i].name);
		put_number(out, t->list[i].passed);
		put_number(out, t->list[i].failed);
		put_number(out, t->list[i].waits);
		close_row(out);
	}
	close_table(out);
}

static void put_rate(const struct report *r, FILE *out)
{
	static const char *const columns[] = { "From", "#Passed", "#Failed", "#Yield", NULL };
	bool one_day = r->span.to_ms - r->span.from_ms <= 25 * 3600000;

	if (r->last_end_ms == 0)
		return;
	open_table(out, "", "Over time", columns);
	for (size_t i = 0; i < r->bucket_count; i++) {
		const struct report_bucket *b = &r->buckets[i];
		char from[ZONE_TEXT], percent[VIEW_TEXT];

		if (b->passed + b->failed == 0)
			continue;
		zone_say(b->from_ms, one_day ? ZONE_CLOCK : ZONE_MINUTES, from);
		open_row(out, from);
		put_number(out, b->passed);
		put_number(out, b->failed);
		put_cell(out, "n",
		    view_percent(view_share(b->passed, b->passed + b->failed), percent));
		close_row(out);
	}
	close_table(out);
}

static void put_decisions(const struct report *r, FILE *out)
{
	static const char *const columns[] = { "Decision", "By", "#Times", NULL };

	if (r->decision_count == 0)
		return;
	open_table(out, "", "Decided by people", columns);
	for (size_t i = 0; i < r->decision_count; i++) {
		open_row(out, r->decisions[i].what);
		put_cell(out, "", r->decisions[i].by);
		put_number(out, r->decisions[i].times);
		close_row(out);
	}
	close_table(out);
}

static void put_outages(const struct report *r, FILE *out)
{
	static const char *const columns[] = { "Away", "#Times", "#In all", NULL };
	const struct {
		const char *name;
		int64_t times, ms;
	} rows[] = { { "CA", r->ca_outages, r->ca_outage_ms },
		{ "HSM", r->hsm_outages, r->hsm_outage_ms } };
	char text[VIEW_TEXT];

	if (r->ca_outages + r->hsm_outages == 0)
		return;
	open_table(out, "", "Outages", columns);
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].times == 0)
			continue;
		open_row(out, rows[i].name);
		put_number(out, rows[i].times);
		put_cell(out, "n", view_duration(rows[i].ms, text));
		close_row(out);
	}
	close_table(out);
}

static void put_orphans(const struct report *r, FILE *out)
{
	static const char *const columns[] = { "Unit", "Listed", "State", "Reason", "Id", NULL };
	char text[ZONE_TEXT];

	if (r->orphans == 0)
		return;
	open_table(out, "orphans", "Orphans", columns);
	for (size_t i = 0; i < r->orphan_count; i++) {
		const struct report_orphan *o = &r->orphan_list[i];

		open_row(out, o->serial);
		zone_say(o->at_ms, ZONE_SECONDS, text);
		put_cell(out, "", text);
		put_cell(out, "", o->state);
		put_cell(out, "m", o->reason);
		(void)snprintf(text, sizeof(text), "%.16s...",
		    o->id); /* kiln orphans has it whole */
		put_cell(out, "mono", text);
		close_row(out);
	}
	close_table(out);
	(void)fprintf(out, "<p>%lld orphans: %lld unrevoked, %lld undecided, %lld revoked.%s</p>\n",
	    (long long)r->orphans, (long long)r->orphans_unrevoked, (long long)r->orphans_undecided,
	    (long long)r->orphans_revoked,
	    (size_t)r->orphans > r->orphan_count
		? " <span class=\"mono\">kiln orphans</span> lists them all."
		: "");
}

static void put_place(FILE *out, const struct report_chain *c, const char *name, int64_t seq,
    const char *hash)
{
	open_row(out, c->station);
	put_cell(out, "", name);
	put_number(out, seq);
	put_cell(out, "mono", hash);
	close_row(out);
}

/* So that an auditor can find the same events in the chain. */
static void put_chains(const struct report *r, const struct report_head *h, FILE *out)
{
	static const char *const columns[] = { "Station", "Event", "#Place in the chain", "Hash",
		NULL };

	open_table(out, "", "Records", columns);
	for (size_t i = 0; i < r->chain_count; i++) {
		const struct report_chain *c = &r->chains[i];

		put_place(out, c, "first", c->first_seq, c->first_hash);
		put_place(out, c, "last", c->last_seq, c->last_hash);
	}
	close_table(out);
	(void)fputs("<p>From <span class=\"mono\">", out);
	svg_text(out, h->records);
	(void)fputs(r->chain_count > 0
			? "</span>. <span class=\"mono\">kiln verify</span> checks the chain, "
			  "<span class=\"mono\">kiln log</span> shows the events.</p>\n"
			: "</span>: no event in the period.</p>\n",
	    out);
}

void report_tables(const struct report *r, const struct report_head *h, FILE *out)
{
	(void)fputs("<div class=\"two tables\">\n<div>\n", out);
	put_units(r, out);
	(void)fputs("</div>\n<div>\n", out);
	put_steps(r, out);
	(void)fputs("</div>\n</div>\n", out);
	put_reasons(out, "Failures", true, true, &r->failures);
	put_reasons(out, "Waits", true, true, &r->waits);
	put_reasons(out, "Refused", false, true, &r->refusals);
	put_reasons(out, "Turned away unidentified", true, false, &r->unidentified);
	(void)fputs("<div class=\"two\">\n<div>\n", out);
	put_rate(r, out);
	(void)fputs("</div>\n<div>\n", out);
	put_tallies(out, "Products", "Product", &r->products);
	put_tallies(out, "Slots", "Slot", &r->slots);
	put_tallies(out, "Operators", "Operator", &r->operators);
	put_decisions(r, out);
	put_outages(r, out);
	(void)fputs("</div>\n</div>\n", out);
	put_orphans(r, out);
	put_chains(r, h, out);
}
