#include "service_internal.h"

#include <stdlib.h>
#include <string.h>

const struct request_kind request_kinds[] = {
	{ "stop", ROLE_OPERATOR, service_stop },
	{ "start", ROLE_OPERATOR, service_start },
	{ "pause", ROLE_OPERATOR, service_pause },
	{ "resume", ROLE_OPERATOR, service_resume },
	{ "operator", ROLE_NONE, service_operator },
	{ "label", ROLE_OPERATOR, service_label },
	{ "unit", ROLE_OPERATOR, service_unit },
	{ "evidence", ROLE_OPERATOR, service_evidence },
	{ "trend", ROLE_OPERATOR, service_trend },
	{ "retest", ROLE_OPERATOR, service_retest },
	{ "acknowledge", ROLE_OPERATOR, service_acknowledge },
	{ "release", ROLE_ENGINEER, service_release },
	{ "scan", ROLE_NONE, service_scan }, /* which may be a badge */
	{ NULL, ROLE_NONE, NULL },
};

static const struct request_kind *find_kind(const char *name)
{
	const struct request_kind *kind = request_kinds;

	while (kind->name != NULL && strcmp(kind->name, name) != 0)
		kind++;
	return kind->name != NULL ? kind : NULL;
}

int service_run_as(struct service *s, struct control_question *q, const struct request_kind *kind,
    const struct actor *by, struct err *e)
{
	if (kind->needs != ROLE_NONE && by->role == ROLE_NONE)
		return err_set(e, ERR_OPERATOR, "operator.needed",
		    "nobody is signed on at this station");
	if (by->role < kind->needs)
		return err_set(e, ERR_OPERATOR, "operator.role",
		    "\"%s\" needs the role %s: show the badge, or the name and PIN, of one",
		    kind->name, role_name(kind->needs));
	return kind->run(s, q, by, e);
}

/* What is of another type is not taken for left out: without a slot it is the whole station that is meant.
 * What people show is checked where it is read (login.h). */
static int check_types(const json_t *request, struct err *e)
{
	static const struct {
		const char *member;
		json_type type; /* TRUE: yes or no */
		const char *name;
	} rows[] = {
		{ "slot", JSON_STRING, "a text" },
		{ "serial", JSON_STRING, "a text" },
		{ "text", JSON_STRING, "a text" },
		{ "reason", JSON_STRING, "a text" },
		{ "off", JSON_TRUE, "true or false" },
		{ "hours", JSON_INTEGER, "an integer" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const json_t *v = json_object_get(request, rows[i].member);

		if (v != NULL && json_typeof(v) != rows[i].type &&
		    (rows[i].type != JSON_TRUE || !json_is_false(v)))
			return err_set(e, ERR_OPERATOR, "json", "member \"%s\" is not %s",
			    rows[i].member, rows[i].name);
	}
	return 0;
}

static int run(struct service *s, struct control_question *q, struct err *e)
{
	const char *name = json_opt_str(q->request, "do", "");
	const struct request_kind *kind = find_kind(name);
	struct actor by;

	if (kind == NULL)
		return err_set(e, ERR_OPERATOR, "control.unknown", "there is no request \"%.40s\"",
		    name);
	if (check_types(q->request, e) != 0)
		return -1;
	if (json_object_get(q->request, "as") != NULL)
		return service_run_for(s, q, kind, e);
	service_who(s, q, &by);
	return service_run_as(s, q, kind, &by, e);
}

void service_asked(struct service *s, struct control_question *q)
{
	struct err e = { 0 };

	if (run(s, q, &e) != 0)
		control_refuse(q, &e);
}

/* An action on its way into the records. */
struct action {
	struct service *service;
	struct control_question *question;
	struct record record;
	json_t *(*take_effect)(struct service *s, const json_t *body);
};

static void on_recorded(struct record *r)
{
	struct action *a = r->context;
	json_t *ok = NULL;

	if (r->rc != 0) {
		control_refuse(a->question, &r->err);
		if (r->err.domain != ERR_OPERATOR) /* the records refuse what a person may not */
			station_break(a->service->station, &r->err);
	} else {
		if (a->take_effect != NULL && !a->service->station->closing)
			ok = a->take_effect(a->service, r->body);
		control_answer(a->question, ok);
	}
	record_free(r);
	free(a);
}

int service_record(struct service *s, struct control_question *q, json_t *body,
    json_t *(*take_effect)(struct service *s, const json_t *body), struct err *e)
{
	AUTO(json_t) *owned = body;
	struct action *a;

	if (s->station->draining || s->station->broken.domain != ERR_NONE)
		return err_set(e, ERR_OPERATOR, "station.ending", "the station is ending");
	a = calloc(1, sizeof(*a));
	if (a == NULL || owned == NULL) {
		free(a);
		return err_nomem(e);
	}
	*a = (struct action){ .service = s, .question = q, .take_effect = take_effect };
	a->record = (struct record){ .body = steal(&owned), .done = on_recorded, .context = a };
	records_submit(s->station->records, &a->record);
	return 0;
}

json_t *service_event(const char *what, const struct actor *by, json_t *detail)
{
	json_t *owned = detail != NULL ? detail : json_object();

	if (owned == NULL || json_object_set_new(owned, "by", json_string(by->name)) != 0) {
		json_decref(owned);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:o}", "event", "station", "what", what, "detail", owned);
}

int service_reason(const struct control_question *q, bool needed, const char **ret, struct err *e)
{
	const char *reason = json_opt_str(q->request, "reason", "");

	if (needed && reason[0] == '\0')
		return err_set(e, ERR_OPERATOR, "station.reason",
		    "say why: the reason is on the screen and in the records");
	if (strlen(reason) >= REASON_MAX)
		return err_set(e, ERR_OPERATOR, "station.reason",
		    "a reason has at most %d characters", REASON_MAX - 1);
	*ret = reason;
	return 0;
}
