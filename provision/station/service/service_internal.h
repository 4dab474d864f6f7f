/* What the files of the service share: its state, and how what a person does takes effect. */
#ifndef KILN_SERVICE_INTERNAL_H
#define KILN_SERVICE_INTERNAL_H

#include "clock.h"
#include "ground.h"
#include "line_rule.h"
#include "login.h"
#include "request.h"
#include "scanner.h"
#include "service.h"
#include "station.h"
#include "view.h"

enum { REASON_MAX = 400 };

/* A person's word, until another one's. */
struct stop {
	char by[ACTOR_NAME_MAX + 1], reason[REASON_MAX], at[CLOCK_TEXT];
};

/* Who is signed on, of whom there is one at a time. */
struct seat {
	struct actor who;  /* role NONE: nobody */
	int64_t active_ms; /* monotonic: when they last did something, or a unit came */
	struct event *idle;
};
struct labels;

/* service_line.c */
struct line_stop {
	struct line_rule rule;
	int64_t released; /* the last release's record, as the start found it */
	json_t *stopped;  /* the event's body while HOLD_LINE holds; else NULL */
	json_t *seen;     /* ... and of the "acknowledged" that says so, as the start found it */
};

/* What was in a slot last, and ended there otherwise than by PASS. */
struct remains {
	char serial[IDENTITY_MAX + 1];
	bool are;
	int64_t seen; /* the record by which a person has seen them, as the start found it */
};

struct service {
	const struct service_options *options;
	struct event_base *loop;
	struct station *station;
	struct control *control;
	struct view *view;
	struct labels *labels; /* NULL: none are printed */
	struct inquiries *inquiries;
	struct event *interrupt, *terminate, *beat, *watchdog, *look;
	struct login *login; /* NULL: there are no operators */
	struct seat seat;
	struct scanner *scanner; /* NULL: station.yaml has none */
	int signals;
	bool ready;
	struct stop stop; /* while HOLD_STOP holds */
	struct line_stop line;
	struct remains remains[CONFIG_SLOTS_MAX];
	enum ground_space space;
	bool failed_to_start;
	struct err why;
};

/* Shows in the view whether units are made. */
void service_show_state(struct service *s);

/* service_requests.c: finds the request's row and who asks. Takes the question over. */
void service_asked(struct service *s, struct control_question *q);
/* Runs it where the role suffices. Errors: OPERATOR "operator.needed", "operator.role"; and the row's. */
must_check int service_run_as(struct service *s, struct control_question *q,
    const struct request_kind *kind, const struct actor *by, struct err *e);

/*
 * An action: body goes into the records, then takes effect, then the question is answered with what
 * take_effect returned (NULL: an empty answer). Takes body over (NULL after a failed constructor), and
 * where it returns 0 the question. take_effect gets the event as it was recorded; it is not called
 * where the records fail, and not when the station has closed meanwhile. May be NULL.
 */
must_check int service_record(struct service *s, struct control_question *q, json_t *body,
    json_t *(*take_effect)(struct service *s, const json_t *body), struct err *e);
/* The body of such an event: "station" with detail, which gets "by". Takes detail over; may be NULL. */
json_t *service_event(const char *what, const struct actor *by, json_t *detail);
/* The request's "reason", borrowed ("" where there is none). Errors: OPERATOR "station.reason". */
must_check int service_reason(const struct control_question *q, bool needed, const char **ret,
    struct err *e);

/* The rows' functions; see request.h. */

/* service_stop.c */
must_check int service_stop(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);
must_check int service_start(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);
void service_tell_stopped(struct service *s);

/* service_pause.c */
must_check int service_pause(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);
must_check int service_resume(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);

/* service_people.c */
must_check int service_people_open(struct service *s, struct err *e);
/* Refuses whoever still waits to be looked up. */
void service_people_close(struct service *s);
/* Who asks, as far as the request does not say it itself ("as"); role NONE: nobody is signed on. */
void service_who(struct service *s, const struct control_question *q, struct actor *ret);
/* As service_run_as, by whom the request's "as" shows, once that is known. */
must_check int service_run_for(struct service *s, struct control_question *q,
    const struct request_kind *kind, struct err *e);
