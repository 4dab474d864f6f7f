/* Labels: of each unit that has passed, once it is durable, and again where a person asks for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "label_unit.h"
#include "printer.h"
#include "service_internal.h"

enum { LABELS_LOOK_BACK = 20000 }; /* events, for those that were not printed */

struct labels {
	struct label *label;
	struct printer *printer;
	size_t unrecorded; /* printed, and not durable yet */
	bool ending;       /* the station has ended; the last ones are printed */
};

/* One label on its way to the printer, then into the records. */
struct order {
	struct printer_job job; /* first: they are one */
	struct service *service;
	struct record record;
	bool reprint;
	char by[ACTOR_NAME_MAX + 1], reason[REASON_MAX]; /* of a reprint */
};

static void order_free(struct order *o)
{
	buf_free(&o->job.zpl);
	free(o);
}
OWNED_PTR(order, order_free)

static void tell_trouble(struct service *s, const char *what, const char *serial,
    const struct err *why)
{
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s*, s:s, s:s, s:s, s:I}", "event", "station", "what", what,
		"serial", serial, "code", why->code, "message", why->message, "advice",
		advice_for(why), "waiting", (json_int_t)printer_waiting(s->labels->printer)));
}

static void tell_label(struct service *s, const char *outcome, const struct order *o)
{
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s, s:b, s:s*, s:I}", "event", "label", "outcome", outcome,
		"serial", o->job.serial, "reprint", o->reprint, "by", o->reprint ? o->by : NULL,
		"waiting", (json_int_t)printer_waiting(s->labels->printer)));
}

static void end_if_done(struct service *s)
{
	if (s->labels->ending && !service_labels_busy(s))
		(void)event_base_loopbreak(s->loop); /* fails only on a broken loop */
}

static void on_recorded(struct record *r)
{
	struct order *o = r->context;
	struct service *s = o->service;

	s->labels->unrecorded--;
	if (r->rc != 0 && r->err.domain == ERR_RECORDS)
		station_break(s->station, &r->err);
	else if (r->rc != 0 && !s->station->closing) /* its rework began while the label waited */
		tell_trouble(s, "label-lost", o->job.serial, &r->err);
	else if (!s->station->closing)
		tell_label(s, "printed", o);
	record_free(r);
	order_free(o);
	end_if_done(s);
}

static int fill_record(struct order *o, struct err *e)
{
	struct record *r = &o->record;

	r->body =
	    json_pack("{s:s, s:s, s:s, s:b, s:s*, s:s*}", "event", "label", "serial", o->job.serial,
		"printer", o->service->station->config->label_printer, "reprint", o->reprint, "by",
		o->reprint ? o->by : NULL, "reason", o->reason[0] != '\0' ? o->reason : NULL);
	if (r->body == NULL)
		return err_nomem(e);
	return record_add_blob(r, "zpl", &o->job.zpl, e);
}

static void on_taken(void *context, struct printer_job *job)
{
	struct service *s = context;
	struct order *o = (struct order *)(void *)job;
	struct err e = { 0 };

	if (fill_record(o, &e) != 0) {
		station_break(s->station, &e);
		record_free(&o->record);
		order_free(o);
		return;
	}
	o->record.done = on_recorded;
	o->record.context = o;
	s->labels->unrecorded++;
	records_submit(s->station->records, &o->record);
}

static void on_lost(void *context, struct printer_job *job)
{
	struct service *s = context;
	struct err e = { 0 };

	(void)err_set(&e, ERR_OPERATOR, "label.lost",
	    "more than %d labels wait for the printer: the one of %s is not printed",
	    PRINTER_QUEUE_MAX, job->serial);
	tell_trouble(s, "label-lost", job->serial, &e);
	order_free((struct order *)(void *)job);
}

static void on_state(void *context, const struct err *why)
{
	struct service *s = context;

	if (why != NULL)
		tell_trouble(s, "printer-down", NULL, why);
	else
		station_tell(s->station, json_pack("{s:s, s:s, s:s}", "event", "station", "what",
					     "printer-up", "message", "labels are printed again"));
	end_if_done(s);
}

int service_labels_open(struct service *s, const struct config *config, struct err *e)
{
	const struct printer_hooks hooks = { on_taken, on_lost, on_state, s };
	AUTO_STRUCT(buf) example = { 0 };

	if (config->label_template == NULL)
		return 0;
	s->labels = calloc(1, sizeof(*s->labels));
	if (s->labels == NULL)
		return err_nomem(e);
	if (label_load(&s->labels->label, config->label_template, e) != 0 ||
	    label_of_example(s->labels->label, config, NULL, &example, e) != 0)
		return -1;
	return printer_open(&s->labels->printer, s->loop, config->label_printer, &hooks, e);
}

