#include "job_wait.h"

#include <stdlib.h>

#include "clock.h"
#include "job_tell.h"
#include "step.h"

/* Whom the present row asks, and all others too: NULL for the device and the records. */
struct door *job_door(const struct job *j)
{
	switch (steps[j->row].who) {
	case WHO_CA:
		return j->station->ca_door;
	case WHO_HSM:
		return j->station->hsm_door;
	case WHO_DEVICE:
	case WHO_STATION:
	case WHO_COUNT:
		break;
	}
	return NULL;
}

void job_wait_ms(struct job *j, int64_t ms)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	j->wait = WAIT_TIMER;
	if (event_add(j->timer, &t) != 0)
		abort(); /* a timer fails only without memory, and that ends the program (memory.h) */
}

bool job_may_wait(const struct job *j)
{
	return j->lost.domain == ERR_NONE && !j->station->leaving;
}

void job_wait_for(struct job *j, int64_t ms, const struct err *why)
{
	if (job_door(j) != NULL)
		j->waits = *why;
	j->asked_us = clock_now_us();
	job_tell_step(j, "wait", why->domain != ERR_NONE ? why : NULL);
	job_wait_ms(j, ms);
}

void job_wait_ended(struct job *j)
{
	j->wait = WAIT_NOTHING;
	j->waits = (struct err){ 0 };
	j->spent_us[steps[j->row].who] += clock_now_us() - j->asked_us;
}

static const struct pool *pool_of(const struct job *j)
{
	return steps[j->row].who == WHO_CA ? j->station->enrollers : j->station->signer;
}

/* What he answered himself is no child's fault, also while children still start: his pause holds. */
static enum gate_cause cause_of(const struct job *j, const struct err *why)
{
	if (pool_is_lost(pool_of(j)))
		return GATE_FINAL;
	if (err_is(why, "ca.denied"))
		return GATE_DENIED;
	return pool_is_outage(why) && pool_is_short(pool_of(j)) ? GATE_CHILD : GATE_OUTAGE;
}

/* Its tries count only where an outage begins by it. */
static bool stays(const struct job *j, enum verdict verdict)
{
	unsigned tries = steps[j->row].tries;
	bool may_ask = tries == 0 || door_why(job_door(j)) != NULL || j->tries + 1 < tries;

	return verdict == VERDICT_WAIT && j->lost.domain == ERR_NONE && may_ask;
}

enum verdict job_report(struct job *j, enum verdict verdict, int64_t pause_ms,
    const struct err *why)
{
	struct door *d = job_door(j);
	bool his;

	if (d == NULL || !j->pass.held)
		return verdict;
	if (verdict != VERDICT_WAIT && (verdict != VERDICT_FAIL || why->scope != SCOPE_STATION)) {
		door_worked(d, j);
		return verdict;
	}
	his = why->domain == ERR_CA || why->domain == ERR_HSM || pool_is_lost(pool_of(j));
	if (!his) {
		door_leave(d, j);
		return verdict;
	}
	if (!door_failed(d, j, cause_of(j, why), why, pause_ms, stays(j, verdict)) ||
	    steps[j->row].tries == 0)
		return verdict;
	return ++j->tries < steps[j->row].tries ? verdict : VERDICT_FAIL;
}

bool job_must_queue(struct job *j)
{
	struct door *d = job_door(j);

	if (d == NULL || door_enter(d, j))
		return false;
	j->wait = WAIT_GATE;
	j->asked_us = clock_now_us();
	if (door_why(d) != NULL)
		job_tell_step(j, "wait", door_why(d));
	return true;
}

bool job_says_away(const struct err *said)
{
	return err_is(said, "link.gone") || err_is(said, "link.absent");
}

bool job_slot_away(struct job *j)
{
	bool asks = j->wait == WAIT_DEVICE || j->wait == WAIT_TIMER || j->wait == WAIT_NOTHING;

	if (j->row != 0 || j->resets == 0 || j->resets == JOB_RESETS_MAX || j->over || !asks)
		return false;
	j->resets++;
	if (j->wait == WAIT_TIMER)
		(void)event_del(j->timer); /* it was pending */
	j->wait = WAIT_RESET;
	return true;
}
