/* What is asked about the records: a unit, its evidence, how the line does. Children read them (inquiry.h). */
#include <stdlib.h>
#include <string.h>

#include "inquiry.h"
#include "line.h"
#include "profile.h"
#include "service_internal.h"
#include "zone.h"

enum {
	PATIENCE_MS = 20000,
	ANSWER_MAX = LINE_MAX_LEN - 1024, /* of one line, with what answers it */
	REPORT_MAX = 1024 * 1024,         /* of which a trend is a part */
	TREND_MS = 20000,                 /* so long the last one is new enough */
	TREND_WAITING_MAX = 128,
	TREND_HOURS = 8, /* without shifts */
	TREND_HOURS_MAX = 24,
	TREND_REASONS = 12,
	HOUR_MS = 3600 * 1000,
	MINUTE_MS = 60 * 1000,
};

/* Who waits for a trend that is being made. */
struct waiting {
	struct waiting *next;
	struct control_question *question;
};

struct trend {
	struct trend *next;
	struct inquiries *inquiries;
	int64_t hours;     /* 0: the shift, or what there is instead */
	const char *shift; /* its name, the configuration's; NULL: hours */
	struct waiting *waiting;
};

struct inquiries {
	struct inquiry *desk;
	struct trend *trends; /* being made, one for each period that was asked for */
	size_t waiting;
	json_t *last;
	int64_t last_hours, last_ms;
};

static const char program[] = "/proc/self/exe";

int service_open_inquiries(struct service *s, struct err *e)
{
	s->inquiries = calloc(1, sizeof(*s->inquiries));
	if (s->inquiries == NULL)
		return err_nomem(e);
	return inquiry_open(&s->inquiries->desk, s->loop, program, PATIENCE_MS, e);
}

void service_close_inquiries(struct service *s)
{
	if (s->inquiries == NULL)
		return;
	if (s->inquiries->desk != NULL)
		inquiry_close(s->inquiries->desk);
	json_decref(s->inquiries->last);
	free(s->inquiries);
	s->inquiries = NULL;
}

static void on_answer(void *context, json_t *answer, const struct err *why)
{
	struct control_question *q = context;

	if (answer != NULL)
		control_answer(q, answer);
	else
		control_refuse(q, why);
}

/* A serial as a device may say it. */
static int read_serial(const struct control_question *q, const char **ret, struct err *e)
{
	const char *serial = json_opt_str(q->request, "serial", "");
	size_t len = strlen(serial);
	bool printable = true;

	for (size_t i = 0; i < len; i++)
		printable &= serial[i] >= 0x20 && serial[i] <= 0x7e;
	if (len == 0 || len > IDENTITY_MAX || !printable)
		return err_set(e, ERR_OPERATOR, "unit.serial",
		    "a serial has 1 to %d printable characters", IDENTITY_MAX);
	*ret = serial;
	return 0;
}

static int ask_of_unit(struct service *s, struct control_question *q, const char *command,
    struct err *e)
{
	const char *serial;

	if (read_serial(q, &serial, e) != 0)
		return -1;
	return inquiry_ask(s->inquiries->desk,
	    (const char *const[]){ command, "--json", "--config", s->options->config, "--", serial,
		NULL },
	    ANSWER_MAX, on_answer, q, e);
}

int service_unit(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	(void)by;
	return ask_of_unit(s, q, "unit", e);
}

int service_evidence(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	(void)by;
	return ask_of_unit(s, q, "evidence", e);
}

/* Most times first; the others are counted. */
static json_t *cut(const json_t *reasons)
{
	json_t *list = json_array();
	int64_t others = 0;

	for (size_t i = 0; i < json_array_size(reasons); i++) {
		json_t *row = json_array_get(reasons, i);

		if (i < TREND_REASONS)
			(void)json_array_append(list, row); /* one less is still true */
		else
			others += json_opt_int(row, "times", 0);
	}
	return json_pack("{s:o, s:I}", "list", list, "others", (json_int_t)others);
}

/* What of a report a screen shows. */
static json_t *trend_of(const struct trend *t, json_t *report)
{
	static const char *const kept[] = { "made", "period", "units", "yield_ppm",
		"first_pass_yield_ppm", "jobs", "rate", "steps", "split", "bottleneck", "outages" };
	json_t *ret =
	    json_pack("{s:o, s:o, s:s?}", "failures", cut(json_object_get(report, "failures")),
		"waits", cut(json_object_get(report, "waits")), "shift", t->shift);

	for (size_t i = 0; ret != NULL && i < COUNT(kept); i++) {
		if (json_object_set(ret, kept[i], json_object_get(report, kept[i])) == 0)
			continue;
		json_decref(ret);
		ret = NULL;
	}
	return ret;
}

