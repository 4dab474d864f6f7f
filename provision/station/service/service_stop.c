/* A person stops the line and starts it again. */
#include <stdio.h>

#include "service_internal.h"

void service_tell_stopped(struct service *s)
{
	station_tell(s->station, json_pack("{s:s, s:s, s:s, s:s}", "event", "station", "what",
				     "stopped", "by", s->stop.by, "message", s->stop.reason));
}

void service_recall_stopped(struct service *s, const json_t *body)
{
	const json_t *detail = json_object_get(body, "detail");
	struct stop *stop = &s->stop;

	(void)snprintf(stop->by, sizeof(stop->by), "%s", json_opt_str(detail, "by", ""));
	(void)snprintf(stop->reason, sizeof(stop->reason), "%s",
	    json_opt_str(detail, "reason", ""));
	(void)snprintf(stop->at, sizeof(stop->at), "%s", json_opt_str(body, "at", ""));
	station_hold(s->station, HOLD_STOP, true);
}

void service_recall_started(struct service *s, const json_t *body)
{
	(void)body;
	station_hold(s->station, HOLD_STOP, false);
}

static json_t *stopped(struct service *s, const json_t *body)
{
	service_recall_stopped(s, body);
	service_tell_stopped(s);
	service_show_state(s);
	return NULL;
}

static json_t *started(struct service *s, const json_t *body)
{
	const char *by = json_opt_str(json_object_get(body, "detail"), "by", "");

	station_tell(s->station, json_pack("{s:s, s:s, s:s, s:s}", "event", "station", "what",
				     "started", "by", by, "message", "units are made again"));
	service_recall_started(s, body);
	service_show_state(s);
	return NULL;
}

static bool is_stopped(const struct service *s)
{
	return (s->station->held & HOLD_STOP) != 0;
}

int service_stop(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *reason;

	if (is_stopped(s))
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

	if (!is_stopped(s))
		return err_set(e, ERR_OPERATOR, "station.state", "the station is not stopped");
	if (service_reason(q, false, &reason, e) != 0)
		return -1;
	return service_record(s, q,
	    service_event("started", by, json_pack("{s:s}", "reason", reason)), started, e);
}
