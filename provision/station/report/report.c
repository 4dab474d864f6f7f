#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "report_internal.h"

static const char *const outcome_names[REPORT_OUTCOMES] = { "none", "passed", "failed", "refused",
	"waiting", "in-work" };

const char *report_outcome_name(enum report_outcome outcome)
{
	return outcome_names[outcome];
}

enum who report_who(enum step_id step)
{
	switch (step) {
	case STEP_ENROL:
		return WHO_CA;
	case STEP_ATTEST:
		return WHO_HSM;
	case STEP_CLAIM:
	case STEP_FINISH:
		return WHO_STATION;
	case STEP_IDENTIFY:
	case STEP_KEYGEN:
	case STEP_REQUEST:
	case STEP_INSTALL:
	case STEP_READBACK:
	case STEP_PROVE:
	case STEP_SEAL:
	case STEP_COUNT:
		break;
	}
	return WHO_DEVICE;
}

enum who report_bottleneck(const struct report *r)
{
	enum who most = WHO_COUNT;

	if (r->whole.count == 0)
		return WHO_COUNT;
	for (enum who w = WHO_DEVICE; w < WHO_COUNT; w++)
		if (most == WHO_COUNT || histogram_percentile(&r->split[w], 50) >
					     histogram_percentile(&r->split[most], 50))
			most = w;
	return most;
}

enum step_id report_longest_step(const struct report *r, enum who who)
{
	enum step_id longest = STEP_COUNT;

	for (enum step_id s = STEP_IDENTIFY; s < STEP_COUNT; s++)
		if (report_who(s) == who && r->steps[s].count > 0 &&
		    (longest == STEP_COUNT || histogram_percentile(&r->steps[s], 50) >
						  histogram_percentile(&r->steps[longest], 50)))
			longest = s;
	return longest;
}

int64_t report_ended(const struct report *r)
{
	return r->units[REPORT_PASSED] + r->units[REPORT_FAILED];
}

int64_t report_yield_ppm(const struct report *r)
{
	int64_t ended = report_ended(r);

	return ended > 0 ? r->units[REPORT_PASSED] * 1000000 / ended : -1;
}

int64_t report_first_pass_ppm(const struct report *r)
{
	return r->first_jobs > 0 ? r->first_passed * 1000000 / r->first_jobs : -1;
}

int64_t report_per_hour(const struct report *r)
{
	int64_t ms = r->last_end_ms - r->first_claim_ms;

	return r->first_claim_ms > 0 && ms > 0 ? report_ended(r) * 3600000 / ms : -1;
}

void report_free(struct report *r)
{
	free(r);
}

int report_builder_new(struct report_builder **ret, const struct records_span *span, int64_t now_ms,
    const struct report_hook *hook, struct err *e)
{
	AUTO_PTR(report_builder) *b = calloc(1, sizeof(*b));

	if (b == NULL || (b->r = calloc(1, sizeof(*b->r))) == NULL)
		return err_nomem(e);
	b->r->span = *span;
	b->r->made_ms = now_ms;
	if (hook != NULL)
		b->hook = *hook;
	rate_cut(b->r);
	*ret = steal(&b);
	return 0;
}

void report_builder_free(struct report_builder *b)
{
	if (b->r != NULL)
		report_free(b->r);
	free(b);
}

/* The part of an outage that lies in the period; one that was not seen to begin began before it. */
static void outage(const struct report *r, int64_t *since_ms, int64_t at_ms, bool down,
    int64_t *count, int64_t *sum_ms)
{
	if (down) {
		if (*since_ms == 0)
			(*count)++;
		*since_ms = *since_ms == 0 ? at_ms : *since_ms;
		return;
	}
	if (*since_ms == 0)
		(*count)++;
	*sum_ms += at_ms - (*since_ms == 0 ? r->span.from_ms : *since_ms);
	*since_ms = 0;
}

/* A station that starts or stops waits for nobody, and the period ends: an outage that was open is over. */
static void end_outages(struct report_builder *b, int64_t at_ms)
{
	struct report *r = b->r;

	if (b->ca_down_ms != 0)
		outage(r, &b->ca_down_ms, at_ms, false, &r->ca_outages, &r->ca_outage_ms);
	if (b->hsm_down_ms != 0)
		outage(r, &b->hsm_down_ms, at_ms, false, &r->hsm_outages, &r->hsm_outage_ms);
}

