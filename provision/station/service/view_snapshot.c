#include "view_internal.h"

#include <string.h>

#include "scanning.h"
#include "serve.h"

static const char *const states[] = {
	[VIEW_STARTING] = "starting",
	[VIEW_RUNNING] = "running",
	[VIEW_STOPPED] = "stopped",
	[VIEW_DRAINING] = "draining",
	[VIEW_BROKEN] = "broken",
};

static const char *const slot_states[] = {
	[VIEW_SLOT_EMPTY] = "empty",
	[VIEW_SLOT_HELD] = "held",
	[VIEW_SLOT_OPENING] = "opening",
	[VIEW_SLOT_RUNNING] = "running",
	[VIEW_SLOT_WAITS] = "waits",
	[VIEW_SLOT_PASSED] = "passed",
	[VIEW_SLOT_FAILED] = "failed",
	[VIEW_SLOT_REFUSED] = "refused",
	[VIEW_SLOT_PARKED] = "parked",
	[VIEW_SLOT_CLOSED] = "closed",
};

static json_t *write_stop(const struct view *v)
{
	if (v->state != VIEW_STOPPED)
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "by", v->stop_by, "reason", v->stop_reason, "at",
	    v->stop_at);
}

static json_t *write_fault(const struct view *v)
{
	if (v->state != VIEW_BROKEN)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "domain", v->fault_domain, "code",
	    v->fault_code, "message", v->fault_message, "advice", v->fault_advice, "at",
	    v->fault_at);
}

static json_t *write_operators(const struct view *v)
{
	json_t *who;

	if (!v->operators)
		return json_null();
	who = v->operator_name[0] == '\0'
		  ? json_null()
		  : json_pack("{s:s, s:s, s:s}", "name", v->operator_name, "role", v->operator_role,
			"since", v->operator_since);
	return json_pack("{s:b, s:o}", "required", v->operators_required, "operator", who);
}

static json_t *write_order(const struct view *v)
{
	const struct config *c = v->config;

	if (c->order == NULL)
		return json_null();
	return json_pack("{s:s, s:I, s:I}", "id", c->order, "quantity", (json_int_t)c->quantity,
	    "made", (json_int_t)v->made);
}

static json_t *write_fixture(const struct view *v)
{
	const struct config *c = v->config;

	if (c->fixture_columns == 0)
		return json_null();
	return json_pack("{s:I}", "columns", (json_int_t)c->fixture_columns);
}

static json_t *write_tile(const struct config_slot *s)
{
	return s->row > 0 ? json_pack("[i, i]", s->row, s->column) : json_null();
}

static json_t *write_health(const struct view_health *h)
{
	if (!h->down)
		return json_pack("{s:s}", "state", "up");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "state", "down", "code", h->code,
	    "message", h->message, "advice", h->advice, "since", h->since, "retry_at",
	    (json_int_t)h->retry_at, "waiting", (json_int_t)h->waiting);
}

static json_t *write_scan(const struct view *v)
{
	const struct scan_config *c = &v->config->scan;

	if (v->scans == NULL || (c->order == SCAN_NONE && c->device == NULL &&
				    c->prefix[0] == '\0' && c->suffix[0] == '\0'))
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "order", scan_order_name(c->order), "prefix",
	    c->prefix, "suffix", c->suffix, "pending", scanning_pending(v->scans), "device",
	    c->device != NULL ? write_health(&v->scanner) : json_null());
}

