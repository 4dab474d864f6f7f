/* A unit that did not pass is made again: in its slot, or once more than the rules allow. */
#include <string.h>

#include "service_internal.h"
#include "slot.h"

static int64_t limit(const struct service *s)
{
	return s->station->config->rules.retests;
}

/* What an engineer alone may do, and has to say why. */
static int check_allowing(const struct control_question *q, const struct actor *by,
    const char *serial, const char **ret_reason, struct err *e)
{
	if (by->role < ROLE_ENGINEER)
		return err_set(e, ERR_OPERATOR, "operator.role",
		    "unit %s has failed too often: one more retest of it takes the role %s", serial,
		    role_name(ROLE_ENGINEER));
	if (service_reason(q, false, ret_reason, e) != 0)
		return -1;
	if ((*ret_reason)[0] == '\0')
		return err_set(e, ERR_OPERATOR, "station.reason",
		    "unit %s has failed as often as rules.retests allows: say why it is made once "
		    "more",
		    serial);
	return 0;
}

static json_t *write_allowing(const struct service *s, const struct actor *by, const char *serial,
    const char *reason)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I}", "event", "retest", "serial", serial, "by",
	    by->name, "reason", reason, "retests", (json_int_t)limit(s));
}

static void tell(struct service *s, const char *by, const char *slot, const char *serial,
    const char *message)
{
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s*, s:s, s:s}", "event", "station", "what", "retest", "by",
		by, "slot", slot, "serial", serial, "message", message));
}

static json_t *allowed(struct service *s, const json_t *body)
{
	tell(s, json_opt_str(body, "by", ""), NULL, json_opt_str(body, "serial", ""),
	    "the unit may be made once more");
	return NULL;
}

static int allow(struct service *s, struct control_question *q, const struct actor *by,
    const char *serial, struct err *e)
{
	const char *reason;

	if (serial[0] == '\0' || strlen(serial) > IDENTITY_MAX)
		return err_set(e, ERR_OPERATOR, "unit.unknown", "that is no serial of a unit");
	if (limit(s) < 0)
		return err_set(e, ERR_OPERATOR, "retest.needless",
		    "this station makes a unit again as often as it fails");
	if (check_allowing(q, by, serial, &reason, e) != 0)
		return -1;
	return service_record(s, q, write_allowing(s, by, serial, reason), allowed, e);
}

/* Whoever has it made again has seen that it failed. */
void service_recall_retest(struct service *s, const json_t *body)
{
	const struct slot *slot = service_slot_of(s, body);

	if (slot != NULL)
		s->remains[slot - s->station->slots].seen = json_opt_int(body, "record", 0);
}

static json_t *begun(struct service *s, const json_t *body)
{
	const json_t *detail = json_object_get(body, "detail");
	struct slot *slot = service_slot_of(s, body);

	tell(s, json_opt_str(detail, "by", ""), slot->config->name,
	    json_opt_str(detail, "serial", ""), "the unit is made again");
	service_acknowledge_hold(s, slot, false);
	slot_again(slot);
	return NULL;
}

static int is_beyond(const struct service *s, const char *serial, bool *ret, struct err *e)
{
	int64_t failed;
	bool more;

	*ret = false;
	if (limit(s) < 0 || serial[0] == '\0')
		return 0;
	if (records_failures(s->station->records, serial, &failed, &more, e) != 0)
		return -1;
	*ret = failed > limit(s) && !more;
	return 0;
}

/* Beyond the limit it is allowed first; both are durable in this order. */
static int begin_again(struct service *s, struct control_question *q, const struct actor *by,
    const struct slot *slot, struct err *e)
{
	const struct remains *r = &s->remains[slot - s->station->slots];
	const char *reason;
	bool beyond;

	if (!r->are || !slot_is_done(slot))
		return err_set(e, ERR_OPERATOR, "retest.slot",
		    "in slot %s is no unit that has ended without a PASS", slot->config->name);
	if (service_reason(q, false, &reason, e) != 0 || is_beyond(s, r->serial, &beyond, e) != 0 ||
	    (beyond && check_allowing(q, by, r->serial, &reason, e) != 0))
		return -1;
	if (s->station->draining || s->station->broken.domain != ERR_NONE)
		return err_set(e, ERR_OPERATOR, "station.ending", "the station is ending");
	if (beyond)
		station_note(s->station, write_allowing(s, by, r->serial, reason));
	return service_record(s, q,
	    service_event("retest", by,
		json_pack("{s:s, s:s, s:s}", "slot", slot->config->name, "serial", r->serial,
		    "reason", reason)),
	    begun, e);
}

int service_retest(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *serial = json_opt_str(q->request, "serial", NULL);
	struct slot *slot;

	if (service_get_slot(s, q, &slot, e) != 0)
		return -1;
	if ((slot == NULL) == (serial == NULL))
		return err_set(e, ERR_OPERATOR, "retest.which",
		    "say which unit: the slot it is in, or its serial");
	return slot != NULL ? begin_again(s, q, by, slot, e) : allow(s, q, by, serial, e);
}
