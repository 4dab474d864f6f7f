#include "view_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy(char *ret, size_t size, const char *text)
{
	(void)snprintf(ret, size, "%s", text != NULL ? text : "");
}

int view_new(struct view **ret, const struct config *config, struct err *e)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return err_nomem(e);
	v->config = config;
	*ret = v;
	return 0;
}

void view_free(struct view *v)
{
	json_decref(v->line.units);
	free(v);
}

void view_set_profile(struct view *v, const struct profile *p)
{
	copy(v->product, sizeof(v->product), p->product);
	copy(v->version, sizeof(v->version), p->version);
	hex_encode(p->digest, SHA256_LEN, v->profile_sha256);
}

void view_set_scans(struct view *v, const struct scans *scans)
{
	v->scans = scans;
}

void view_set_state(struct view *v, enum view_state state, const char *by, const char *reason,
    const char *at)
{
	if (v->state == VIEW_BROKEN)
		return;
	v->state = state;
	copy(v->stop_by, sizeof(v->stop_by), by);
	copy(v->stop_reason, sizeof(v->stop_reason), reason);
	if (at != NULL)
		copy(v->stop_at, sizeof(v->stop_at), at);
	else
		clock_wall_text(v->stop_at);
}

void view_set_made(struct view *v, int64_t made)
{
	v->made = made;
}

void view_set_paused(struct view *v, const char *slot, bool paused)
{
	if (slot == NULL)
		v->paused = paused;
	for (size_t i = 0; slot != NULL && i < v->config->slot_count; i++)
		if (strcmp(v->config->slots[i].name, slot) == 0)
			v->slots_paused[i] = paused;
}

void view_set_operators(struct view *v, bool required)
{
	v->operators = true;
	v->operators_required = required;
}

void view_set_operator(struct view *v, const char *name, const char *role, const char *since)
{
	copy(v->operator_name, sizeof(v->operator_name), name);
	copy(v->operator_role, sizeof(v->operator_role), role);
	copy(v->operator_since, sizeof(v->operator_since), since);
}

void view_set_ack(struct view *v, const char *slot, bool waits)
{
	for (size_t i = 0; i < v->config->slot_count; i++)
		if (strcmp(v->config->slots[i].name, slot) == 0)
			v->slots_ack[i] = waits;
}

void view_set_free(struct view *v, int64_t bytes)
{
	v->disk.free_bytes = bytes;
}

static void add_time(struct view_times *t, int64_t ms)
{
	t->ms[t->count++ % VIEW_LAST] = ms;
}

