/* kiln report: what was made in a shift, a day, an order or any stretch of time, as numbers. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "report_view.h"
#include "source.h"

struct wish {
	struct source source;
	bool by_shift, json;
	const char *shift, *order, *date, *from, *to, *html, *csv, *by;
	int64_t now_ms;
	char title[SHIFT_NAME_MAX + 160];
	char user[64];
};

/* A file that is there completely or not at all, and is written as it comes. */
struct output {
	const char *path; /* NULL: not asked for */
	char *fresh;
	FILE *file;
};

static int output_open(struct output *o, struct err *e)
{
	int fd;

	if (o->path == NULL)
		return 0;
	if (asprintf(&o->fresh, "%s.new", o->path) < 0) {
		o->fresh = NULL;
		return err_nomem(e);
	}
	(void)unlink(o->fresh); /* what a crash left; where it stays, it is not opened */
	fd = open(o->fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0 && (o->file = fdopen(fd, "w")) != NULL)
		return 0;
	(void)err_errno(e, ERR_CONFIG, "file", "writing %s", o->path);
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return -1;
}

static int output_end(struct output *o, struct err *e)
{
	bool ok;

	if (o->file == NULL)
		return 0;
	errno = 0;
	ok = fflush(o->file) == 0 && ferror(o->file) == 0 && fsync(fileno(o->file)) == 0;
	ok = fclose(o->file) == 0 && ok;
	o->file = NULL;
	if (!ok || rename(o->fresh, o->path) != 0)
		return err_errno(e, ERR_CONFIG, "file", "writing %s", o->path);
	free(o->fresh);
	o->fresh = NULL;
	return 0;
}

/* What was not ended leaves nothing. */
static void output_free(struct output *o)
{
	if (o->file != NULL)
		(void)fclose(o->file); /* it goes anyway */
	if (o->fresh != NULL)
		(void)unlink(o->fresh); /* it may not be there yet */
	free(o->fresh);
}
OWNED_STRUCT(output, output_free)

static int no_time(const char *option, const char *text, const char *form, struct err *e)
{
	return err_set(e, ERR_OPERATOR, "period.time", "--%s \"%s\" is no time: write it as %s",
	    option, text, form);
}

static int read_day(const struct wish *w, struct zone_day *ret, struct err *e)
{
	*ret = zone_day_of(w->now_ms);
	if (w->date == NULL || zone_day_parse(w->date, ret))
		return 0;
	return no_time("date", w->date, "2026-11-28", e);
}

static int span_of_shift(struct wish *w, struct records_span *ret, struct err *e)
{
	static const struct shifts none = { 0 };
	const struct config *c = w->source.config;
	const struct shifts *shifts = c != NULL ? &c->shifts : &none;
	struct shift_span span;
	struct zone_day day;

	if (w->date != NULL) {
		const struct shift *s;

		if (read_day(w, &day, e) != 0 || shift_named(shifts, w->shift, &s, e) != 0)
			return -1;
		span = shift_on(s, day);
	} else if (shift_find(shifts, w->shift, w->now_ms, &span, e) != 0) {
		return -1;
	}
	ret->from_ms = span.from_ms;
	ret->to_ms = span.to_ms;
	day = zone_day_of(span.from_ms);
	(void)snprintf(w->title, sizeof(w->title), "shift %s, %04d-%02d-%02d", span.shift->name,
	    day.year, day.month, day.day);
	return 0;
}

static int span_of_times(struct wish *w, struct records_span *ret, struct err *e)
{
	char from[ZONE_TEXT], to[ZONE_TEXT];
	static const char form[] = "2026-11-28T06:00, with Z or +01:00 where it is not local time";

	if (!zone_time_parse(w->from, &ret->from_ms))
		return no_time("from", w->from, form, e);
	ret->to_ms = w->now_ms;
	if (w->to != NULL && !zone_time_parse(w->to, &ret->to_ms))
		return no_time("to", w->to, form, e);
	zone_say(ret->from_ms, ZONE_MINUTES, from);
	zone_say(ret->to_ms, ZONE_MINUTES, to);
	(void)snprintf(w->title, sizeof(w->title), "%s to %s", from,
	    strncmp(from, to, strlen("2026-11-28")) == 0 ? to + strlen("2026-11-28 ") : to);
	return 0;
}

static int span_of_day(struct wish *w, struct records_span *ret, struct err *e)
{
	struct zone_day day;

	if (read_day(w, &day, e) != 0)
		return -1;
	ret->from_ms = zone_ms(day, 0);
	ret->to_ms = zone_ms(zone_day_add(day, 1), 0);
	(void)snprintf(w->title, sizeof(w->title), "%s%04d-%02d-%02d",
	    w->date != NULL ? "" : "today, ", day.year, day.month, day.day);
	return 0;
}

/* An order's alone: all of it. One that has no claim yet has today's, which is empty. */
static int span_of_order(struct wish *w, struct records_span *ret, struct err *e)
{
	if (records_order_span(w->source.records, w->order, ret, e) != 0)
		return -1;
	return ret->from_ms >= 0 ? 0 : span_of_day(w, ret, e);
}

static int find_span(struct wish *w, struct records_span *ret, struct err *e)
{
	bool whole = w->order != NULL && !w->by_shift && w->from == NULL && w->date == NULL;
	size_t len;
	int rc;

	if (w->by_shift)
		rc = span_of_shift(w, ret, e);
	else if (w->from != NULL)
		rc = span_of_times(w, ret, e);
	else
		rc = whole ? span_of_order(w, ret, e) : span_of_day(w, ret, e);
	if (rc != 0)
		return -1;
	if (ret->from_ms >= ret->to_ms)
		return err_set(e, ERR_OPERATOR, "period.empty", "the period ends before it begins");
	if (w->order == NULL)
		return 0;
	if (!whole) {
		struct records_span known;

		if (records_order_span(w->source.records, w->order, &known, e) != 0)
			return -1;
	}
	ret->order = w->order;
	len = whole ? 0 : strlen(w->title);
	(void)snprintf(w->title + len, sizeof(w->title) - len, "%sorder %s", len > 0 ? ", " : "",
	    w->order);
	return 0;
}

