#include "scans.h"

#include <string.h>

void scans_init(struct scans *s, const struct config *config)
{
	*s = (struct scans){ .config = config, .order = config->scan.order };
}

static void remove_pending(struct scans *s, size_t i)
{
	s->pending_count--;
	memmove(&s->pending[i], &s->pending[i + 1], (s->pending_count - i) * sizeof(s->pending[0]));
}

static void give(struct scan_slot *slot, const struct scan *label)
{
	*slot = (struct scan_slot){ .has = true, .label = *label };
}

bool scans_arrived(struct scans *s, size_t slot)
{
	struct scan_slot *its = &s->slots[slot];

	if (s->order == SCAN_NONE || its->has)
		return false;
	if (s->pending_count == 0) {
		its->need = SCAN_NEED_SOON;
		its->since = ++s->clock;
		return false;
	}
	give(its, &s->pending[0]);
	remove_pending(s, 0);
	return true;
}

const struct scan *scans_of(const struct scans *s, size_t slot)
{
	return s->slots[slot].has ? &s->slots[slot].label : NULL;
}

void scans_ask(struct scans *s, size_t slot)
{
	s->slots[slot].need = SCAN_NEED_NOW;
	s->slots[slot].since = ++s->clock;
}

void scans_ended(struct scans *s, size_t slot)
{
	struct scan_slot *its = &s->slots[slot];

	if (its->is_wrong)
		*its = (struct scan_slot){ 0 };
	its->need = SCAN_NEED_NONE;
	its->is_used = true;
}

void scans_wrong(struct scans *s, size_t slot)
{
	s->slots[slot].is_wrong = true;
}

bool scans_left(struct scans *s, size_t slot)
{
	struct scan_slot *its = &s->slots[slot];
	bool back = s->order == SCAN_FIRST && its->has && !its->is_used;

	if (back) {
		memmove(&s->pending[1], &s->pending[0], s->pending_count * sizeof(s->pending[0]));
		s->pending[0] = its->label;
		s->pending_count++;
	}
	*its = (struct scan_slot){ 0 };
	return back;
}

static int check_twice(const struct scans *s, const char *serial, struct err *e)
{
	for (size_t i = 0; i < s->pending_count; i++)
		if (strcmp(s->pending[i].serial, serial) == 0)
			return err_set(e, ERR_OPERATOR, "scan.twice",
			    "the label of %s was scanned already and waits for its unit", serial);
	for (size_t i = 0; i < s->config->slot_count; i++)
		if (s->slots[i].has && strcmp(s->slots[i].label.serial, serial) == 0)
			return err_set(e, ERR_OPERATOR, "scan.twice",
			    "the label of %s was scanned already, for the unit in slot %s", serial,
			    s->config->slots[i].name);
	return 0;
}

static int find_named(const struct scans *s, const char *name, size_t *ret, struct err *e)
{
	for (size_t i = 0; i < s->config->slot_count; i++) {
		if (strcmp(s->config->slots[i].name, name) != 0)
			continue;
		if (s->slots[i].need == SCAN_NEED_NONE)
			return err_set(e, ERR_OPERATOR, "scan.nobody",
			    "the unit in slot %s waits for no label", name);
		*ret = i;
		return 0;
	}
	return err_set(e, ERR_OPERATOR, "slot.unknown", "there is no slot %.64s", name);
}

static bool is_before(const struct scan_slot *a, const struct scan_slot *b)
{
	return a->need != b->need ? a->need > b->need : a->since < b->since;
}

size_t scans_next(const struct scans *s)
{
	size_t found = s->config->slot_count;

	for (size_t i = 0; i < s->config->slot_count; i++)
		if (s->slots[i].need != SCAN_NEED_NONE &&
		    (found == s->config->slot_count || is_before(&s->slots[i], &s->slots[found])))
			found = i;
	return found;
}

static int queue(struct scans *s, const struct scan *scan, struct err *e)
{
	if (s->order != SCAN_FIRST)
		return err_set(e, ERR_OPERATOR, "scan.nobody",
		    "no unit waits for its label: plug the unit in, then scan it");
	if (s->pending_count >= SCANS_PENDING_MAX)
		return err_set(e, ERR_OPERATOR, "scan.full",
		    "%d labels wait for their units already", SCANS_PENDING_MAX);
	s->pending[s->pending_count++] = *scan;
	return 0;
}

int scans_take(struct scans *s, const struct scan *scan, const char *slot, size_t *ret_slot,
    struct err *e)
{
	if (s->order == SCAN_NONE)
		return err_set(e, ERR_OPERATOR, "scan.none",
		    "this station takes no scans: units are made without their labels");
	if (check_twice(s, scan->serial, e) != 0)
		return -1;
	if (slot != NULL && find_named(s, slot, ret_slot, e) != 0)
		return -1;
	if (slot == NULL)
		*ret_slot = scans_next(s);
	if (*ret_slot == s->config->slot_count)
		return queue(s, scan, e);
	give(&s->slots[*ret_slot], scan);
	return 0;
}

int scans_drop(struct scans *s, const char *serial, struct err *e)
{
	for (size_t i = 0; i < s->pending_count; i++) {
		if (strcmp(s->pending[i].serial, serial) != 0)
			continue;
		remove_pending(s, i);
		return 0;
	}
	return err_set(e, ERR_OPERATOR, "scan.unknown", "no label of %s waits for its unit",
	    serial);
}
