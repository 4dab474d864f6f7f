/* How units end, and what station.yaml's rules make of it; the same of what ended before this start. */
#include <stdio.h>
#include <string.h>

#include "service_internal.h"
#include "slot.h"

enum { ENDS_MAX = 4096 }; /* that are looked at for a slot's last one */

struct slot *service_slot_of(struct service *s, const json_t *body)
{
	const char *name = json_opt_str(json_object_get(body, "detail"), "slot", NULL);

	return name != NULL ? service_slot(s, name) : NULL;
}

static bool must_acknowledge(const struct service *s, const char *outcome)
{
	return s->station->config->rules.acknowledge_failures && strcmp(outcome, "failed") == 0;
}

static void take_unit(struct service *s, struct slot *slot, const json_t *event)
{
	struct remains *r = &s->remains[slot - s->station->slots];
	const char *outcome = json_opt_str(event, "outcome", "");

	(void)snprintf(r->serial, sizeof(r->serial), "%s", json_opt_str(event, "serial", ""));
	r->are = strcmp(outcome, "passed") != 0;
	if (must_acknowledge(s, outcome))
		service_acknowledge_hold(s, slot, true);
	service_line_note(s, r->serial, outcome, json_opt_str(event, "domain", ""));
	service_line_check(s);
}

void service_rules_take(struct service *s, const json_t *event)
{
	const char *name = json_opt_str(event, "slot", NULL);
	struct slot *slot = name != NULL ? service_slot(s, name) : NULL;
	const char *kind = json_opt_str(event, "event", "");

	if (slot == NULL)
		return;
	if (strcmp(kind, "unit") == 0)
		take_unit(s, slot, event);
	else if (strcmp(kind, "arrived") == 0)
		s->remains[slot - s->station->slots].are = false;
}

/* The newest end in each slot says whether it is still to be acknowledged: after a failure nothing ended
 * there that had not been begun by a person. */
static void hold_slots(struct service *s, const json_t *ends)
{
	bool known[CONFIG_SLOTS_MAX] = { false };

	for (size_t i = 0; i < json_array_size(ends); i++) {
		const json_t *end = json_array_get(ends, i);
		struct slot *slot = service_slot(s, json_opt_str(end, "slot", ""));
		size_t at = slot != NULL ? (size_t)(slot - s->station->slots) : 0;

		if (slot == NULL || known[at])
			continue;
		known[at] = true;
		if (must_acknowledge(s, json_opt_str(end, "outcome", "")) &&
		    json_opt_int(end, "number", 0) > s->remains[at].seen)
			service_acknowledge_hold(s, slot, true);
	}
}

static void count_ends(struct service *s, const json_t *ends)
{
	for (size_t i = json_array_size(ends); i > 0; i--) {
		const json_t *end = json_array_get(ends, i - 1);

		if (json_opt_int(end, "number", 0) > s->line.released)
			service_line_note(s, json_opt_str(end, "serial", ""),
			    json_opt_str(end, "outcome", ""), json_opt_str(end, "domain", ""));
	}
}

static void show_seen(struct service *s)
{
	const json_t *detail = json_object_get(s->line.seen, "detail");

	if (s->line.seen != NULL)
		view_set_seen(s->view, json_object_get(detail, "what"),
		    json_opt_str(detail, "by", ""), json_opt_str(s->line.seen, "at", ""));
}

int service_rules_open(struct service *s, struct err *e)
{
	const struct config_rules *rules = &s->station->config->rules;
	AUTO(json_t) *ends = NULL;

	line_rule_begin(&s->line.rule, &rules->stop_after);
	service_line_tell(s);
	show_seen(s);
	if (rules->stop_after.in_a_row == 0 && rules->stop_after.failed == 0 &&
	    !rules->acknowledge_failures)
		return 0;
	if (records_ends(s->station->records, 0, ENDS_MAX, &ends, e) != 0)
		return -1;
	hold_slots(s, ends);
	count_ends(s, ends);
	service_line_check(s);
	return 0;
}