/* A unit came, or the operator asked something: they are not idle. */
void service_touch(struct service *s);
must_check int service_operator(struct service *s, struct control_question *q,
    const struct actor *by, struct err *e);

/* The slot of that name, or NULL. */
struct slot *service_slot(struct service *s, const char *name);
/* The request's "slot"; *ret is NULL where it has none. Errors: OPERATOR "slot.unknown". */
must_check int service_get_slot(struct service *s, const struct control_question *q,
    struct slot **ret, struct err *e);

/* service_rules.c: how units end, and what station.yaml's rules make of it. */
/* Any event of the station, when it has been told. */
void service_rules_take(struct service *s, const json_t *event);
/* After service_recall: what ended before this start counts. */
must_check int service_rules_open(struct service *s, struct err *e);
/* body's detail's slot, or NULL. */
struct slot *service_slot_of(struct service *s, const json_t *body);

/* service_line.c */
must_check int service_release(struct service *s, struct control_question *q,
    const struct actor *by, struct err *e);
/* A unit has ended; what says nothing of the line does not count. */
void service_line_note(struct service *s, const char *serial, const char *outcome,
    const char *domain);
/* Stops the line where the rules say so. */
void service_line_check(struct service *s);
void service_line_tell(struct service *s);
void service_line_free(struct service *s);

/* service_acknowledge.c */
must_check int service_acknowledge(struct service *s, struct control_question *q,
    const struct actor *by, struct err *e);
/* Nothing begins in the slot until what failed there has been acknowledged; or that is so no more. */
void service_acknowledge_hold(struct service *s, struct slot *slot, bool waits);

/* service_retest.c */
must_check int service_retest(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);

/* service_disk.c: looks for room; told when it changes. */
void service_look(struct service *s);

/* service_recall.c: what the records say that still holds; before anything is armed. */
must_check int service_recall(struct service *s, struct err *e);
/* Its rows' functions: an event's effect, told to nobody. */
void service_recall_stopped(struct service *s, const json_t *body);
void service_recall_started(struct service *s, const json_t *body);
void service_recall_paused(struct service *s, const json_t *body);
void service_recall_resumed(struct service *s, const json_t *body);
void service_recall_line_stopped(struct service *s, const json_t *body);
void service_recall_line_released(struct service *s, const json_t *body);
void service_recall_acknowledged(struct service *s, const json_t *body);
void service_recall_retest(struct service *s, const json_t *body);

/* service_label.c; all do nothing where the configuration has no labels. */
/* Before the station is there. Errors: CONFIG "label", "label.value", "file". */
must_check int service_labels_open(struct service *s, const struct config *config, struct err *e);
/* After the station is closed. */
void service_labels_close(struct service *s);
/* Tells which units passed without a label, and records that those from here on get one. Errors: CONFIG
 * "label.value" (of what the profile makes); RECORDS. */
must_check int service_labels_recall(struct service *s, struct err *e);
/* Any event of the station: a unit that has passed gets its label. */
void service_labels_take(struct service *s, const json_t *event);
/* Labels are being printed, by a printer that does. Then service_labels_finish ends the loop after the last. */
bool service_labels_busy(const struct service *s);
void service_labels_finish(struct service *s);
/* {serial, reason} -> {serial, waiting, printer "up" "down"}: another label of a passed unit. */
must_check int service_label(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);

/* service_inquiry.c */
must_check int service_unit(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);
must_check int service_evidence(struct service *s, struct control_question *q,
    const struct actor *by, struct err *e);
must_check int service_trend(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);
must_check int service_open_inquiries(struct service *s, struct err *e);
/* Answers what was asked; before the control socket closes. */
void service_close_inquiries(struct service *s);

/* service_scan.c */
must_check int service_scan(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e);
/* Units need their labels, as station.yaml says; before anything is armed. */
must_check int service_open_scanner(struct service *s, struct err *e);

#endif