static void tell_all(struct trend *t, json_t *trend, const struct err *why)
{
	while (t->waiting != NULL) {
		struct waiting *w = t->waiting;

		t->waiting = w->next;
		t->inquiries->waiting--;
		if (trend != NULL)
			control_answer(w->question, json_incref(trend));
		else
			control_refuse(w->question, why);
		free(w);
	}
}

static void on_report(void *context, json_t *answer, const struct err *why)
{
	struct trend *t = context;
	struct inquiries *i = t->inquiries;
	struct trend **at = &i->trends;
	AUTO(json_t) *report = answer;
	AUTO(json_t) *trend = report != NULL ? trend_of(t, report) : NULL;
	struct err e = { 0 };

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (report != NULL && trend == NULL)
		(void)err_nomem(&e);
	if (trend != NULL) {
		json_decref(i->last);
		i->last = json_incref(trend);
		i->last_hours = t->hours;
		i->last_ms = clock_now_ms();
	}
	tell_all(t, trend, why != NULL ? why : &e);
	free(t);
}

/* The shift that runs; without one so many hours, the present one with them, as a clock on the wall cuts them. */
static struct records_span find_span(const struct service *s, struct trend *t)
{
	int64_t now_ms = clock_wall_ms(), midnight_ms = zone_ms(zone_day_of(now_ms), 0);
	int64_t hours = t->hours > 0 ? t->hours : TREND_HOURS;
	int64_t hour_ms = midnight_ms + (now_ms - midnight_ms) / HOUR_MS * HOUR_MS;
	struct shift_span shift;
	struct err ignored = { 0 }; /* there are none, or none runs */

	if (t->hours == 0 &&
	    shift_find(&s->station->config->shifts, NULL, now_ms, &shift, &ignored) == 0) {
		t->shift = shift.shift->name;
		return (struct records_span){ .from_ms = shift.from_ms, .to_ms = shift.to_ms };
	}
	return (struct records_span){ .from_ms = hour_ms - (hours - 1) * HOUR_MS,
		.to_ms = (now_ms / MINUTE_MS + 1) * MINUTE_MS };
}

static int begin(struct service *s, struct trend *t, struct err *e)
{
	struct records_span span = find_span(s, t);
	char from[CLOCK_TEXT], to[CLOCK_TEXT];

	clock_text(span.from_ms, from);
	clock_text(span.to_ms, to);
	return inquiry_ask(s->inquiries->desk,
	    (const char *const[]){ "report", "--json", "--from", from, "--to", to, "--config",
		s->options->config, NULL },
	    REPORT_MAX, on_report, t, e);
}

/* The one of that period that is being made, begun where there is none. */
static struct trend *find_trend(struct service *s, int64_t hours, struct err *e)
{
	struct inquiries *i = s->inquiries;
	struct trend *t = i->trends;

	while (t != NULL && t->hours != hours)
		t = t->next;
	if (t != NULL)
		return t;
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	*t = (struct trend){ .inquiries = i, .hours = hours };
	if (begin(s, t, e) != 0) {
		free(t);
		return NULL;
	}
	t->next = i->trends;
	i->trends = t;
	return t;
}

int service_trend(struct service *s, struct control_question *q, const struct actor *by,
    struct err *e)
{
	int64_t hours = json_opt_int(q->request, "hours", 0);
	struct inquiries *i = s->inquiries;
	struct waiting *w;
	struct trend *t;

	(void)by;
	if (hours < 0 || hours > TREND_HOURS_MAX)
		return err_set(e, ERR_OPERATOR, "trend.hours", "a trend is of 1 to %d hours",
		    TREND_HOURS_MAX);
	if (i->last != NULL && i->last_hours == hours && clock_now_ms() - i->last_ms < TREND_MS) {
		control_answer(q, json_incref(i->last));
		return 0;
	}
	if (i->waiting >= TREND_WAITING_MAX)
		return err_set(e, ERR_OPERATOR, "inquiry.busy",
		    "too many ask about the records just now");
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return err_nomem(e);
	t = find_trend(s, hours, e);
	if (t == NULL) {
		free(w);
		return -1;
	}
	*w = (struct waiting){ t->waiting, q };
	t->waiting = w;
	i->waiting++;
	return 0;
}
