#include "job.h"

#include <stdlib.h>

#include "clock.h"
#include "failpoint.h"
#include "job_owed.h"
#include "job_tell.h"
#include "job_wait.h"
#include "job_walk.h"

static void job_free(struct job *j)
{
	if (j->timer != NULL)
		event_free(j->timer);
	record_free(&j->record);
	job_owed_free(j);
	identity_free(&j->identity);
	buf_free(&j->csr);
	buf_free(&j->leaf);
	buf_free(&j->chain);
	X509_free(j->issued);
	X509_free(j->readback);
	proof_free(&j->proof);
	json_decref(j->statement);
	json_decref(j->keys);
	json_decref(j->found);
	EVP_PKEY_free(j->key);
	free(j);
}

void job_over(struct job *j)
{
	struct station *s = j->station;

	FAILPOINT("job.tell");
	job_tell_unit(j);
	FAILPOINT("job.told");
	if (j->slot != NULL)
		slot_release(j->slot);
	station_job_over(s, j);
	job_free(j);
}

void job_let_in(struct job *j)
{
	job_wait_ended(j);
	job_begin(j);
}

void job_turned_away(struct job *j, const struct err *why)
{
	job_wait_ended(j);
	job_give_up(j, why);
}

void job_leave(struct job *j)
{
	const struct err why = j->waits;

	if (j->wait != WAIT_TIMER || why.domain == ERR_NONE)
		return;
	(void)event_del(j->timer); /* it was pending */
	job_wait_ended(j);
	job_give_up(j, &why);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct job *j = context;

	(void)fd;
	(void)what;
	if (j->waits.domain != ERR_NONE)
		job_wait_ended(j);
	j->wait = WAIT_NOTHING;
	job_walk(j);
}

int job_start(struct job **ret, struct slot *slot, struct err *e)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return err_nomem(e);
	j->station = slot->station;
	j->slot = slot;
	j->slot_name = slot->config->name;
	j->place = slot->place;
	j->begun_us = clock_now_us();
	j->timer = evtimer_new(slot->station->loop, on_timer, j);
	if (j->timer == NULL) {
		job_free(j);
		return err_nomem(e);
	}
	station_job_begins(slot->station, j);
	*ret = j;
	job_walk(j);
	return 0;
}

void job_slot_lost(struct job *j, const struct err *why)
{
	struct err waits = j->waits;

	j->slot = NULL;
	j->lost = *why;
	if (j->over)
		return;
	switch (j->wait) {
	case WAIT_POOL:
	case WAIT_RECORD:
		return; /* what the CA answers and what became durable still counts */
	case WAIT_TIMER:
		(void)event_del(j->timer); /* it was pending */
		break;
	case WAIT_GATE:
		if (door_why(job_door(j)) != NULL)
			waits = *door_why(job_door(j));
		break;
	case WAIT_NOTHING:
	case WAIT_DEVICE:
	case WAIT_RESET:
		break;
	}
	/* Taken out while it waits for others, it is theirs that it did not pass. */
	job_give_up(j, waits.domain != ERR_NONE ? &waits : why);
}

void job_slot_back(struct job *j)
{
	/* Reset while it was identified after a reset: what it goes back to is still to come. */
	if (j->row > 0) {
		j->reset_row = j->row;
		j->reset_object = j->object;
	}
	j->row = 0; /* identify: it must be the same unit (I4) */
	job_walk(j);
}

void job_abandon(struct job *j)
{
	job_free(j);
}
