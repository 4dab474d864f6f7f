/* A person pauses the station or one place of it (to clean it, for its cable), and resumes. */
#include <string.h>

#include "service_internal.h"
#include "slot.h"

struct slot *service_slot(struct service *s, const char *name)
{
	for (size_t i = 0; i < s->station->slot_count; i++)
		if (strcmp(s->station->slots[i].config->name, name) == 0)
			return &s->station->slots[i];
	return NULL;
}

int service_get_slot(struct service *s, const struct control_question *q, struct slot **ret,
    struct err *e)
{
	const char *name = json_opt_str(q->request, "slot", NULL);

	*ret = name != NULL ? service_slot(s, name) : NULL;
	if (name != NULL && *ret == NULL)
		return err_set(e, ERR_OPERATOR, "slot.unknown",
		    "this station has no slot \"%.64s\"", name);
	return 0;
}

/* body's slot, if it names one. A slot may have left the configuration since: nothing is done then. */
static void apply(struct service *s, const json_t *body, bool paused)
{
	const char *name = json_opt_str(json_object_get(body, "detail"), "slot", NULL);
	struct slot *slot = name != NULL ? service_slot(s, name) : NULL;

	view_set_paused(s->view, name, paused);
	if (name == NULL)
		station_hold(s->station, HOLD_PAUSE, paused);
	if (slot == NULL)
		return;
	if (!paused)
		slot_reopen(slot);
	slot_hold(slot, HOLD_PAUSE, paused);
}

void service_recall_paused(struct service *s, const json_t *body)
{
	apply(s, body, true);
}

void service_recall_resumed(struct service *s, const json_t *body)
{
	apply(s, body, false);
}

static void tell(struct service *s, const json_t *body, const char *message)
{
	const json_t *detail = json_object_get(body, "detail");

	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s*, s:s}", "event", "station", "what",
		json_opt_str(body, "what", ""), "by", json_opt_str(detail, "by", ""), "slot",
		json_opt_str(detail, "slot", NULL), "message", message));
}

static json_t *paused(struct service *s, const json_t *body)
{
	apply(s, body, true);
	tell(s, body, "nothing begins until it is resumed");
	return NULL;
}

/* Told before anything begins. */
static json_t *resumed(struct service *s, const json_t *body)
{
	tell(s, body, "units are made again");
	apply(s, body, false);
	return NULL;
}

static json_t *detail_of(const struct slot *slot)
{
	return json_pack("{s:s*}", "slot", slot != NULL ? slot->config->name : NULL);
}

static unsigned holds_of(const struct service *s, const struct slot *slot)
{
	return slot != NULL ? slot->held : s->station->held;
}

int service_pause(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	struct slot *slot;

	if (service_get_slot(s, q, &slot, e) != 0)
		return -1;
	if ((holds_of(s, slot) & HOLD_PAUSE) != 0)
		return err_set(e, ERR_OPERATOR, "station.state", "it is paused already");
	return service_record(s, q, service_event("paused", by, detail_of(slot)), paused, e);
}

/* A slot that its failures have closed is open again. */
int service_resume(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	struct slot *slot;

	if (service_get_slot(s, q, &slot, e) != 0)
		return -1;
	if ((holds_of(s, slot) & HOLD_PAUSE) == 0 && (slot == NULL || !slot->closed))
		return err_set(e, ERR_OPERATOR, "station.state",
		    slot != NULL ? "this slot is neither paused nor closed"
				 : "the station is not paused");
	return service_record(s, q, service_event("resumed", by, detail_of(slot)), resumed, e);
}
