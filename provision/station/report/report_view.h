/* What all faces of a report say alike: its head, and how numbers are written. */
#ifndef KILN_REPORT_VIEW_H
#define KILN_REPORT_VIEW_H

#include <stdio.h>

#include "report.h"
#include "zone.h"

/* Where a report comes from and what it is of. Texts may be "", none is NULL. */
struct report_head {
	const char *title;                 /* "shift early", "today", "order WO-2291" */
	const char *station, *site, *line; /* as configured; "" where only the records were named */
	const char *records;               /* path */
	const char *by;                    /* who made it */
	bool test_ca;                      /* the station accepts a throw-away CA */
};

enum { VIEW_TEXT = 64 };
/* "98.7 %", "-" where it is negative. */
const char *view_percent(int64_t ppm, char ret[static VIEW_TEXT]);
/* "850 ms", "4.2 s", "3 min 20 s", "1 h 5 min". */
const char *view_duration(int64_t ms, char ret[static VIEW_TEXT]);
/* A share of a whole in parts per million; 0 of nothing. */
int64_t view_share(int64_t part, int64_t whole);
/* "2026-11-28 06:00 to 14:00 (Europe/Vienna, +01:00)"; both offsets where the clock was changed. */
enum { VIEW_PERIOD = 192 };
void view_period(const struct report *r, char ret[static VIEW_PERIOD]);
/* What the bucket's axis says: a clock time or a day. */
void view_bucket(const struct report *r, size_t bucket, char ret[static ZONE_TEXT]);
/* The period was not over when the report was made. */
bool view_goes_on(const struct report *r);

/* Each draws the whole report on out; errors of out are the caller's to look for. */
void report_text(const struct report *r, const struct report_head *h, FILE *out);
must_check int report_html(const struct report *r, const struct report_head *h, FILE *out,
    struct err *e);
/* One canonical object. */
must_check int report_json(const struct report *r, const struct report_head *h, struct buf *ret,
    struct err *e);
/*
 * The list of units, RFC 4180: the header, then a row for each. A cell that a spreadsheet would take for a
 * formula (it begins with = + - @, a tab or a return) gets an apostrophe in front, also where it only begins
 * for a reader with another separator: behind a ; a tab or a line's end in a text.
 */
void report_csv_head(FILE *out);
void report_csv_unit(FILE *out, const struct report_unit *u);

#endif
