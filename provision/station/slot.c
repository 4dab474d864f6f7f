#include "slot.h"

#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "job_end.h"
#include "scanning.h"
#include "slot_process.h"
#include "stem.h"

enum { RESET_PATIENCE_MS = 30000, RESET_SETTLE_MS = 300, OPENINGS_MAX = 4 };

static void tell(struct slot *slot, const char *event)
{
	station_tell(slot->station, json_pack("{s:s, s:s, s:s*}", "event", event, "slot",
					slot->config->name, "place", slot->place));
}

static void arm(struct event *timer, int ms)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void)event_add(timer,
	    &t); /* a timer of ours: fails only without memory, then nothing works */
}

static void drop_process(struct slot *slot)
{
	(void)event_del(slot->again);
	(void)event_del(slot->patience);
	slot_process_end(slot);
}

/* Nothing more is done with what is in the slot. */
static void settle(struct slot *slot)
{
	slot->state = slot->present ? SLOT_DONE : SLOT_EMPTY;
	slot_process_keep(slot->station);
	scanning_ended(slot);
}

static void on_refused(struct record *r)
{
	struct station *s = r->context;

	if (r->rc != 0)
		station_break(s, &r->err);
	record_free(r);
	free(r);
}

/* A device that never got as far as a job: recorded and told. */
static void refuse(struct station *s, const char *slot, const struct err *why)
{
	struct record *r = calloc(1, sizeof(*r));

	station_tell(s,
	    json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "event", "unit", "slot",
		slot, "serial", "", "outcome", why->scope == SCOPE_STATION ? "parked" : "failed",
		"ms", (json_int_t)0, "domain", err_domain_name(why->domain), "code", why->code,
		"message", why->message, "advice", advice_for(why)));
	if (r == NULL)
		return;
	r->body = json_pack("{s:s, s:s, s:s, s:s, s:o}", "event", "refused", "serial", "", "slot",
	    slot, "what", "open", "error", json_from_err(why));
	r->done = on_refused;
	r->context = s;
	records_submit(s->records, r);
}

static void describe_closed(const struct slot *slot, struct err *ret)
{
	(void)err_scope(
	    err_set(ret, ERR_LINK, "slot.closed",
		"the links of %d units in a row failed in slot %s: it is closed; the last one: %s",
		STREAK_UNITS, slot->config->name, slot->why.message),
	    ret, SCOPE_SLOT);
}

static void tell_closed(const struct slot *slot)
{
	struct err why = { 0 };

	describe_closed(slot, &why);
	station_tell(slot->station, json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "slot-closed",
					"slot", slot->config->name, "code", why.code, "message",
					why.message, "advice", advice_for(&why)));
}

/* A station whose last slot closes has nothing to wait for. */
static void close_slot(struct slot *slot)
{
	struct station *s = slot->station;
	struct err why = { 0 };

	slot->closed = true;
	describe_closed(slot, &why);
	station_note(s,
	    json_pack("{s:s, s:s, s:{s:s, s:o}}", "event", "station", "what", "slot-closed",
		"detail", "slot", slot->config->name, "error", json_from_err(&why)));
	tell_closed(slot);
	for (size_t i = 0; i < s->slot_count; i++)
		if (!s->slots[i].closed)
			return;
	if (!s->hooks.reopens)
		station_drain(s);
}

static void note_link(struct slot *slot, const char *serial, const struct err *why)
{
	if (why->domain != ERR_LINK || slot->closed || !streak_fail(&slot->failures, serial))
		return;
	slot->why = *why;
	close_slot(slot);
}

/* The attachment is over for the job; it may still wait for the CA or the records. */
static void lose(struct slot *slot, const struct err *why)
{
	struct job *job = steal(&slot->job);
	char serial[IDENTITY_MAX + 1];
	bool in_use;

	if (job == NULL)
		return;
	memcpy(serial, job->identity.serial, sizeof(serial));
	in_use = job_end_is_by_link(job);
	job_slot_lost(job, why);
	if (in_use)
		note_link(slot, serial, why);
}

static void fail_without_job(struct slot *slot, const struct err *why)
{
	settle(slot);
	refuse(slot->station, slot->config->name, why);
	note_link(slot, "", why);
}

/* No slot can be started any more, whatever the device: no unit's failure. */
static void fail_station(struct slot *slot, const struct err *why)
{
	drop_process(slot);
	settle(slot);
	lose(slot, why);
	station_break(slot->station, why);
}

static unsigned holds(const struct slot *slot)
{
	return slot->station->held | slot->held;
}

