/* Who is signed on at the station, and who asks. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service_internal.h"

static bool has_operators(const struct service *s)
{
	return s->login != NULL;
}

static bool is_on(const struct service *s)
{
	return s->seat.who.role != ROLE_NONE;
}

static void name_user(const struct service *s, uid_t uid, struct actor *ret)
{
	const char *realm = has_operators(s) ? "unix:" : "";
	const struct passwd *user = getpwuid(uid);

	if (user != NULL)
		(void)snprintf(ret->name, sizeof(ret->name), "%s%s", realm, user->pw_name);
	else
		(void)snprintf(ret->name, sizeof(ret->name), "%suid %u", realm, uid);
}

/* By the station's own user or root, and not through a console: these could do worse. */
static bool is_command_line(const struct control_question *q)
{
	return (q->uid == 0 || q->uid == geteuid()) && json_object_get(q->request, "via") == NULL;
}

static void watch_idle(struct service *s)
{
	int64_t end = s->seat.active_ms + s->station->config->operators_idle_s * 1000;
	int ms = clock_left_ms(end);
	const struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	(void)evtimer_add(s->seat.idle, &t); /* fails only without memory, then nothing works */
}

void service_touch(struct service *s)
{
	s->seat.active_ms = clock_now_ms();
}

void service_who(struct service *s, const struct control_question *q, struct actor *ret)
{
	*ret = (struct actor){ .role = ROLE_NONE };
	if (!has_operators(s) || is_command_line(q)) {
		name_user(s, q->uid, ret);
		ret->role = ROLE_ENGINEER;
		return;
	}
	if (!is_on(s))
		return;
	*ret = s->seat.who;
	service_touch(s);
}

/* Nobody where who is NULL. */
static void seat(struct service *s, const struct actor *who, const char *at)
{
	const struct config *c = s->station->config;

	s->seat.who = who != NULL ? *who : (struct actor){ .role = ROLE_NONE };
	(void)snprintf(s->station->operator, sizeof(s->station->operator), "%s", s->seat.who.name);
	view_set_operator(s->view, s->seat.who.name, role_name(s->seat.who.role), at);
	if (who != NULL) {
		service_touch(s);
		watch_idle(s);
	} else {
		(void)event_del(s->seat.idle); /* not pending is fine */
	}
	if (c->operators_required)
		station_hold(s->station, HOLD_OPERATOR, who == NULL);
}

static void tell(struct service *s, const char *what, const struct actor *who, const char *why,
    const char *message)
{
	char text[PERSON_NAME_MAX + 80];

	(void)snprintf(text, sizeof(text), "%s %s", who->name, message);
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s}", "event", "station", "what", what, "by",
		who->name, "role", role_name(who->role), "why", why, "message", text));
}

static json_t *signed_on(struct service *s, const json_t *body)
{
	const json_t *detail = json_object_get(body, "detail");
	struct actor who = { .role = role_parse(json_opt_str(detail, "role", "")) };

	(void)snprintf(who.name, sizeof(who.name), "%s", json_opt_str(detail, "by", ""));
	tell(s, "signed-on", &who, NULL, "signed on");
	seat(s, &who, json_opt_str(body, "at", ""));
	return json_pack("{s:s, s:s}", "name", who.name, "role", role_name(who.role));
}

static json_t *signed_off(struct service *s, const json_t *body)
{
	const struct actor who = s->seat.who;

	if (!is_on(s) ||
	    strcmp(json_opt_str(json_object_get(body, "detail"), "by", ""), who.name) != 0)
		return NULL; /* by being idle, or replaced, meanwhile */
	seat(s, NULL, NULL);
	tell(s, "signed-off", &who, "asked", "signed off");
	return NULL;
}

static json_t *off_event(const struct actor *who, const char *why)
{
	return service_event("signed-off", who,
	    json_pack("{s:s, s:s}", "role", role_name(who->role), "why", why));
}

static void on_idle(evutil_socket_t fd, short what, void *context)
{
	struct service *s = context;
	const struct actor who = s->seat.who;
	int64_t idle_ms = s->station->config->operators_idle_s * 1000;

	(void)fd;
	(void)what;
	if (!is_on(s))
		return;
	if (clock_now_ms() - s->seat.active_ms < idle_ms) {
		watch_idle(s);
		return;
	}
	station_note(s->station, off_event(&who, "idle"));
	seat(s, NULL, NULL);
	tell(s, "signed-off", &who, "idle", "is signed off: nobody did anything for a while");
}