/* Takes over value, which may be NULL. */
static json_t *append(json_t *list, json_t *value)
{
	if (list != NULL && json_array_append_new(list, value) == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *write_printer(const struct view *v)
{
	const struct view_health *h = &v->printer;
	json_t *list = json_array();
	AUTO(json_t) *health = NULL;

	for (size_t i = 0; i < v->unprinted_listed; i++)
		list = append(list, json_string(v->unprinted[i]));
	health = json_pack("{s:s, s:I, s:o, s:I}", "state", h->down ? "down" : "up", "waiting",
	    (json_int_t)h->waiting, "unprinted", list, "unprinted_count",
	    (json_int_t)v->unprinted_count);
	if (v->config->label_printer == NULL)
		return json_null();
	if (health != NULL && h->down &&
	    json_object_update_new(health,
		json_pack("{s:s, s:s, s:s, s:s}", "code", h->code, "message", h->message, "advice",
		    h->advice, "since", h->since)) != 0)
		return NULL;
	return steal(&health);
}

static json_t *write_line(const struct view *v)
{
	const struct view_line *l = &v->line;

	if (l->units == NULL)
		return json_null();
	return json_pack("{s:s, s:O, s:s}", "rule", l->rule, "units", l->units, "at", l->at);
}

static json_t *write_disk(const struct view *v)
{
	const struct view_disk *d = &v->disk;
	json_int_t free_bytes = d->free_bytes;

	if (d->state == NULL)
		return json_pack("{s:s, s:I}", "state", "up", "free_bytes", free_bytes);
	return json_pack("{s:s, s:I, s:s, s:s, s:s}", "state", d->state, "free_bytes", free_bytes,
	    "code", d->code, "message", d->message, "advice", d->advice);
}

static json_t *write_seen(const struct view *v)
{
	if ((view_alarms(v) & ~v->seen) != 0)
		return json_null();
	return json_pack("{s:s, s:s}", "by", v->seen_by, "at", v->seen_at);
}

static json_t *write_alarm(const struct view *v)
{
	if (view_alarms(v) == 0)
		return json_null();
	return json_pack("{s:o, s:o}", "what", view_alarm_names(v, false), "seen", write_seen(v));
}

static json_t *ppm(int64_t part, int64_t whole)
{
	return whole > 0 ? json_integer(part * 1000000 / whole) : json_null();
}

static json_t *write_rates(const struct view *v)
{
	int64_t ended = v->passed + v->failed + v->refused;
	int64_t ms = v->first_ms > 0 ? clock_now_ms() - v->first_ms : 0;

	return json_pack("{s:I, s:I, s:o, s:o}", "units_per_hour",
	    (json_int_t)(ms > 0 ? ended * 3600000 / ms : 0), "cycle_ms",
	    (json_int_t)view_typical(&v->cycle), "yield_ppm", ppm(v->passed, v->passed + v->failed),
	    "first_pass_ppm", ppm(v->first_passed, v->first_jobs));
}

static json_t *write_steps(const struct view *v)
{
	json_t *list = json_array();

	for (int i = 0; i < STEP_COUNT; i++)
		list = append(list, json_pack("{s:s, s:I}", "name", step_name((enum step_id)i),
					"typical_ms", (json_int_t)view_typical(&v->steps[i])));
	return list;
}

/* How far, by what the steps usually take; by their number while nothing was made yet. */
static int percent_done(const struct view *v, const struct view_slot *s)
{
	int64_t before = 0, all = 0;

	for (int i = 0; i < STEP_COUNT; i++) {
		int64_t typical = view_typical(&v->steps[i]);

		all += typical;
		before += i < (int)s->step ? typical : 0;
	}
	if (all == 0)
		return (int)s->step * 100 / STEP_COUNT;
	return (int)(before * 100 / all);
}

static int write_progress(const struct view *v, const struct view_slot *s, json_t *ret,
    struct err *e)
{
	int64_t elapsed = clock_now_ms() - s->begun_ms;
	int64_t left = view_typical(&v->cycle) - elapsed;

	if (json_set_str(ret, "step", step_name(s->step), e) != 0 ||
	    json_set_int(ret, "step_index", s->step, e) != 0 ||
	    json_set_int(ret, "percent", percent_done(v, s), e) != 0 ||
	    json_set_int(ret, "elapsed_ms", elapsed, e) != 0)
		return -1;
	return json_set_int(ret, "left_ms", left > 0 ? left : 0, e);
}

static int write_reason(const struct view_slot *s, json_t *ret, struct err *e)
{
	if (json_set_str(ret, "domain", s->domain, e) != 0 ||
	    json_set_str(ret, "code", s->code, e) != 0 ||
	    json_set_str(ret, "message", s->message, e) != 0)
		return -1;
	return json_set_str(ret, "advice", s->advice, e);
}

static json_t *write_scan_of(const struct view *v, size_t i)
{
	if (v->slots[i].asked_ms == 0)
		return json_null();
	return json_string(v->scans != NULL && scans_next(v->scans) == i ? "next" : "needed");
}

static json_t *write_slot(const struct view *v, size_t i)
{
	const struct view_slot *s = &v->slots[i];
	AUTO(json_t) *slot = json_pack("{s:s, s:s, s:b, s:b, s:b, s:s, s:I, s:o, s:o}", "name",
	    v->config->slots[i].name, "state", slot_states[s->state], "present", s->present,
	    "paused", v->slots_paused[i], "ack", v->slots_ack[i], "serial", s->serial, "ms",
	    (json_int_t)s->ms, "scan", write_scan_of(v, i), "tile",
	    write_tile(&v->config->slots[i]));
	struct err e = { 0 };

	if (slot == NULL)
		return NULL;
	if ((s->state == VIEW_SLOT_RUNNING || s->state == VIEW_SLOT_WAITS) &&
	    write_progress(v, s, slot, &e) != 0)
		return NULL;
	if (s->state == VIEW_SLOT_HELD && json_set_str(slot, "held", s->held, &e) != 0)
		return NULL;
	if (s->code[0] != '\0' && write_reason(s, slot, &e) != 0)
		return NULL;
	return steal(&slot);
}

static json_t *write_slots(const struct view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->config->slot_count; i++)
		list = append(list, write_slot(v, i));
	return list;
}

static json_t *write_names(const struct view *v)
{
	return json_pack("{s:s, s:s, s:s}", "id", v->config->station, "site", v->config->site,
	    "line", v->config->line);
}

static json_t *write_profile(const struct view *v)
{
	return json_pack("{s:s, s:s, s:s}", "product", v->product, "version", v->version, "sha256",
	    v->profile_sha256);
}

static json_t *write_all_health(const struct view *v)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "ca", write_health(&v->ca), "hsm",
	    write_health(&v->hsm), "disk", write_disk(v), "printer", write_printer(v));
}

