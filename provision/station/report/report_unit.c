#include "report_internal.h"

#include <stdio.h>
#include <string.h>

static void set_text(char *ret, size_t size, const char *text)
{
	(void)snprintf(ret, size, "%s", text);
}

static void set_reason(struct unit *u, enum report_outcome outcome, const json_t *error)
{
	u->row.outcome = outcome;
	count_text(u->row.reason, sizeof(u->row.reason), error, "code");
	count_text(u->row.message, sizeof(u->row.message), error, "message");
	count_text(u->domain, sizeof(u->domain), error, "domain");
}

static void open_job(struct report_builder *b, const json_t *claim, int64_t at_ms)
{
	const char *order = b->r->span.order;
	struct unit *u = &b->unit;
	struct unit_job *j = &u->job;

	*j = (struct unit_job){ .number = json_opt_int(claim, "record", 0),
		.opened_ms = at_ms,
		.open = true,
		.first = !u->ended,
		.rework = u->passed,
		.retest = u->failed && !u->passed };
	count_text(j->order, sizeof(j->order), claim, "order");
	(void)snprintf(j->product, sizeof(j->product), "%.80s %.40s",
	    json_opt_str(claim, "product", ""), json_opt_str(claim, "version", ""));
	j->counts = order == NULL || strcmp(order, j->order) == 0;
	u->jobs++;
	if (!j->counts)
		return;
	for (size_t i = 0; i < STEP_COUNT; i++)
		u->row.step_ms[i] = -1;
	u->row.begin_ms = at_ms;
	u->row.jobs = u->jobs;
	u->row.ordinal = json_opt_int(claim, "ordinal", 0);
	count_text(u->row.model, sizeof(u->row.model), claim, "model");
	set_text(u->row.order, sizeof(u->row.order), j->order);
}

/* Something of the present job happened in the period. */
static void touch(struct unit *u, int64_t at_ms)
{
	u->active = true;
	u->row.end_ms = at_ms;
}

static void on_claim(struct report_builder *b, const json_t *claim, int64_t at_ms, bool in_period)
{
	struct unit *u = &b->unit;
	struct unit_job *j = &u->job;
	bool opened = !j->open;

	if (opened)
		open_job(b, claim, at_ms);
	else
		j->waited = true;
	j->claimed_ms = at_ms;
	memset(j->who_ms, 0, sizeof(j->who_ms));
	if (!j->counts)
		return;
	count_text(u->row.slot, sizeof(u->row.slot), claim, "slot");
	count_text(u->row.operator, sizeof(u->row.operator), claim, "operator");
	u->row.whole_ms = -1;
	set_reason(u, REPORT_IN_WORK, NULL);
	if (!in_period)
		return;
	touch(u, at_ms);
	b->r->jobs_opened += opened;
	b->r->retests += opened && j->retest;
	b->r->reworks += opened && j->rework;
	b->r->continued += !opened;
	if (b->r->first_claim_ms == 0 || at_ms < b->r->first_claim_ms)
		b->r->first_claim_ms = at_ms;
}

static void on_step(struct report_builder *b, const json_t *event, bool in_period)
{
	struct unit *u = &b->unit;
	int64_t ms = json_opt_int(event, "ms", 0);
	enum step_id step = STEP_IDENTIFY;

	if (!step_parse(json_opt_str(event, "step", ""), &step))
		return;
	u->job.who_ms[report_who(step)] += ms;
	u->row.step_ms[step] = (u->row.step_ms[step] < 0 ? 0 : u->row.step_ms[step]) + ms;
	if (in_period)
		histogram_add(&b->r->steps[step], ms);
}

/* The rows of slot, operator and product that the present job counts in. */
static size_t tallies_of(struct report_builder *b, struct report_tally *ret[static 3])
{
	struct unit *u = &b->unit;
	size_t count = 0;

	ret[count++] = count_tally(&b->r->slots, u->row.slot);
	ret[count++] = count_tally(&b->r->products, u->job.product);
	if (u->row.operator[0] != '\0')
		ret[count++] = count_tally(&b->r->operators, u->row.operator);
	return count;
}

static void on_park(struct report_builder *b, const json_t *error, bool in_period)
{
	struct report_tally *tallies[3];

	b->unit.job.waited = true;
	set_reason(&b->unit, REPORT_WAITING, error);
	if (!in_period)
		return;
	count_reason(&b->r->waits, error, 1);
	for (size_t i = tallies_of(b, tallies); i > 0; i--)
		tallies[i - 1]->waits++;
}

