#include "scanning.h"

#include <stdio.h>
#include <string.h>

#include "job_scan.h"

void scanning_begin(struct station *s)
{
	scans_init(&s->scans, s->config);
}

static size_t index_of(const struct slot *slot)
{
	return (size_t)(slot - slot->station->slots);
}

json_t *scanning_pending(const struct scans *s)
{
	AUTO(json_t) *list = json_array();

	for (size_t i = 0; i < s->pending_count; i++)
		if (json_array_append_new(list, json_pack("{s:s, s:s}", "text", s->pending[i].text,
						    "serial", s->pending[i].serial)) != 0)
			return NULL;
	return steal(&list);
}

static void tell(struct station *s, const char *what, const struct scan *label, const char *slot,
    const char *message)
{
	station_tell(s, json_pack("{s:s, s:s, s:s*, s:s, s:s, s:s*, s:s, s:o}", "event", "station",
			    "what", what, "text", label->text[0] != '\0' ? label->text : NULL,
			    "serial", label->serial, "by", label->by, "slot", slot, "message",
			    message, "pending", scanning_pending(&s->scans)));
}

static void tell_of_slot(struct slot *slot, const char *what, const struct scan *label,
    const char *happens)
{
	char message[256];

	(void)snprintf(message, sizeof(message), "the label of %s %s slot %s", label->serial,
	    happens, slot->config->name);
	tell(slot->station, what, label, slot->config->name, message);
}

void scanning_arrived(struct slot *slot)
{
	struct scans *s = &slot->station->scans;

	if (scans_arrived(s, index_of(slot)))
		tell_of_slot(slot, "label-taken", scans_of(s, index_of(slot)),
		    "is for the unit in");
}

void scanning_ended(struct slot *slot)
{
	scans_ended(&slot->station->scans, index_of(slot));
}

void scanning_left(struct slot *slot)
{
	struct scans *s = &slot->station->scans;

	if (scans_left(s, index_of(slot)))
		tell_of_slot(slot, "label-back", &s->pending[0],
		    "waits again: its plug bounced in");
}

/* What holds the station is told, by the code whose advice mends it. */
static int check_open(const struct station *s, struct err *e)
{
	static const struct {
		const char *hold, *code;
	} rows[] = { { "operator", "operator.needed" }, { "line", "line.stopped" } };

	if (s->draining || s->broken.domain != ERR_NONE)
		return err_set(e, ERR_OPERATOR, "station.ending", "the station is ending");
	if (s->held == 0)
		return 0;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(hold_name(s->held), rows[i].hold) == 0)
			return err_set(e, ERR_OPERATOR, rows[i].code, "nothing is scanned now: %s",
			    hold_text(rows[i].hold));
	return err_set(e, ERR_OPERATOR, "scan.held", "nothing is scanned now: %s",
	    hold_text(hold_name(s->held)));
}

static int read_label(const struct station *s, const char *text, const char *by, struct scan *ret,
    struct err *e)
{
	if (scan_label_serial(&s->config->scan.label, text, ret->serial, e) != 0)
		return -1;
	memcpy(ret->text, text, strlen(text) + 1); /* which was checked */
	(void)snprintf(ret->by, sizeof(ret->by), "%s", by);
	return 0;
}

int scanning_take(struct station *s, const char *text, const char *slot, const char *by,
    json_t **ret, struct err *e)
{
	struct scan scan = { 0 };
	const char *name;
	char message[256];
	size_t index;

	if (s->scans.order != SCAN_NONE &&
	    (check_open(s, e) != 0 || read_label(s, text, by, &scan, e) != 0))
		return -1;
	if (scans_take(&s->scans, &scan, slot, &index, e) != 0)
		return -1;
	name = index < s->slot_count ? s->config->slots[index].name : NULL;
	*ret = json_pack("{s:s, s:s?}", "serial", scan.serial, "slot", name);
	if (*ret == NULL)
		return err_nomem(e);
	(void)snprintf(message, sizeof(message),
	    name != NULL ? "the label of %s is for the unit in slot %s"
			 : "the label of %s waits for its unit: plug it in",
	    scan.serial, name);
	tell(s, "scanned", &scan, name, message);
	if (name != NULL && s->slots[index].job != NULL)
		job_scanned(s->slots[index].job);
	return 0;
}

int scanning_drop(struct station *s, const char *text, const char *by, struct err *e)
{
	struct scan scan = { 0 };
	char message[256];

	if (read_label(s, text, by, &scan, e) != 0 || scans_drop(&s->scans, scan.serial, e) != 0)
		return -1;
	(void)snprintf(message, sizeof(message), "the label of %s no longer waits", scan.serial);
	tell(s, "label-dropped", &scan, NULL, message);
	return 0;
}