/* Who asks: as --by says, else as this machine calls him. */
static int find_user(struct wish *w, struct err *e)
{
	const struct passwd *user = getpwuid(getuid());
	AUTO(json_t) *text = NULL;

	if (w->by == NULL) {
		(void)snprintf(w->user, sizeof(w->user), "%s", user != NULL ? user->pw_name : "");
		if (w->user[0] == '\0')
			(void)snprintf(w->user, sizeof(w->user), "user %lu",
			    (unsigned long)getuid());
		w->by = w->user;
	}
	text = json_string(w->by);
	return text != NULL ? 0 : err_set(e, ERR_OPERATOR, "report.by", "--by is not UTF-8 text");
}

static struct report_head head_of(const struct wish *w)
{
	const struct config *c = w->source.config;

	return (struct report_head){ .title = w->title,
		.station = c != NULL ? c->station : "",
		.site = c != NULL ? c->site : "",
		.line = c != NULL ? c->line : "",
		.records = c != NULL ? c->records : w->source.records_path,
		.by = w->by,
		.test_ca = c != NULL && c->ca_test };
}

static int put_unit(void *context, const struct report_unit *unit, struct err *e)
{
	const struct output *csv = context;

	(void)e; /* a full disk shows when the file is ended */
	report_csv_unit(csv->file, unit);
	return 0;
}

static int print(const struct report *r, const struct report_head *h, const struct wish *w,
    struct err *e)
{
	AUTO_STRUCT(buf) json = { 0 };
	const char *text;

	if (!w->json && w->html == NULL && w->csv == NULL)
		report_text(r, h, stdout);
	if (!w->json && w->html != NULL)
		(void)printf("%s\n", w->html);
	if (!w->json && w->csv != NULL)
		(void)printf("%s\n", w->csv);
	if (w->json && (report_json(r, h, &json, e) != 0 || (text = buf_str(&json, e)) == NULL))
		return -1;
	if (w->json)
		(void)printf("%s\n", text);
	return fflush(stdout) == 0 ? 0 : err_errno(e, ERR_CONFIG, "file", "writing the report");
}

static int make(struct wish *w, struct err *e)
{
	AUTO_STRUCT(output) html = { .path = w->html };
	AUTO_STRUCT(output) csv = { .path = w->csv };
	AUTO_PTR(report) *r = NULL;
	const struct report_hook hook = { put_unit, &csv };
	struct records_span span = { 0 };
	struct report_head head;

	if (source_open(&w->source, false, e) != 0 || find_span(w, &span, e) != 0 ||
	    find_user(w, e) != 0 || output_open(&html, e) != 0 || output_open(&csv, e) != 0)
		return -1;
	if (csv.file != NULL)
		report_csv_head(csv.file);
	if (report_new(&r, w->source.records, &span, w->now_ms, csv.file != NULL ? &hook : NULL,
		e) != 0)
		return -1;
	head = head_of(w);
	if (html.file != NULL && report_html(r, &head, html.file, e) != 0)
		return -1;
	if (output_end(&html, e) != 0 || output_end(&csv, e) != 0)
		return -1;
	return print(r, &head, w, e);
}

static bool take_option(struct wish *w, int o, int argc, char **argv)
{
	switch (o) {
	case 'c':
		w->source.config_path = optarg;
		return true;
	case 'r':
		w->source.records_path = optarg;
		return true;
	case 's':
		w->by_shift = true;
		w->shift = optarg;
		if (optarg == NULL && optind < argc && argv[optind][0] != '-')
			w->shift = argv[optind++]; /* an optional argument, as people write it */
		return true;
	case 'j':
		w->json = true;
		return true;
	default:
		return false;
	}
}

static bool take_text(struct wish *w, int o)
{
	const struct {
		int option;
		const char **value;
	} rows[] = { { 'o', &w->order }, { 'd', &w->date }, { 'f', &w->from }, { 't', &w->to },
		{ 'h', &w->html }, { 'v', &w->csv }, { 'b', &w->by } };

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].option != o)
			continue;
		*rows[i].value = optarg;
		return optarg[0] != '\0';
	}
	return false;
}

/* One way to say the period; --date alone is a day, and of a shift the day it begins. */
static bool is_sound(const struct wish *w)
{
	if ((w->source.config_path == NULL) == (w->source.records_path == NULL))
		return false;
	if (w->from != NULL && (w->by_shift || w->date != NULL))
		return false;
	if (w->to != NULL && w->from == NULL)
		return false;
	return !w->by_shift || w->date == NULL || w->shift != NULL;
}

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ "shift", optional_argument, NULL, 's' },
		{ "order", required_argument, NULL, 'o' },
		{ "date", required_argument, NULL, 'd' },
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "html", required_argument, NULL, 'h' },
		{ "csv", required_argument, NULL, 'v' },
		{ "json", no_argument, NULL, 'j' },
		{ "by", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	struct wish w = { .now_ms = clock_wall_ms() };
	struct err e = { 0 };
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(&w, o, argc, argv) && !take_text(&w, o))
			return cli_usage(argv[0]);
	if (optind != argc || !is_sound(&w))
		return cli_usage(argv[0]);
	rc = make(&w, &e);
	source_close(&w.source);
	return rc == 0 ? EXIT_PASSED : cli_fail(&e);
}