/* Where the time of a job that passed went. */
static void split(struct report_builder *b, int64_t at_ms)
{
	const struct unit_job *j = &b->unit.job;
	int64_t whole = at_ms - j->claimed_ms, left = whole;

	for (enum who who = WHO_DEVICE; who < WHO_STATION; who++) {
		histogram_add(&b->r->split[who], j->who_ms[who]);
		left -= j->who_ms[who];
	}
	histogram_add(&b->r->split[WHO_STATION], left);
	histogram_add(&b->r->whole, whole);
}

static void count_passed(struct report_builder *b, int64_t at_ms)
{
	b->r->jobs_passed++;
	b->r->retests_passed += b->unit.job.retest;
	split(b, at_ms);
	count_end(b->r, at_ms, true);
}

static void count_failed(struct report_builder *b, const json_t *error, int64_t at_ms)
{
	count_reason(&b->r->failures, error, 1);
	count_end(b->r, at_ms, false);
}

static void count_job(struct report_builder *b, enum report_outcome outcome, const json_t *error,
    int64_t at_ms)
{
	const struct unit_job *j = &b->unit.job;
	struct report_tally *tallies[3];

	if (outcome == REPORT_REFUSED) {
		b->r->jobs_refused++;
		return;
	}
	if (outcome == REPORT_PASSED) {
		count_passed(b, at_ms);
	} else {
		b->r->jobs_failed++;
		count_failed(b, error, at_ms);
	}
	for (size_t i = tallies_of(b, tallies); i > 0; i--) {
		tallies[i - 1]->passed += outcome == REPORT_PASSED;
		tallies[i - 1]->failed += outcome == REPORT_FAILED;
	}
	b->r->first_jobs += j->first;
	b->r->first_passed += j->first && !j->waited && outcome == REPORT_PASSED;
}

static enum way way_of(const struct unit_job *j)
{
	if (j->rework)
		return WAY_REWORK;
	if (j->retest)
		return WAY_RETEST;
	return j->waited ? WAY_WAITED : WAY_AT_ONCE;
}

static void end_job(struct report_builder *b, enum report_outcome outcome, const json_t *error,
    int64_t at_ms, bool in_period)
{
	struct unit *u = &b->unit;

	u->job.open = false;
	u->ended |= outcome != REPORT_REFUSED;
	u->failed |= outcome == REPORT_FAILED;
	u->passed |= outcome == REPORT_PASSED;
	if (!u->job.counts)
		return;
	set_reason(u, outcome, error);
	u->way = way_of(&u->job);
	u->row.first_pass = u->job.first && !u->job.waited && outcome == REPORT_PASSED;
	u->row.whole_ms = outcome == REPORT_PASSED ? at_ms - u->job.claimed_ms : -1;
	if (in_period)
		count_job(b, outcome, error, at_ms);
}

static void on_end(struct report_builder *b, const json_t *event, int64_t at_ms, bool in_period)
{
	const char *text = json_opt_str(event, "outcome", "");
	enum report_outcome outcome = REPORT_FAILED;

	if (strcmp(text, "passed") == 0)
		outcome = REPORT_PASSED;
	else if (strcmp(text, "refused") == 0)
		outcome = REPORT_REFUSED;
	end_job(b, outcome, json_object_get(event, "error"), at_ms, in_period);
}

/* Ends an open job; a unit that was on the line in this period has failed by it, whatever it was. */
static void on_scrap(struct report_builder *b, int64_t at_ms, bool in_period)
{
	struct unit *u = &b->unit;
	struct err scrapped = { 0 };
	AUTO(json_t) *error = NULL;

	(void)err_set(&scrapped, ERR_OPERATOR, "unit.scrapped", "the unit was scrapped");
	error = json_from_err(&scrapped); /* NULL: the reason is unknown then */
	if (u->job.open) {
		if (in_period && u->job.counts)
			touch(u, at_ms);
		end_job(b, REPORT_FAILED, error, at_ms, in_period);
	} else if (in_period && u->active && u->row.outcome != REPORT_FAILED) {
		set_reason(u, REPORT_FAILED, error);
		u->row.end_ms = at_ms;
		count_failed(b, error, at_ms);
	}
}

enum report_outcome unit_turned_away(const json_t *error)
{
	enum err_domain domain = ERR_CONFIG;
	bool by_station = strcmp(json_opt_str(error, "scope", ""), "station") == 0;

