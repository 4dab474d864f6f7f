/* A person has seen what failed in a slot, or what concerns the whole station. */
#include <string.h>

#include "service_internal.h"
#include "slot.h"

void service_acknowledge_hold(struct service *s, struct slot *slot, bool waits)
{
	view_set_ack(s->view, slot->config->name, waits);
	slot_hold(slot, HOLD_ACKNOWLEDGE, waits);
}

/* Of the station's alarms only a line that is stopped outlives a start: others are found anew by it, and
 * are loud again. */
void service_recall_acknowledged(struct service *s, const json_t *body)
{
	const struct slot *slot = service_slot_of(s, body);

	if (slot != NULL)
		s->remains[slot - s->station->slots].seen = json_opt_int(body, "record", 0);
	if (s->line.stopped == NULL ||
	    json_object_get(json_object_get(body, "detail"), "what") == NULL)
		return;
	json_decref(s->line.seen);
	s->line.seen = json_incref((json_t *)(uintptr_t)body);
}

static void tell(struct service *s, const json_t *body, const char *slot, const char *message)
{
	const json_t *detail = json_object_get(body, "detail");

	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s*, s:s}", "event", "station", "what", "acknowledged",
		"by", json_opt_str(detail, "by", ""), "slot", slot, "message", message));
}

/* Told before anything begins. */
static json_t *seen_slot(struct service *s, const json_t *body)
{
	struct slot *slot = service_slot_of(s, body);

	tell(s, body, slot->config->name, "the failure was seen");
	service_acknowledge_hold(s, slot, false);
	return NULL;
}

static json_t *seen_alarm(struct service *s, const json_t *body)
{
	const json_t *detail = json_object_get(body, "detail");
	char now[CLOCK_TEXT];

	clock_wall_text(now);
	view_set_seen(s->view, json_object_get(detail, "what"), json_opt_str(detail, "by", ""),
	    now);
	tell(s, body, NULL, "the alarm was seen");
	return NULL;
}

static int acknowledge_slot(struct service *s, struct control_question *q, const struct actor *by,
    const struct slot *slot, struct err *e)
{
	if ((slot->held & HOLD_ACKNOWLEDGE) == 0)
		return err_set(e, ERR_OPERATOR, "acknowledge.nothing",
		    "no failure waits to be acknowledged in slot %s", slot->config->name);
	return service_record(s, q,
	    service_event("acknowledged", by, json_pack("{s:s}", "slot", slot->config->name)),
	    seen_slot, e);
}

int service_acknowledge(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	AUTO(json_t) *names = NULL;
	struct slot *slot;

	if (service_get_slot(s, q, &slot, e) != 0)
		return -1;
	if (slot != NULL)
		return acknowledge_slot(s, q, by, slot, e);
	names = view_alarm_names(s->view, true);
	if (names == NULL)
		return err_nomem(e);
	if (json_array_size(names) == 0)
		return err_set(e, ERR_OPERATOR, "acknowledge.nothing",
		    "the station has no alarm that nobody has seen");
	return service_record(s, q,
	    service_event("acknowledged", by, json_pack("{s:O}", "what", names)), seen_alarm, e);
}
