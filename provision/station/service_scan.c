/* Labels are scanned: by a request, or by a scanner on a serial port. */
#include <stdio.h>
#include <string.h>

#include "advice.h"
#include "scanning.h"
#include "service_internal.h"

int service_scan(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *slot = json_opt_str(q->request, "slot", NULL);
	json_t *ok = NULL;
	const char *text;

	if (json_get_str(q->request, "text", &text, ERR_OPERATOR, e) != 0)
		return -1;
	if (json_opt_bool(q->request, "off", false)
		? scanning_drop(s->station, text, by->name, e) != 0
		: scanning_take(s->station, text, slot, by->name, &ok, e) != 0)
		return -1;
	control_answer(q, ok);
	return 0;
}

static void tell(struct service *s, const char *what, const struct err *why)
{
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "station", "what", what, "code",
		why->code, "message", why->message, "advice", advice_for(why)));
}

static void on_refused(void *context, const struct err *why)
{
	tell(context, "scan-refused", why);
}

static void on_scanned(void *context, const char *text)
{
	struct service *s = context;
	AUTO(json_t) *ok = NULL;
	struct err e = { 0 };

	if (scanning_take(s->station, text, NULL, "scanner", &ok, &e) != 0)
		on_refused(s, &e);
}

static void on_state(void *context, const struct err *why)
{
	struct service *s = context;

	if (why != NULL)
		tell(s, "scanner-down", why);
	else
		station_tell(s->station,
		    json_pack("{s:s, s:s, s:s}", "event", "station", "what", "scanner-up",
			"message", "the scanner is there again"));
}

int service_open_scanner(struct service *s, struct err *e)
{
	const struct scan_config *c = &s->station->config->scan;
	const struct scanner_hooks hooks = { on_scanned, on_refused, on_state, s };

	scanning_begin(s->station);
	view_set_scans(s->view, &s->station->scans);
	if (c->device == NULL)
		return 0;
	return scanner_open(&s->scanner, s->loop, c->device, c->baud, &hooks, e);
}
