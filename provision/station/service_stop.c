/* A person stops the line and starts it again. */
#include <stdio.h>

#include "service_internal.h"

void service_tell_stopped(struct service *s)
{
	station_tell(s->station, json_pack("{s:s, s:s, s:s, s:s}", "event", "station", "what",
				     "stopped", "by", s->stop.by, "message", s->stop.reason));
}

/* by and reason are detail's; at is when. */
static void take_word(struct stop *ret, const json_t *body, const char *at)
{
	const json_t *detail = json_object_get(body, "detail");

	(void)snprintf(ret->by, sizeof(ret->by), "%s", json_opt_str(detail, "by", ""));
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s", json_opt_str(detail, "reason", ""));
	(void)snprintf(ret->at, sizeof(ret->at), "%s", at);
}

static json_t *take_effect(struct service *s, const json_t *body, bool held)
{
	char now[CLOCK_TEXT];

	clock_wall_text(now);
	take_word(&s->stop, body, now);
	if (held)
		service_tell_stopped(s);
	else
		station_tell(s->station,
		    json_pack("{s:s, s:s, s:s, s:s}", "event", "station", "what", "started", "by",
			s->stop.by, "message", "units are made again"));
	station_hold(s->station, held);
	service_show_state(s);
	return NULL;
}

static json_t *stopped(struct service *s, const json_t *body)
{
	return take_effect(s, body, true);
}

static json_t *started(struct service *s, const json_t *body)
{
	return take_effect(s, body, false);
}

int service_stop(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *reason;

	if (s->station->held)
		return err_set(e, ERR_OPERATOR, "station.state", "the station is stopped already");
	if (service_reason(q, true, &reason, e) != 0)
		return -1;
	return service_record(s, q,
	    service_event("stopped", by, json_pack("{s:s}", "reason", reason)), stopped, e);
}

int service_start(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *reason;

	if (!s->station->held)
		return err_set(e, ERR_OPERATOR, "station.state", "the station is not stopped");
	if (service_reason(q, false, &reason, e) != 0)
		return -1;
	return service_record(s, q,
	    service_event("started", by, json_pack("{s:s}", "reason", reason)), started, e);
}

/* Nobody but a person takes back what a person said: no crash does, and no restart. */
int service_recall_stop(struct service *s, struct err *e)
{
	AUTO(json_t) *body = NULL;

	if (records_last_stop(s->station->records, &body, e) != 0)
		return -1;
	if (body == NULL)
		return 0;
	take_word(&s->stop, body, json_opt_str(body, "at", ""));
	station_hold(s->station, true);
	return 0;
}
