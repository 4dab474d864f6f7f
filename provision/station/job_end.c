#include "job_end.h"

#include <string.h>

#include "job_scan.h"
#include "step.h"

static bool must_park(const struct job *j, const struct err *why)
{
	return j->claimed && (why->scope == SCOPE_STATION || why->domain == ERR_LINK);
}

/* A station's error is never the unit's, also where it has no job yet that could be parked. */
const char *job_end_outcome(const struct job *j, const struct err *why)
{
	if (must_park(j, why) || why->scope == SCOPE_STATION)
		return "parked";
	/* Not to be made now; but a unit with another one's label is a wrong unit. */
	if (why->domain == ERR_OPERATOR && !err_is(why, "scan.mismatch"))
		return "refused";
	return "failed";
}

static json_t *turned_away(const struct job *j, const struct err *why)
{
	const struct scan *label = job_label(j);

	return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*, s:o}", "event", "refused", "serial",
	    j->identity.serial, "slot", j->slot_name, "what", step_name(steps[j->row].id), "label",
	    label != NULL ? label->text : NULL, "scanned_by", label != NULL ? label->by : NULL,
	    "error", json_from_err(why));
}

json_t *job_end_record(const struct job *j, const struct err *why)
{
	if (!j->claimed)
		return turned_away(j, why);
	if (must_park(j, why))
		return json_pack("{s:s, s:I, s:o}", "event", "park", "job", (json_int_t)j->number,
		    "error", json_from_err(why));
	return json_pack("{s:s, s:I, s:s, s:o}", "event", "end", "job", (json_int_t)j->number,
	    "outcome", job_end_outcome(j, why), "error", json_from_err(why));
}

bool job_end_is_by_link(const struct job *j)
{
	if (j->over)
		return j->verdict.domain == ERR_LINK;
	return j->wait == WAIT_DEVICE || j->wait == WAIT_RESET ||
	       (j->wait == WAIT_TIMER && steps[j->row].who == WHO_DEVICE);
}

bool job_end_is_beginning(const struct job *j)
{
	return j->claimed && j->action == RECOVERY_BEGIN_ANEW && !j->anew;
}

void job_end_begin_anew(struct job *j)
{
	struct buf *const bytes[] = { &j->csr, &j->leaf, &j->chain };

	for (size_t i = 0; i < COUNT(bytes); i++) {
		buf_free(bytes[i]);
		*bytes[i] = (struct buf){ 0 };
	}
	memset(j->spki, 0, sizeof(j->spki));
	memset(j->origin, 0, sizeof(j->origin));
	j->made_key = false;
	j->attempt = j->retry_at_ms = j->pending_since_ms = 0;
	j->asks = j->pending_asks = j->tries = 0;
	j->claimed = j->over = false;
	j->anew = true;
	j->outcome = NULL;
	j->verdict = (struct err){ 0 };
	j->step_us = 0;
	j->wait = WAIT_NOTHING;
	for (j->row = 0; steps[j->row].id != STEP_CLAIM; j->row++)
		continue;
}

void job_end_between(struct job *j)
{
	j->outcome = "parked";
	j->verdict = j->lost;
}