static json_t *write_counters(const struct view *v)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "passed", (json_int_t)v->passed, "failed",
	    (json_int_t)v->failed, "refused", (json_int_t)v->refused, "parked",
	    (json_int_t)v->parked);
}

json_t *view_snapshot(const struct view *v)
{
	static const struct {
		const char *member;
		json_t *(*write)(const struct view *v);
	} parts[] = {
		{ "station", write_names },
		{ "profile", write_profile },
		{ "order", write_order },
		{ "operators", write_operators },
		{ "stop", write_stop },
		{ "fault", write_fault },
		{ "health", write_all_health },
		{ "counters", write_counters },
		{ "line", write_line },
		{ "alarm", write_alarm },
		{ "scan", write_scan },
		{ "rates", write_rates },
		{ "fixture", write_fixture },
		{ "steps", write_steps },
		{ "slots", write_slots },
	};
	char now[CLOCK_TEXT];
	AUTO(json_t) *ret = NULL;

	clock_wall_text(now);
	ret = json_pack("{s:s, s:s, s:b, s:s, s:b}", "time", now, "build", build_id(), "test",
	    v->config->ca_test, "state", states[v->state], "paused", v->paused);
	for (size_t i = 0; ret != NULL && i < COUNT(parts); i++)
		if (json_object_set_new(ret, parts[i].member, parts[i].write(v)) != 0)
			return NULL;
	return steal(&ret);
}