/* Nothing may begin, and nothing of this device was begun. */
static bool is_held(const struct slot *slot)
{
	return slot->job == NULL && holds(slot) != 0;
}

static void hold(struct slot *slot)
{
	slot->state = SLOT_EMPTY;
	station_tell(slot->station,
	    json_pack("{s:s, s:s, s:s*, s:s}", "event", "held", "slot", slot->config->name, "place",
		slot->place, "why", hold_name(holds(slot))));
}

static int on_ready(void *context, const json_t *answer, struct err *e)
{
	struct slot *slot = context;
	struct err why = { 0 };

	(void)answer;
	(void)e;
	/* Not pending is fine. A restart that was still to come would end this very process. */
	(void)event_del(slot->again);
	(void)event_del(slot->patience);
	if (slot->job == NULL && slot->station->draining) {
		settle(slot);
		return 0;
	}
	if (is_held(slot)) {
		hold(slot);
		arm(slot->again, 0); /* ends the process, but not inside its own answer */
		return 0;
	}
	slot->state = SLOT_WORKING;
	if (slot->job != NULL)
		job_slot_back(slot->job);
	else if (job_start(&slot->job, slot, &why) != 0)
		fail_without_job(slot, &why);
	return 0;
}

/*
 * Of no unit yet. A plug that bounces is seen before it is seen to have left again; whoever is not there the
 * last time is missing. And a process that waited for the device may end just as it is given it: the device
 * is to blame where the next one does too.
 */
static bool is_opened_again(struct slot *slot, const struct err *why)
{
	if (slot->job != NULL)
		return false;
	if (err_is(why, "child.died"))
		return slot->openings++ == 0;
	return (err_is(why, "link.absent") || err_is(why, "link.gone")) &&
	       ++slot->openings < OPENINGS_MAX;
}

static void on_ended(void *context, const struct err *why)
{
	struct slot *slot = context;

	slot->child = NULL;
	if (err_is(why, "child.build") || err_is(why, "child.greeting")) {
		fail_station(slot, why);
		return;
	}
	if (err_is(why, "child.died"))
		stem_renew(slot->station->stem);
	if (slot->state == SLOT_RESETTING) {
		if (slot->present)
			arm(slot->again, RESET_SETTLE_MS);
		return;
	}
	if (slot->state == SLOT_DONE || slot->state == SLOT_EMPTY)
		return;
	if (err_is(why, "child.died") || err_is(why, "child.timeout"))
		station_note(slot->station,
		    json_pack("{s:s, s:s, s:{s:s, s:o}}", "event", "station", "what", "child-died",
			"detail", "slot", slot->config->name, "error", json_from_err(why)));
	if (is_opened_again(slot, why)) {
		arm(slot->again, RESET_SETTLE_MS);
		return;
	}
	if (slot->job == NULL) {
		fail_without_job(slot, why);
		return;
	}
	settle(slot);
	lose(slot, why);
}

static void start_process(struct slot *slot)
{
	static const struct slot_process_events events = { .of = { on_ready, on_ended, NULL },
		.failed = fail_station };

	if (slot->state == SLOT_EMPTY)
		slot->state = SLOT_OPENING;
	slot_process_start(slot, &events);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct slot *slot = context;

	(void)fd;
	(void)what;
	slot_process_end(slot);
	if (slot->state == SLOT_OPENING && is_held(slot)) {
		hold(slot);
		return;
	}
	if (slot->present && (slot->state == SLOT_RESETTING || slot->state == SLOT_OPENING))
		start_process(slot);
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
	struct slot *slot = context;
	struct err e = { 0 };

	(void)fd;
	(void)what;
	drop_process(slot);
	settle(slot);
	(void)err_set(&e, ERR_LINK, "link.gone",
	    "the device did not come back %d s after its reset", RESET_PATIENCE_MS / 1000);
	lose(slot, &e);
}

/* What is in the slot is not one device: whatever was to go on in it does not. */
static void on_trouble(struct slot *slot, const struct err *trouble)
{
	drop_process(slot);
	if (slot->state != SLOT_RESETTING) {
		tell(slot, "arrived");
		settle(slot);
		refuse(slot->station, slot->config->name, trouble);
		return;
	}
	settle(slot);
	lose(slot, trouble);
}

