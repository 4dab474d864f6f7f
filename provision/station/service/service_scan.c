/* Labels are scanned: by a request, or by a scanner on a serial port. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "advice.h"
#include "scanning.h"
#include "service_internal.h"

/* Where people have badges, what is no label may be one: it is not repeated. */
static int conceal(const struct service *s, struct err *e)
{
	if (s->login != NULL && err_is(e, "scan.label"))
		return err_set(e, ERR_OPERATOR, "scan.label",
		    "what was scanned is no unit's label");
	if (s->login != NULL && err_is(e, "scan.text"))
		return err_set(e, ERR_OPERATOR, "scan.text",
		    "what was scanned is too long, or not printable");
	return -1;
}

static void tell(struct service *s, const char *what, const struct err *why)
{
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "event", "station", "what", what, "code",
		why->code, "message", why->message, "advice", advice_for(why)));
}

static void on_refused(void *context, const struct err *why)
{
	struct service *s = context;
	struct err e = *why;

	(void)conceal(s, &e); /* always -1 */
	tell(s, "scan-refused", &e);
}

/* As if a console had asked, whose answer nobody hears: what comes of it is told (service_people.c). */
static void offer_badge(struct service *s, const char *text)
{
	AUTO(json_t) *request =
	    json_pack("{s:s, s:s, s:s}", "do", "operator", "badge", text, "via", "scanner");
	struct control_question *q = calloc(1, sizeof(*q));
	struct err e = { 0 };

	if (q == NULL || request == NULL) {
		free(q);
		(void)err_nomem(&e);
		on_refused(s, &e);
		return;
	}
	*q = (struct control_question){ .control = s->control,
		.uid = geteuid(),
		.request = steal(&request) };
	service_asked(s, q);
}

static bool is_badge(const struct service *s, const char *text)
{
	const struct scan_config *c = &s->station->config->scan;
	char serial[IDENTITY_MAX + 1];
	struct err ignored = { 0 };

	return s->login != NULL &&
	       (c->order == SCAN_NONE || scan_label_serial(&c->label, text, serial, &ignored) != 0);
}

static int check_role(enum role role, struct err *e)
{
	if (role == ROLE_NONE)
		return err_set(e, ERR_OPERATOR, "operator.needed",
		    "nobody is signed on at this station");
	return 0;
}

/* A page knows no label from a badge; a command line has its own ways. */
static bool shows_badge(const struct service *s, const struct control_question *q, const char *text)
{
	return json_object_get(q->request, "via") != NULL &&
	       json_object_get(q->request, "as") == NULL && is_badge(s, text);
}

/* The one copy of the text is wiped when it has been read. */
static int sign_on(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	json_t *text = json_object_get(q->request, "text");

	if (json_object_set(q->request, "badge", text) != 0 ||
	    json_object_del(q->request, "text") != 0)
		return err_nomem(e);
	return service_operator(s, q, by, e);
}

int service_scan(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *slot = json_opt_str(q->request, "slot", NULL);
	bool is_off = json_opt_bool(q->request, "off", false);
	json_t *ok = NULL;
	const char *text;

	if (json_get_str(q->request, "text", &text, ERR_OPERATOR, e) != 0)
		return -1;
	if (!is_off && shows_badge(s, q, text))
		return sign_on(s, q, by, e);
	if (check_role(by->role, e) != 0)
		return -1;
	if (is_off ? scanning_drop(s->station, text, by->name, e) != 0
		   : scanning_take(s->station, text, slot, by->name, &ok, e) != 0)
		return conceal(s, e);
	control_answer(q, ok);
	return 0;
}

/* Whoever is signed on scans, where people sign on. */
static int scan(struct service *s, const char *text, struct err *e)
{
	AUTO(json_t) *ok = NULL;

	if (s->login != NULL && check_role(s->seat.who.role, e) != 0)
		return -1;
	service_touch(s);
	return scanning_take(s->station, text, NULL,
	    s->login != NULL ? s->seat.who.name : "scanner", &ok, e);
}

static void on_scanned(void *context, const char *text)
{
	struct service *s = context;
	struct err e = { 0 };

	if (is_badge(s, text))
		offer_badge(s, text);
	else if (scan(s, text, &e) != 0)
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
