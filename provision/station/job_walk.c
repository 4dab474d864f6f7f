#include "job_walk.h"

#include <string.h>

#include "clock.h"
#include "failpoint.h"
#include "job_end.h"
#include "job_owed.h"
#include "job_scan.h"
#include "job_tell.h"
#include "job_wait.h"
#include "step.h"

enum { RETRY_PAUSE_MS = 200 };

/* False where the records refuse it: the passage ends by that. */
static bool is_durable(struct job *j, const struct record *r)
{
	const struct err why = r->err;

	if (r->rc == 0)
		return true;
	if (why.domain == ERR_RECORDS)
		station_break(j->station, &why);
	job_give_up(j, &why);
	return false;
}

/* ... or the station closes. */
static bool goes_on(struct job *j, const struct record *r)
{
	if (j->station->closing)
		return false;
	j->wait = WAIT_NOTHING;
	return is_durable(j, r);
}

static void forget(struct record *r)
{
	record_free(r);
	*r = (struct record){ 0 };
}

static void on_over(struct record *r)
{
	struct job *j = r->context;

	if (job_owed_refused(j) && !is_durable(j, r))
		return;
	if (r->rc != 0)
		station_break(j->station, &r->err);
	job_over(j);
}

/* The job of before has ended; the next one begins. */
static void on_ended(struct record *r)
{
	struct job *j = r->context;

	if (job_owed_refused(j) && !is_durable(j, r))
		return;
	if (r->rc != 0)
		station_break(j->station, &r->err);
	else if (j->lost.domain != ERR_NONE)
		job_end_between(j);
	if (r->rc != 0 || j->lost.domain != ERR_NONE || j->station->closing) {
		job_over(j);
		return;
	}
	job_end_begin_anew(j);
	job_walk(j);
}

static void submit(struct job *j, void (*done)(struct record *))
{
	j->wait = WAIT_RECORD;
	job_pay(j);
	j->record.done = done;
	j->record.context = j;
	records_submit(j->station->records, &j->record);
}

void job_give_up(struct job *j, const struct err *why)
{
	bool anew = job_end_is_beginning(j);
	struct err e = { 0 };

	j->verdict = *why;
	j->over = true;
	if (job_door(j) != NULL)
		door_leave(job_door(j), j);
	job_owed_blame(j);
	j->outcome = job_end_outcome(j, why);
	job_tell_step(j, anew ? "anew" : "failed", why);
	record_free(&j->record);
	j->record = (struct record){ .body = job_end_record(j, why) };
	if (j->record.body == NULL) {
		(void)err_nomem(&e);
		station_break(j->station, &e);
	}
	submit(j, anew ? on_ended : on_over);
}

/* Asked again later. */
static void wait_for(struct job *j, int64_t ms, const struct err *why)
{
	if (job_door(j) != NULL && !job_may_wait(j))
		job_give_up(j, why);
	else
		job_wait_for(j, ms, why);
}

static void fail(struct job *j, const struct err *why)
{
	const struct step *step = &steps[j->row];

	if (why->retry && ++j->tries < step->tries && j->lost.domain == ERR_NONE) {
		job_tell_step(j, "retry", why);
		job_wait_ms(j, RETRY_PAUSE_MS);
		return;
	}
	job_give_up(j, why);
}

static void next_row(struct job *j)
{
	job_tell_step(j, "ok", NULL);
	j->row = j->reset_row > 0 ? j->reset_row : j->row + 1;
	j->object = j->reset_row > 0 ? j->reset_object : 0;
	j->reset_row = 0;
	j->tries = 0;
	j->step_us = 0;
	if (j->row == step_count) {
		j->outcome = "passed";
		job_over(j);
		return;
	}
	job_walk(j);
}

static void act_on(struct job *j, enum verdict verdict, int64_t pause_ms, const struct err *why)
{
	switch (verdict) {
	case VERDICT_DONE:
		next_row(j);
		return;
	case VERDICT_AGAIN:
		if (pause_ms == 0) {
			job_walk(j);
			return;
		}
		wait_for(j, pause_ms, why);
		return;
	case VERDICT_WAIT:
		if (j->lost.domain != ERR_NONE || door_gives_up(job_door(j)))
			job_give_up(j, why);
		else
			job_walk(j);
		return;
	case VERDICT_FAIL:
		fail(j, why);
		return;
	}
}

static void on_judged(struct record *r)
{
	struct job *j = r->context;
	const struct step *step = &steps[j->row];
	struct err e = { 0 };

	FAILPOINT("job.recorded");
	if (!goes_on(j, r))
		return;
	if (step->recorded != NULL && step->recorded(j, r, &e) != 0) {
		job_give_up(j, &e);
		return;
	}
	forget(r);
	e = j->record_why;
	act_on(j, j->record_verdict, j->record_pause_ms, &e);
}

static void judge(struct job *j, const json_t *answer)
{
	const struct step *step = &steps[j->row];
	int64_t pause_ms = 0;
	struct err e = { 0 };
	enum verdict verdict;

	forget(&j->record);
	verdict = step->judge(j, answer, &j->record, &pause_ms, &e);
	FAILPOINT("job.judged");
	verdict = job_report(j, verdict, pause_ms, &e);
	if (j->record.body == NULL) {
		act_on(j, verdict, pause_ms, &e);
		return;
	}
	if (strcmp(json_opt_str(j->record.body, "event", ""), "step") == 0 &&
	    json_set_int(j->record.body, "ms", (clock_now_us() - j->step_us) / 1000, &e) != 0) {
		job_give_up(j, &e);
		return;
	}
	if (step->owes && verdict == VERDICT_DONE) {
		if (job_owe(j, &e) == 0)
			next_row(j);
		else
			job_give_up(j, &e);
		return;
	}
	j->record_verdict = verdict;
	j->record_pause_ms = pause_ms;
	j->record_why = e;
	submit(j, on_judged);
}