static void on_appeared(struct slot *slot, const struct err *trouble)
{
	if (slot->state != SLOT_RESETTING && slot->state != SLOT_EMPTY)
		return;
	if (slot->state == SLOT_EMPTY && slot->station->draining)
		return;
	if (slot->state == SLOT_EMPTY && holds(slot) != 0) {
		hold(slot);
		return;
	}
	if (slot->state == SLOT_EMPTY && slot->closed) {
		tell_closed(slot);
		return;
	}
	if (trouble != NULL) {
		on_trouble(slot, trouble);
		return;
	}
	if (slot->state == SLOT_RESETTING) {
		arm(slot->again, 0);
		return;
	}
	tell(slot, "arrived");
	scanning_arrived(slot);
	slot->openings = 0;
	start_process(slot);
}

/* A device that resets may answer for a while yet: what was opened then was still the old one. */
static bool is_resetting(struct slot *slot)
{
	if (slot->state == SLOT_WORKING && slot->job != NULL && job_slot_away(slot->job)) {
		slot->state = SLOT_RESETTING;
		arm(slot->patience, RESET_PATIENCE_MS);
	}
	return slot->state == SLOT_RESETTING;
}

static void on_vanished(struct slot *slot)
{
	struct err e = { 0 };

	if (is_resetting(slot)) {
		/* Whatever talks to it talks to nobody; the next one starts when it is back. */
		(void)event_del(slot->again);
		slot_process_end(slot);
		return;
	}
	drop_process(slot);
	slot->state = SLOT_EMPTY;
	slot_process_keep(slot->station);
	(void)err_set(&e, ERR_LINK, "link.gone", "the device was unplugged");
	if (slot->job != NULL)
		scanning_ended(slot);
	lose(slot, &e);
	tell(slot, "left");
	scanning_left(slot);
}

void slot_place_changed(struct slot *slot, const struct place_now *now)
{
	slot->present = now->present;
	slot->place = now->place;
	slot->trouble = now->trouble;
	if (now->present)
		on_appeared(slot, now->trouble);
	else
		on_vanished(slot);
}

void slot_begin(struct slot *slot)
{
	if (!slot->present || slot->state != SLOT_EMPTY)
		return;
	drop_process(slot); /* what was only opening when the station was stopped */
	on_appeared(slot, slot->trouble);
}

void slot_hold(struct slot *slot, enum hold why, bool held)
{
	slot->held = held ? slot->held | why : slot->held & ~(unsigned)why;
	if (!held)
		slot_begin(slot);
}

bool slot_is_done(const struct slot *slot)
{
	return slot->present && slot->state == SLOT_DONE && slot->job == NULL;
}

void slot_again(struct slot *slot)
{
	if (!slot_is_done(slot))
		return;
	slot->state = SLOT_EMPTY;
	slot_begin(slot);
}

void slot_reopen(struct slot *slot)
{
	slot->closed = false;
	streak_pass(&slot->failures);
}

int slot_init(struct slot *slot, struct station *s, const struct config_slot *config, struct err *e)
{
	slot->station = s;
	slot->config = config;
	slot->again = evtimer_new(s->loop, on_again, slot);
	slot->patience = evtimer_new(s->loop, on_patience, slot);
	return slot->again != NULL && slot->patience != NULL ? 0 : err_nomem(e);
}

void slot_free(struct slot *slot)
{
	if (slot->station == NULL)
		return;
	drop_process(slot);
	event_free(slot->again);
	event_free(slot->patience);
	buf_free(&slot->resume);
}

int slot_ask(struct slot *slot, json_t *request, int64_t deadline_ms, child_answer *answer,
    void *context, struct err *e)
{
	if (slot->child == NULL || slot->state != SLOT_WORKING) {
		json_decref(request);
		return err_set(e, ERR_LINK, "link.gone", "the device was unplugged");
	}
	return child_ask(slot->child, request, deadline_ms, answer, context, e);
}

void slot_reset(struct slot *slot, const char *token)
{
	struct err e = { 0 };

	buf_clear(&slot->resume);
	if (buf_add_str(&slot->resume, token, &e) != 0)
		station_break(slot->station, &e);
	slot_reset_goes_on(slot);
}

void slot_reset_goes_on(struct slot *slot)
{
	slot->state = SLOT_RESETTING;
	arm(slot->patience, RESET_PATIENCE_MS);
	/* Not now: this is called from the process's own answer. */
	arm(slot->again, RESET_SETTLE_MS);
}

void slot_release(struct slot *slot)
{
	const struct job *job = steal(&slot->job);

	settle(slot);
	if (job->verdict.domain == ERR_NONE)
		streak_pass(&slot->failures);
	else
		note_link(slot, job->identity.serial, &job->verdict);
}
