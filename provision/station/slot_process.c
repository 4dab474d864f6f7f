#include "slot_process.h"

#include "slot_address.h"
#include "stem.h"

enum { OPEN_MS = 8000 };

static json_t *make_open(struct slot *slot, struct err *e)
{
	struct station *s = slot->station;
	AUTO_STRUCT(buf) address = { 0 };
	AUTO(json_t) *open = NULL;

	if (slot_address(slot->config, slot->place, s->profile, &address, e) != 0)
		return NULL;
	open = json_pack("{s:s, s:s}", "do", "open", "address", (const char *)address.data);
	if (open == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	if (secret_len(&s->device_secret) > 0 &&
	    secret_to_json(&s->device_secret, open, "secret", e) != 0)
		return NULL;
	if (slot->state == SLOT_RESETTING &&
	    json_set_str(open, "resume", buf_str(&slot->resume, e), e) != 0)
		return NULL;
	return steal(&open);
}

static int adopt(struct slot *slot, const struct child_process *process, struct err *e)
{
	struct child_events events = slot->process->of;
	json_t *open = make_open(slot, e);

	events.context = slot;
	if (open == NULL) {
		child_discard(process);
		return -1;
	}
	return child_adopt(&slot->child, slot->station->loop, stem_program, process, open, OPEN_MS,
	    ERR_LINK, &events, e);
}

static void on_born(void *context, const struct child_process *process, const struct err *why)
{
	struct slot *slot = context;
	struct err e = { 0 };

	slot->birth = NULL;
	if (process == NULL)
		slot->process->failed(slot, why);
	else if (adopt(slot, process, &e) != 0)
		slot->process->failed(slot, &e);
}

void slot_process_start(struct slot *slot, const struct slot_process_events *events)
{
	struct err e = { 0 };

	slot->process = events;
	if (stem_ask(slot->station->stem, &slot->birth, on_born, slot, &e) != 0)
		events->failed(slot, &e);
}

void slot_process_end(struct slot *slot)
{
	if (slot->birth != NULL)
		stem_forget(steal(&slot->birth));
	if (slot->child != NULL)
		child_kill(steal(&slot->child));
}

void slot_process_keep(const struct station *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->slot_count; i++)
		count += s->slots[i].state == SLOT_EMPTY || s->slots[i].state == SLOT_DONE;
	stem_keep(s->stem, s->draining ? 0 : count);
}