void service_labels_close(struct service *s)
{
	struct labels *l = s->labels;
	struct printer_job *job;

	if (l == NULL)
		return;
	while (l->printer != NULL && (job = printer_drop(l->printer)) != NULL)
		order_free((struct order *)(void *)job);
	if (l->printer != NULL)
		printer_close(l->printer);
	if (l->label != NULL)
		label_free(l->label);
	free(l);
}

static void tell_missing(struct service *s, const json_t *serials)
{
	size_t count = json_array_size(serials);
	struct err e = { 0 };

	(void)err_set(&e, ERR_OPERATOR, "label.lost",
	    "%zu units passed and their labels were not printed", count);
	station_tell(s->station, json_pack("{s:s, s:s, s:O, s:s, s:s, s:s}", "event", "station",
				     "what", "labels-missing", "serials", serials, "code", e.code,
				     "message", e.message, "advice", advice_for(&e)));
}

/* A unit that passed right before the station was killed may have its label or not: a person looks. */
int service_labels_recall(struct service *s, struct err *e)
{
	AUTO_STRUCT(buf) example = { 0 };
	AUTO(json_t) *serials = NULL;

	if (s->labels == NULL)
		return 0;
	if (label_of_example(s->labels->label, s->station->config, s->station->profile, &example,
		e) != 0 ||
	    records_unlabelled(s->station->records, LABELS_LOOK_BACK, &serials, e) != 0)
		return -1;
	if (json_array_size(serials) > 0)
		tell_missing(s, serials);
	station_note(s->station,
	    json_pack("{s:s, s:s, s:{s:s}}", "event", "station", "what", "printer", "detail",
		"printer", s->station->config->label_printer));
	return 0;
}

static int queue(struct service *s, const char *serial, const struct order *said, struct err *e)
{
	AUTO_PTR(order) *o = malloc(sizeof(*o));

	if (o == NULL)
		return err_nomem(e);
	*o = *said;
	o->service = s;
	(void)snprintf(o->job.serial, sizeof(o->job.serial), "%s", serial);
	if (label_of_unit(s->labels->label, s->station->records, serial, &o->job.zpl, e) != 0)
		return -1;
	printer_print(s->labels->printer, &o->job);
	if (printer_is_down(s->labels->printer))
		tell_label(s, "waits", o);
	(void)steal(&o);
	return 0;
}

void service_labels_take(struct service *s, const json_t *event)
{
	const char *serial = json_opt_str(event, "serial", "");
	const struct order first = { 0 };
	struct err e = { 0 };

	if (s->labels == NULL || strcmp(json_opt_str(event, "event", ""), "unit") != 0 ||
	    strcmp(json_opt_str(event, "outcome", ""), "passed") != 0)
		return;
	if (queue(s, serial, &first, &e) != 0)
		tell_trouble(s, "label-lost", serial, &e);
}

bool service_labels_busy(const struct service *s)
{
	const struct labels *l = s->labels;

	return l != NULL && l->printer != NULL &&
	       (l->unrecorded > 0 ||
		   (printer_waiting(l->printer) > 0 && !printer_is_down(l->printer)));
}

void service_labels_finish(struct service *s)
{
	s->labels->ending = true;
}

static int check(const struct service *s, const char *serial, struct err *e)
{
	if (s->labels == NULL)
		return err_set(e, ERR_OPERATOR, "label.off", "this station prints no labels");
	if (s->station->draining || s->station->broken.domain != ERR_NONE)
		return err_set(e, ERR_OPERATOR, "station.ending", "the station is ending");
	if (serial[0] == '\0' || strlen(serial) > IDENTITY_MAX)
		return err_set(e, ERR_OPERATOR, "label.none",
		    "say which unit's label: its serial has 1 to %d characters", IDENTITY_MAX);
	/* It would push out one that was never printed. */
	if (printer_waiting(s->labels->printer) >= PRINTER_QUEUE_MAX)
		return err_set(e, ERR_OPERATOR, "label.queue",
		    "%d labels wait for the printer already", PRINTER_QUEUE_MAX);
	return 0;
}

int service_label(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	const char *serial = json_opt_str(q->request, "serial", "");
	struct order said = { .reprint = true };
	const char *reason;
	json_t *ok;

	if (check(s, serial, e) != 0 || service_reason(q, false, &reason, e) != 0)
		return -1;
	(void)snprintf(said.by, sizeof(said.by), "%s", by->name);
	(void)snprintf(said.reason, sizeof(said.reason), "%s", reason);
	if (queue(s, serial, &said, e) != 0)
		return -1;
	ok = json_pack("{s:s, s:I, s:s}", "serial", serial, "waiting",
	    (json_int_t)printer_waiting(s->labels->printer), "printer",
	    printer_is_down(s->labels->printer) ? "down" : "up");
	control_answer(q, ok);
	return 0;
}
