#include "view_internal.h"

#include <string.h>

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
	return json_pack("{s:s, s:s, s:s, s:s}", "code", v->fault_code, "message", v->fault_message,
	    "advice", v->fault_advice, "at", v->fault_at);
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

static json_t *write_order(const struct config *c)
{
	if (c->order == NULL)
		return json_null();
	return json_pack("{s:s, s:I}", "id", c->order, "quantity", (json_int_t)c->quantity);
}

static json_t *write_health(const struct view_health *h)
{
	if (!h->down)
		return json_pack("{s:s}", "state", "up");
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "state", "down", "code", h->code,
	    "message", h->message, "advice", h->advice, "since", h->since, "retry_at",
	    (json_int_t)h->retry_at, "waiting", (json_int_t)h->waiting);
}

static json_t *write_rates(const struct view *v)
{
	int64_t ended = v->passed + v->failed + v->refused;
	int64_t ms = v->first_ms > 0 ? clock_now_ms() - v->first_ms : 0;
	int64_t judged = v->passed + v->failed;

	return json_pack("{s:I, s:I, s:o}", "units_per_hour",
	    (json_int_t)(ms > 0 ? ended * 3600000 / ms : 0), "cycle_ms",
	    (json_int_t)view_typical(&v->cycle), "yield_ppm",
	    judged > 0 ? json_integer(v->passed * 1000000 / judged) : json_null());
}

/* Takes over value, which may be NULL. */
static json_t *append(json_t *list, json_t *value)
{
	if (list != NULL && json_array_append_new(list, value) == 0)
		return list;
	json_decref(list);
	return NULL;
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

static json_t *write_slot(const struct view *v, size_t i)
{
	const struct view_slot *s = &v->slots[i];
	AUTO(json_t) *slot = json_pack("{s:s, s:s, s:b, s:b, s:s, s:I}", "name",
	    v->config->slots[i].name, "state", slot_states[s->state], "present", s->present,
	    "paused", v->slots_paused[i], "serial", s->serial, "ms", (json_int_t)s->ms);
	struct err e = { 0 };

	if (slot == NULL)
		return NULL;
	if ((s->state == VIEW_SLOT_RUNNING || s->state == VIEW_SLOT_WAITS) &&
	    write_progress(v, s, slot, &e) != 0)
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

json_t *view_snapshot(const struct view *v)
{
	const struct config *c = v->config;
	char now[CLOCK_TEXT];

	clock_wall_text(now);
	return json_pack(
	    "{s:s, s:s, s:{s:s, s:s, s:s}, s:b, s:{s:s, s:s, s:s}, s:o, s:s, s:b, s:o, s:o, s:o, "
	    "s:{s:o, s:o}, s:{s:I, s:I, s:I, s:I}, s:o, s:o, s:o}",
	    "time", now, "build", build_id(), "station", "id", c->station, "site", c->site, "line",
	    c->line, "test", c->ca_test, "profile", "product", v->product, "version", v->version,
	    "sha256", v->profile_sha256, "order", write_order(c), "state", states[v->state],
	    "paused", v->paused, "operators", write_operators(v), "stop", write_stop(v), "fault",
	    write_fault(v), "health", "ca", write_health(&v->ca), "hsm", write_health(&v->hsm),
	    "counters", "passed", (json_int_t)v->passed, "failed", (json_int_t)v->failed, "refused",
	    (json_int_t)v->refused, "parked", (json_int_t)v->parked, "rates", write_rates(v),
	    "steps", write_steps(v), "slots", write_slots(v));
}