static void of_station(struct report_builder *b, const json_t *event, int64_t at_ms)
{
	const char *what = json_opt_str(event, "what", "");
	struct report *r = b->r;

	if (strcmp(what, "ca-down") == 0 || strcmp(what, "ca-up") == 0)
		outage(r, &b->ca_down_ms, at_ms, what[3] == 'd', &r->ca_outages, &r->ca_outage_ms);
	else if (strcmp(what, "hsm-down") == 0 || strcmp(what, "hsm-up") == 0)
		outage(r, &b->hsm_down_ms, at_ms, what[4] == 'd', &r->hsm_outages,
		    &r->hsm_outage_ms);
	else if (strcmp(what, "start") == 0 || strcmp(what, "stop") == 0)
		end_outages(b, at_ms);
}

/* A device that was turned away before it said its serial. */
static void of_nobody(struct report *r, const json_t *event)
{
	const json_t *error = json_object_get(event, "error");

	if (json_object_get(event, "slot") == NULL || json_object_get(event, "job") != NULL ||
	    r->span.order != NULL)
		return;
	r->unidentified_times++;
	count_reason(&r->unidentified, error, 1);
}

static void of_no_unit(struct report_builder *b, const json_t *event, const char *kind,
    int64_t at_ms)
{
	if (strcmp(kind, "station") == 0)
		of_station(b, event, at_ms);
	else if (strcmp(kind, "refused") == 0)
		of_nobody(b->r, event);
}

/* A person's decision says by whom. */
static void take_decision(struct report *r, const json_t *event, const char *kind)
{
	const char *by = json_opt_str(event, "by", NULL);

	if (by != NULL)
		count_decision(r,
		    strcmp(kind, "station") == 0 ? json_opt_str(event, "what", "") : kind, by);
}

static int next_unit(struct report_builder *b, const char *serial, struct err *e)
{
	if (strcmp(b->unit.row.serial, serial) == 0)
		return 0;
	if (unit_end(b, e) != 0)
		return -1;
	b->unit = (struct unit){ 0 };
	(void)snprintf(b->unit.row.serial, sizeof(b->unit.row.serial), "%s", serial);
	return 0;
}

int report_builder_event(const json_t *event, void *builder, struct err *e)
{
	struct report_builder *b = builder;
	struct report *r = b->r;
	const char *kind = json_opt_str(event, "event", "");
	const char *serial = json_opt_str(event, "unit", NULL);
	int64_t at_ms = clock_parse(json_opt_str(event, "at", ""));
	bool in_period = at_ms >= r->span.from_ms && at_ms < r->span.to_ms;

	if (in_period && (serial != NULL || r->span.order == NULL)) {
		count_chain(r, event);
		take_decision(r, event, kind);
	}
	if (serial == NULL) {
		of_no_unit(b, event, kind, at_ms);
		return 0;
	}
	if (next_unit(b, serial, e) != 0)
		return -1;
	unit_event(b, event, kind, at_ms, in_period);
	return 0;
}

int report_builder_orphan(const json_t *orphan, void *builder, struct err *e)
{
	struct report_builder *b = builder;
	const char *id = json_opt_str(orphan, "id", "");

	(void)e;
	count_orphan(b->r, orphan, strcmp(b->orphan, id) == 0);
	(void)snprintf(b->orphan, sizeof(b->orphan), "%s", id);
	return 0;
}

int report_builder_end(struct report_builder *b, struct report **ret, struct err *e)
{
	if (unit_end(b, e) != 0)
		return -1;
	end_outages(b, b->r->span.to_ms < b->r->made_ms ? b->r->span.to_ms : b->r->made_ms);
	count_sort(b->r);
	*ret = steal(&b->r);
	return 0;
}

int report_new(struct report **ret, struct records *records, const struct records_span *span,
    int64_t now_ms, const struct report_hook *hook, struct err *e)
{
	AUTO_PTR(report_builder) *b = NULL;

	if (report_builder_new(&b, span, now_ms, hook, e) != 0 ||
	    records_period(records, span, report_builder_event, b, e) != 0 ||
	    records_period_orphans(records, span, report_builder_orphan, b, e) != 0)
		return -1;
	return report_builder_end(b, ret, e);
}
