#include "job_scan.h"

#include <string.h>

#include "clock.h"
#include "job_tell.h"
#include "step.h"

static size_t index_of(const struct job *j)
{
	return (size_t)(j->slot - j->station->slots);
}

const struct scan *job_label(const struct job *j)
{
	return j->slot != NULL ? scans_of(&j->station->scans, index_of(j)) : NULL;
}

/* Nothing was made, and nobody is to blame but the one who did not scan it: no unit's failure. */
static int needed(struct err *e)
{
	return err_scope(err_set(e, ERR_OPERATOR, "scan.needed",
			     "this unit's label is not scanned"),
	    e, SCOPE_STATION);
}

bool job_must_scan(struct job *j)
{
	struct station *s = j->station;

	if (s->scans.order == SCAN_NONE || steps[j->row].id != STEP_CLAIM || j->slot == NULL ||
	    job_label(j) != NULL || s->draining)
		return false;
	scans_ask(&s->scans, index_of(j));
	(void)needed(&j->waits); /* it says so */
	j->wait = WAIT_TIMER;
	j->asked_us = clock_now_us();
	job_tell_step(j, "wait", &j->waits);
	return true;
}

bool job_waits_for_scan(const struct job *j)
{
	return j->wait == WAIT_TIMER && err_is(&j->waits, "scan.needed");
}

void job_scanned(struct job *j)
{
	int64_t waited_us = clock_now_us() - j->asked_us;

	if (!job_waits_for_scan(j))
		return;
	j->begun_us += waited_us;
	j->step_us += waited_us;
	job_let_in(j);
}

int job_check_label(struct job *j, struct err *e)
{
	const struct scan *label = job_label(j);

	if (j->station->scans.order == SCAN_NONE)
		return 0;
	if (label == NULL)
		return needed(e);
	if (strcmp(label->serial, j->identity.serial) == 0)
		return 0;
	scans_wrong(&j->station->scans, index_of(j));
	return err_set(e, ERR_OPERATOR, "scan.mismatch",
	    "the label that was scanned says %s, the chip says %s", label->serial,
	    j->identity.serial);
}