	if (!err_domain_parse(json_opt_str(error, "domain", ""), &domain) || by_station)
		return REPORT_WAITING;
	/* The wrong unit, or the wrong label on it. */
	if (strcmp(json_opt_str(error, "code", ""), "scan.mismatch") == 0)
		return REPORT_FAILED;
	if (domain == ERR_OPERATOR)
		return REPORT_REFUSED;
	return domain == ERR_DEVICE || domain == ERR_CERT ? REPORT_FAILED : REPORT_WAITING;
}

/* Without a job. What the records refused of a job, or of an engineer, names a job or no slot. */
static void on_refused(struct report_builder *b, const json_t *event, int64_t at_ms)
{
	const json_t *error = json_object_get(event, "error");
	struct unit *u = &b->unit;

	if (json_object_get(event, "job") != NULL || json_object_get(event, "slot") == NULL ||
	    b->r->span.order != NULL)
		return;
	u->away.outcome = unit_turned_away(error);
	u->away.begin_ms = u->away.begin_ms == 0 ? at_ms : u->away.begin_ms;
	u->away.end_ms = at_ms;
	count_text(u->away.slot, sizeof(u->away.slot), event, "slot");
	count_text(u->away.reason, sizeof(u->away.reason), error, "code");
	count_text(u->away.message, sizeof(u->away.message), error, "message");
	count_text(u->away_domain, sizeof(u->away_domain), error, "domain");
	if (u->away.outcome == REPORT_FAILED)
		count_failed(b, error, at_ms);
	else if (u->away.outcome == REPORT_WAITING)
		count_reason(&b->r->waits, error, 1);
}

static void of_job(struct report_builder *b, const json_t *event, const char *kind, int64_t at_ms,
    bool in_period)
{
	struct unit *u = &b->unit;

	if (json_opt_int(event, "job", -1) != u->job.number || !u->job.open)
		return;
	if (u->job.counts && in_period)
		touch(u, at_ms);
	if (strcmp(kind, "end") == 0)
		on_end(b, event, at_ms, in_period);
	else if (u->job.counts && strcmp(kind, "step") == 0)
		on_step(b, event, in_period);
	else if (u->job.counts && strcmp(kind, "park") == 0)
		on_park(b, json_object_get(event, "error"), in_period);
}

void unit_event(struct report_builder *b, const json_t *event, const char *kind, int64_t at_ms,
    bool in_period)
{
	if (strcmp(kind, "claim") == 0)
		on_claim(b, event, at_ms, in_period);
	else if (strcmp(kind, "scrap") == 0)
		on_scrap(b, at_ms, in_period);
	else if (strcmp(kind, "refused") == 0 && in_period)
		on_refused(b, event, at_ms);
	else
		of_job(b, event, kind, at_ms, in_period);
}

/* Of the job that the unit had in the period, or else of what it was turned away for. */
static void choose(struct unit *u)
{
	if (u->active)
		return;
	for (size_t i = 0; i < STEP_COUNT; i++)
		u->away.step_ms[i] = -1;
	u->away.whole_ms = -1;
	u->away.jobs = u->jobs;
	set_text(u->away.serial, sizeof(u->away.serial), u->row.serial);
	set_text(u->away.model, sizeof(u->away.model), u->row.model);
	set_text(u->domain, sizeof(u->domain), u->away_domain);
	u->row = u->away;
}

static void count_unit(struct report *r, const struct unit *u)
{
	const struct report_unit *row = &u->row;
	struct report_reasons *reasons = NULL;

	r->units[row->outcome]++;
	if (row->outcome == REPORT_PASSED) {
		r->passed_after_wait += u->way == WAY_WAITED;
		r->passed_after_failure += u->way == WAY_RETEST;
		r->passed_as_rework += u->way == WAY_REWORK;
	}
	if (row->outcome == REPORT_FAILED)
		reasons = &r->failures;
	else if (row->outcome == REPORT_WAITING)
		reasons = &r->waits;
	else if (row->outcome == REPORT_REFUSED)
		reasons = &r->refusals;
	if (reasons != NULL)
		count_reason_unit(reasons, row->reason, u->domain, row->message,
		    row->outcome == REPORT_REFUSED);
}

int unit_end(struct report_builder *b, struct err *e)
{
	struct unit *u = &b->unit;

	if (u->row.serial[0] == '\0')
		return 0;
	choose(u);
	if (u->row.outcome == REPORT_NONE)
		return 0;
	count_unit(b->r, u);
	return b->hook.unit != NULL ? b->hook.unit(b->hook.context, &u->row, e) : 0;
}