/* Whoever was asked died, or said no. A child that died is started again: asking again may do. */
static void judge_silence(struct job *j, const struct err *said)
{
	const struct step *step = &steps[j->row];
	bool outage = pool_is_outage(said);
	struct err why = *said;
	AUTO(json_t) *answer = NULL;

	if (step->unanswered == NULL && job_door(j) != NULL) {
		act_on(j, job_report(j, outage ? VERDICT_WAIT : VERDICT_FAIL, 0, &why), 0, &why);
		return;
	}
	if (step->unanswered == NULL) {
		why.retry |= outage;
		fail(j, &why);
		return;
	}
	answer = step->unanswered(j, said, &why);
	if (answer != NULL)
		judge(j, answer);
	else
		job_give_up(j, &why);
}

static void reset(struct job *j, const char *token)
{
	struct err e = { 0 };

	if (j->resets++ == JOB_RESETS_MAX) {
		(void)err_set(&e, ERR_DEVICE, "device.resets",
		    "the device wants to be reset again and again");
		job_give_up(j, &e);
		return;
	}
	j->wait = WAIT_RESET;
	slot_reset(j->slot, token);
}

static void on_answer(void *context, const json_t *answer, const struct err *e)
{
	struct job *j = context;
	const struct step *step = &steps[j->row];
	const char *token = answer != NULL ? json_opt_str(answer, "reset", NULL) : NULL;

	FAILPOINT("job.answered");
	j->wait = WAIT_NOTHING;
	j->spent_us[step->who] += clock_now_us() - j->asked_us;
	if (step->who == WHO_DEVICE && j->lost.domain != ERR_NONE) {
		job_give_up(j, &j->lost);
		return;
	}
	if (answer == NULL && job_says_away(e) && job_slot_away(j)) {
		slot_reset_goes_on(j->slot);
		return;
	}
	if (answer == NULL) {
		judge_silence(j, e);
		return;
	}
	if (step->who == WHO_DEVICE && token != NULL)
		reset(j, token);
	else
		judge(j, answer);
}

static int put(struct job *j, json_t *request, struct err *e)
{
	const struct step *step = &steps[j->row];
	int64_t deadline_ms = j->station->profile->deadline_ms[step->id];

	switch (step->who) {
	case WHO_DEVICE:
		return slot_ask(j->slot, request, deadline_ms, on_answer, j, e);
	case WHO_CA:
		return pool_ask(j->station->enrollers, request, deadline_ms, on_answer, j, e);
	case WHO_HSM:
		return pool_ask(j->station->signer, request, deadline_ms, on_answer, j, e);
	case WHO_STATION:
	case WHO_COUNT:
		break;
	}
	json_decref(request);
	return err_set(e, ERR_CONFIG, "step", "step %s asks nobody", step_name(step->id));
}

static void ask(struct job *j)
{
	const struct step *step = &steps[j->row];
	struct err e = { 0 };
	json_t *request;

	j->asked_us = clock_now_us();
	if (step->ask == NULL) {
		judge(j, NULL);
		return;
	}
	request = step->ask(j, &e);
	j->wait = step->who == WHO_DEVICE ? WAIT_DEVICE : WAIT_POOL;
	if (request == NULL || put(j, request, &e) != 0)
		job_give_up(j, &e);
	FAILPOINT("job.asked");
}

static void on_intended(struct record *r)
{
	struct job *j = r->context;
	const struct step *step = &steps[j->row];

	FAILPOINT("job.intended");
	if (!goes_on(j, r))
		return;
	if (step->intended != NULL)
		step->intended(j, r);
	forget(r);
	if (step->who == WHO_DEVICE && j->lost.domain != ERR_NONE)
		job_give_up(j, &j->lost);
	else
		ask(j);
}

void job_begin(struct job *j)
{
	struct err e = { 0 };

	if (steps[j->row].intend == NULL) {
		ask(j);
		return;
	}
	forget(&j->record);
	if (steps[j->row].intend(j, &j->record, &e) != 0) {
		job_give_up(j, &e);
		return;
	}
	submit(j, on_intended);
}

/* On with the row, now that nothing is owed. */
static void on_paid(struct record *r)
{
	struct job *j = r->context;

	FAILPOINT("job.paid");
	if (!goes_on(j, r))
		return;
	forget(r);
	job_walk(j);
}

/* An earlier passage was told not to ask before some time. */
static bool is_too_early(struct job *j)
{
	const struct step *step = &steps[j->row];
	struct err why = { 0 };
	int64_t ms = step->pause != NULL ? step->pause(j, &why) : 0;

	if (ms > 0)
		wait_for(j, ms, &why);
	return ms > 0;
}

void job_walk(struct job *j)
{
	FAILPOINT("job.walk");
	while (steps[j->row].skip != NULL && steps[j->row].skip(j))
		j->row++;
	if (steps[j->row].who == WHO_DEVICE && j->lost.domain != ERR_NONE) {
		job_give_up(j, &j->lost);
		return;
	}
	if (j->station->broken.domain != ERR_NONE) {
		job_give_up(j, &j->station->broken);
		return;
	}
	if (job_must_pay(j)) {
		job_pay_alone(j);
		submit(j, on_paid);
		return;
	}
	if (j->step_us == 0) {
		j->step_us = clock_now_us();
		job_tell_step(j, "start", NULL);
	}
	if (!is_too_early(j) && !job_must_queue(j) && !job_must_scan(j))
		job_begin(j);
}
