/* So many failures that the line makes them: nothing begins until an engineer has looked at it. */
#include <string.h>

#include "advice.h"
#include "service_internal.h"

static const struct line_terms *terms(const struct service *s)
{
	return &s->station->config->rules.stop_after;
}

void service_line_free(struct service *s)
{
	json_decref(s->line.stopped);
	json_decref(s->line.seen);
}

static void put(json_t **to, json_t *value)
{
	json_decref(*to);
	*to = value;
}

void service_recall_line_stopped(struct service *s, const json_t *body)
{
	put(&s->line.stopped, json_incref((json_t *)(uintptr_t)body));
	put(&s->line.seen, NULL);
	station_hold(s->station, HOLD_LINE, true);
}

void service_recall_line_released(struct service *s, const json_t *body)
{
	s->line.released = json_opt_int(body, "record", 0);
	put(&s->line.stopped, NULL);
	put(&s->line.seen, NULL);
	line_rule_begin(&s->line.rule, terms(s));
	station_hold(s->station, HOLD_LINE, false);
}

/* Links have a rule of their own (slot-closed), and what a person refuses is no failure. */
static bool counts(const char *outcome, const char *domain)
{
	if (strcmp(outcome, "passed") == 0)
		return true;
	return strcmp(outcome, "failed") == 0 && strcmp(domain, err_domain_name(ERR_LINK)) != 0 &&
	       strcmp(domain, err_domain_name(ERR_OPERATOR)) != 0;
}

void service_line_note(struct service *s, const char *serial, const char *outcome,
    const char *domain)
{
	if (counts(outcome, domain))
		line_rule_note(&s->line.rule, serial, strcmp(outcome, "passed") != 0);
}

void service_line_tell(struct service *s)
{
	const json_t *detail = json_object_get(s->line.stopped, "detail");
	const char *rule = json_opt_str(detail, "rule", "");
	struct err why = { 0 };

	if (s->line.stopped == NULL)
		return;
	(void)err_set(&why, ERR_OPERATOR, "line.stopped",
	    "%s: nothing begins until an engineer releases the line", rule);
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:O, s:s*, s:s, s:s, s:s}", "event", "station", "what",
		"line-stopped", "rule", rule, "units", json_object_get(detail, "units"), "at",
		json_opt_str(s->line.stopped, "at", NULL), "code", why.code, "message", why.message,
		"advice", advice_for(&why)));
}

static json_t *write_stop(const struct line_rule *l, enum line_reached reached)
{
	const char *units[LINE_ROW_MAX];
	size_t count = line_rule_units(l, reached, units, COUNT(units));
	AUTO(json_t) *list = json_array();
	char rule[LINE_TEXT];

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(list, json_string(units[i])) != 0)
			return NULL;
	line_rule_text(l, reached, rule, sizeof(rule));
	return json_pack("{s:s, s:s, s:{s:s, s:O}}", "event", "station", "what", "line-stopped",
	    "detail", "rule", rule, "units", list);
}

/* It holds from now on, also while it is not durable yet: a start after a crash stops the line anew. */
void service_line_check(struct service *s)
{
	enum line_reached reached = line_rule_reached(&s->line.rule);
	struct err e = { 0 };

	if (reached == LINE_GOES_ON || s->line.stopped != NULL)
		return;
	put(&s->line.stopped, write_stop(&s->line.rule, reached));
	if (s->line.stopped == NULL) {
		(void)err_nomem(&e);
		station_break(s->station, &e);
		return;
	}
	station_hold(s->station, HOLD_LINE, true);
	station_note(s->station, json_deep_copy(s->line.stopped));
	service_line_tell(s);
}

static json_t *released(struct service *s, const json_t *body)
{
	const json_t *detail = json_object_get(body, "detail");

	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "station", "what", "line-released",
		"by", json_opt_str(detail, "by", ""), "reason", json_opt_str(detail, "reason", ""),
		"message", "units are made again; the rules count anew"));
	service_recall_line_released(s, body);
	return NULL;
}

int service_release(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const json_t *detail = json_object_get(s->line.stopped, "detail");
	const char *reason;

	if (s->line.stopped == NULL)
		return err_set(e, ERR_OPERATOR, "line.runs", "no rule has stopped the line");
	if (service_reason(q, true, &reason, e) != 0)
		return -1;
	return service_record(s, q,
	    service_event("line-released", by,
		json_pack("{s:s, s:s}", "reason", reason, "rule",
		    json_opt_str(detail, "rule", ""))),
	    released, e);
}