static int by_length(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t view_typical(const struct view_times *t)
{
	size_t count = t->count < VIEW_LAST ? t->count : VIEW_LAST;
	int64_t sorted[VIEW_LAST];

	if (count == 0)
		return 0;
	memcpy(sorted, t->ms, count * sizeof(sorted[0]));
	qsort(sorted, count, sizeof(sorted[0]), by_length);
	return sorted[count / 2];
}

static struct view_slot *slot_of(struct view *v, const json_t *event)
{
	const char *name = json_opt_str(event, "slot", "");

	for (size_t i = 0; i < v->config->slot_count; i++)
		if (strcmp(v->config->slots[i].name, name) == 0)
			return &v->slots[i];
	return NULL;
}

static void take_error(struct view_slot *s, const json_t *event)
{
	copy(s->domain, sizeof(s->domain), json_opt_str(event, "domain", ""));
	copy(s->code, sizeof(s->code), json_opt_str(event, "code", ""));
	copy(s->message, sizeof(s->message), json_opt_str(event, "message", ""));
	copy(s->advice, sizeof(s->advice), json_opt_str(event, "advice", ""));
}

static void on_arrived(struct view *v, struct view_slot *s, const json_t *event)
{
	(void)event;
	*s = (struct view_slot){ .state = VIEW_SLOT_OPENING,
		.present = true,
		.begun_ms = clock_now_ms() };
	if (v->first_ms == 0)
		v->first_ms = s->begun_ms;
}

static void on_held(struct view *v, struct view_slot *s, const json_t *event)
{
	if (!v->slots_ack[s - v->slots])
		*s = (struct view_slot){ 0 };
	copy(s->held, sizeof(s->held), json_opt_str(event, "why", ""));
	s->state = VIEW_SLOT_HELD;
	s->present = true;
}

static void note_label(struct view_slot *s, bool is_needed)
{
	if (s->asked_ms > 0)
		s->begun_ms += clock_now_ms() - s->asked_ms;
	s->asked_ms = is_needed ? clock_now_ms() : 0;
}

static void on_step(struct view *v, struct view_slot *s, const json_t *event)
{
	const char *outcome = json_opt_str(event, "outcome", "");
	bool waits = strcmp(outcome, "wait") == 0 && json_object_get(event, "code") != NULL;

	if (!step_parse(json_opt_str(event, "step", ""), &s->step))
		return;
	copy(s->serial, sizeof(s->serial), json_opt_str(event, "serial", ""));
	note_label(s, waits && strcmp(json_opt_str(event, "code", ""), "scan.needed") == 0);
	s->state = waits ? VIEW_SLOT_WAITS : VIEW_SLOT_RUNNING;
	if (waits)
		take_error(s, event);
	else
		s->code[0] = '\0'; /* what it waited for is there */
	if (strcmp(outcome, "ok") == 0)
		add_time(&v->steps[s->step], json_opt_int(event, "ms", 0));
}

static void on_unit(struct view *v, struct view_slot *s, const json_t *event)
{
	static const struct {
		const char *outcome;
		enum view_slot_state state;
		size_t counter;
	} ends[] = {
		{ "passed", VIEW_SLOT_PASSED, offsetof(struct view, passed) },
		{ "failed", VIEW_SLOT_FAILED, offsetof(struct view, failed) },
		{ "refused", VIEW_SLOT_REFUSED, offsetof(struct view, refused) },
		{ "parked", VIEW_SLOT_PARKED, offsetof(struct view, parked) },
	};
	const char *outcome = json_opt_str(event, "outcome", "");

	s->ms = json_opt_int(event, "ms", 0);
	s->asked_ms = 0;
	copy(s->serial, sizeof(s->serial), json_opt_str(event, "serial", ""));
	take_error(s, event);
	for (size_t i = 0; i < COUNT(ends); i++) {
		if (strcmp(ends[i].outcome, outcome) != 0)
			continue;
		s->state = ends[i].state;
		++*(int64_t *)(void *)((char *)v + ends[i].counter);
	}
	if (s->state == VIEW_SLOT_PASSED)
		add_time(&v->cycle, s->ms);
	if ((s->state == VIEW_SLOT_PASSED || s->state == VIEW_SLOT_FAILED) &&
	    json_opt_bool(event, "first", false)) {
		v->first_jobs++;
		v->first_passed +=
		    s->state == VIEW_SLOT_PASSED && !json_opt_bool(event, "waited", false);
	}
}

static void on_left(struct view *v, struct view_slot *s, const json_t *event)
{
	(void)v;
	(void)event;
	s->present = false;
	if (s->state == VIEW_SLOT_HELD || s->state == VIEW_SLOT_OPENING ||
	    s->state == VIEW_SLOT_RUNNING)
		s->state = VIEW_SLOT_EMPTY;
}

static void on_closed(struct view *v, struct view_slot *s, const json_t *event)
{
	(void)v;
	s->state = VIEW_SLOT_CLOSED;
	take_error(s, event);
}

/* A slot that was closed is open; the device in it says itself that it is there. */
static void on_station_of_slot(struct view *v, struct view_slot *s, const json_t *event)
{
	(void)v;
	if (strcmp(json_opt_str(event, "what", ""), "resumed") == 0 && s->state == VIEW_SLOT_CLOSED)
		*s = (struct view_slot){ .present = s->present };
}

/* "ca-down", "hsm-probe", ... */
static void take_health(struct view_health *h, const char *what, const json_t *event)
{
	if (strcmp(what, "up") == 0) {
		*h = (struct view_health){ 0 };
		return;
	}
	if (strcmp(what, "down") != 0)
		return;
	if (!h->down)
		copy(h->since, sizeof(h->since), json_opt_str(event, "time", ""));
	h->down = true;
	copy(h->code, sizeof(h->code), json_opt_str(event, "code", ""));
	copy(h->message, sizeof(h->message), json_opt_str(event, "message", ""));
	copy(h->advice, sizeof(h->advice), json_opt_str(event, "advice", ""));
	h->retry_at = json_opt_int(event, "retry_at", 0);
	h->waiting = json_opt_int(event, "waiting", 0);
}

static void list_unprinted(struct view *v, const char *serial)
{
	for (size_t i = 0; i < v->unprinted_listed; i++)
		if (strcmp(v->unprinted[i], serial) == 0)
			return;
	v->unprinted_count++;
	if (v->unprinted_listed < VIEW_UNPRINTED)
		copy(v->unprinted[v->unprinted_listed++], sizeof(v->unprinted[0]), serial);
}

static void take_unprinted(struct view *v, const json_t *event)
{
	const json_t *serial;
	size_t i;

	if (json_opt_str(event, "serial", NULL) != NULL)
		list_unprinted(v, json_opt_str(event, "serial", ""));
	json_array_foreach(json_object_get(event, "serials"), i, serial)
	    list_unprinted(v, json_string_value(serial));
}

/* A label is on its way, or printed. */
static void take_label(struct view *v, const json_t *event)
{
	const char *serial = json_opt_str(event, "serial", "");
	size_t i = 0;

	v->printer.waiting = json_opt_int(event, "waiting", 0);
	if (strcmp(json_opt_str(event, "outcome", ""), "printed") != 0)
		return;
	while (i < v->unprinted_listed && strcmp(v->unprinted[i], serial) != 0)
		i++;
	if (i == v->unprinted_listed)
		return;
	v->unprinted_count--;
	v->unprinted_listed--;
	for (; i < v->unprinted_listed; i++)
		copy(v->unprinted[i], sizeof(v->unprinted[i]), v->unprinted[i + 1]);
}

/* "disk-up", "disk-low", "disk-down" */
static void take_disk(struct view_disk *d, const char *what, const json_t *event)
{
	d->state = strcmp(what, "low") == 0 ? "low" : strcmp(what, "down") == 0 ? "down" : NULL;
	copy(d->code, sizeof(d->code), json_opt_str(event, "code", ""));
	copy(d->message, sizeof(d->message), json_opt_str(event, "message", ""));
	copy(d->advice, sizeof(d->advice), json_opt_str(event, "advice", ""));
	d->free_bytes = json_opt_int(event, "free_bytes", 0);
}

/* "line-stopped", "line-released" */
static void take_line(struct view_line *l, const char *what, const json_t *event)
{
	json_decref(l->units);
	*l = (struct view_line){ 0 };
	if (strcmp(what, "stopped") != 0)
		return;
	copy(l->rule, sizeof(l->rule), json_opt_str(event, "rule", ""));
	copy(l->at, sizeof(l->at), json_opt_str(event, "at", json_opt_str(event, "time", "")));
	l->units = json_incref(json_object_get(event, "units"));
}

static void take_station(struct view *v, const json_t *event)
{
	const char *what = json_opt_str(event, "what", "");

	if (strncmp(what, "ca-", 3) == 0) {
		take_health(&v->ca, what + 3, event);
	} else if (strncmp(what, "hsm-", 4) == 0) {
		take_health(&v->hsm, what + 4, event);
	} else if (strncmp(what, "printer-", 8) == 0) {
		take_health(&v->printer, what + 8, event);
	} else if (strcmp(what, "label-lost") == 0 || strcmp(what, "labels-missing") == 0) {
		take_unprinted(v, event);
	} else if (strncmp(what, "disk-", 5) == 0) {
		take_disk(&v->disk, what + 5, event);
	} else if (strncmp(what, "line-", 5) == 0) {
		take_line(&v->line, what + 5, event);
	} else if (strncmp(what, "scanner-", 8) == 0) {
		take_health(&v->scanner, what + 8, event);
	} else if (strcmp(what, "draining") == 0) {
		view_set_state(v, VIEW_DRAINING, NULL, NULL, NULL);
	} else if (strcmp(what, "broken") == 0) {
		v->state = VIEW_BROKEN;
		copy(v->fault_domain, sizeof(v->fault_domain), json_opt_str(event, "domain", ""));
		copy(v->fault_code, sizeof(v->fault_code), json_opt_str(event, "code", ""));
		copy(v->fault_message, sizeof(v->fault_message),
		    json_opt_str(event, "message", ""));
		copy(v->fault_advice, sizeof(v->fault_advice), json_opt_str(event, "advice", ""));
		copy(v->fault_at, sizeof(v->fault_at), json_opt_str(event, "time", ""));
	}
}

void view_take(struct view *v, const json_t *event)
{
	static const struct {
		const char *event;
		void (*take)(struct view *v, struct view_slot *s, const json_t *event);
	} rows[] = {
		{ "arrived", on_arrived },
		{ "held", on_held },
		{ "step", on_step },
		{ "unit", on_unit },
		{ "left", on_left },
		{ "slot-closed", on_closed },
		{ "station", on_station_of_slot },
	};
	const char *name = json_opt_str(event, "event", "");
	struct view_slot *s = slot_of(v, event);

	if (strcmp(name, "station") == 0)
		take_station(v, event);
	else if (strcmp(name, "label") == 0)
		take_label(v, event);
	for (size_t i = 0; s != NULL && i < COUNT(rows); i++)
		if (strcmp(rows[i].event, name) == 0)
			rows[i].take(v, s, event);
	v->seen &= view_alarms(v);
}