/* A request that waits until it is known who asks. */
struct pending {
	struct service *service;
	struct control_question *question;
	const struct request_kind *kind; /* NULL: signs on */
};

/* Of whom is not said: what was typed may be a secret in the wrong place. */
static void note_refused(struct service *s)
{
	json_int_t failures = login_failures(s->login);

	if (s->station->closing)
		return;
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s}", "event", "station", "what", "sign-on-refused", "message",
		"somebody showed a badge, or a name and a PIN, that nobody here has"));
	station_note(s->station, json_pack("{s:s, s:s, s:{s:I}}", "event", "station", "what",
				     "sign-on-refused", "detail", "failures", failures));
}

/* Whoever was on before is not any more. */
static int sign_on(struct service *s, struct control_question *q, const struct actor *who,
    struct err *e)
{
	const struct actor before = s->seat.who;

	if (is_on(s) && strcmp(before.name, who->name) != 0) {
		station_note(s->station, off_event(&before, "replaced"));
		tell(s, "signed-off", &before, "replaced",
		    "is signed off: another operator signs on");
	}
	return service_record(s, q,
	    service_event("signed-on", who, json_pack("{s:s}", "role", role_name(who->role))),
	    signed_on, e);
}

static void on_known(void *context, const struct person *who, const struct err *why)
{
	struct pending *p = context;
	struct service *s = p->service;
	struct err e = { 0 };
	int rc = -1;

	if (who == NULL) {
		e = *why;
		if (err_is(why, "operator.unknown"))
			note_refused(s);
	} else {
		struct actor by = { .role = who->role };

		(void)snprintf(by.name, sizeof(by.name), "%s", who->name);
		rc = p->kind != NULL ? service_run_as(s, p->question, p->kind, &by, &e)
				     : sign_on(s, p->question, &by, &e);
	}
	if (rc != 0)
		control_refuse(p->question, &e);
	free(p);
}

/* shown is the request's, and holds no secret any more. */
static int look_up(struct service *s, struct control_question *q, json_t *shown,
    const struct request_kind *kind, struct err *e)
{
	AUTO_STRUCT(credential) c = { 0 };
	int rc = credential_read(&c, shown, e);
	struct pending *p;

	if (!has_operators(s))
		return err_set(e, ERR_OPERATOR, "operator.none",
		    "nobody signs on at this station: station.yaml names no operators");
	if (rc != 0)
		return -1;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_nomem(e);
	*p = (struct pending){ .service = s, .question = q, .kind = kind };
	if (login_try(s->login, &c, on_known, p, e) == 0)
		return 0;
	free(p);
	return -1;
}

int service_run_for(struct service *s, struct control_question *q, const struct request_kind *kind,
    struct err *e)
{
	json_t *as = json_object_get(q->request, "as");

	if (!json_is_object(as))
		return err_set(e, ERR_OPERATOR, "operator.credential",
		    "\"as\" is a badge, or a name and its PIN");
	return look_up(s, q, as, kind, e);
}

int service_operator(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	(void)by; /* it is asked before anybody is on */
	if (!json_opt_bool(q->request, "off", false))
		return look_up(s, q, q->request, NULL, e);
	if (!is_on(s))
		return err_set(e, ERR_OPERATOR, "operator.off", "nobody is signed on");
	return service_record(s, q, off_event(&s->seat.who, "asked"), signed_off, e);
}

int service_people_open(struct service *s, struct err *e)
{
	const struct config *c = s->station->config;

	if (c->operators_file == NULL)
		return 0;
	s->seat.idle = evtimer_new(s->loop, on_idle, s);
	if (s->seat.idle == NULL)
		return err_nomem(e);
	if (login_new(&s->login, s->loop, c->operators_file, e) != 0)
		return -1;
	view_set_operators(s->view, c->operators_required);
	seat(s, NULL, NULL);
	return 0;
}

void service_people_close(struct service *s)
{
	if (s->login != NULL)
		login_free(s->login);
	if (s->seat.idle != NULL)
		event_free(s->seat.idle);
}
