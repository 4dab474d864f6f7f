/*
 * Failures that are no longer one unit's own: so many units in a row, or so many among the last ones,
 * say that the line makes them. Pure: it is told how units end, and says when the line is to be stopped.
 *
 * What counts is units, not tries: one that fails again and again is one, by its serial. A unit that
 * never said its serial is one of its own each time.
 */
#ifndef KILN_LINE_RULE_H
#define KILN_LINE_RULE_H

#include "profile.h"

enum { LINE_ROW_MAX = 100, LINE_LAST_MAX = 500, LINE_TEXT = 80 };

/* 0: there is no such rule. */
struct line_terms {
	size_t in_a_row;     /* units that failed, and none passed between them */
	size_t failed, last; /* units that failed, among the last ends */
};

enum line_reached { LINE_GOES_ON, LINE_ROW, LINE_SHARE };

struct line_end {
	char serial[IDENTITY_MAX + 1];
	bool failed;
};

struct line_rule {
	struct line_terms terms;
	struct line_end ends[LINE_LAST_MAX]; /* a ring */
	size_t count;                        /* of all that came since the last beginning */
};

/* Nothing has ended yet. */
void line_rule_begin(struct line_rule *l, const struct line_terms *terms);
/* A unit has failed or passed; serial may be "". What is neither is not told. */
void line_rule_note(struct line_rule *l, const char *serial, bool failed);
/* Which rule is reached by what ended last; the row first. */
enum line_reached line_rule_reached(const struct line_rule *l);
/* "3 units in a row failed" */
void line_rule_text(const struct line_rule *l, enum line_reached reached, char *ret, size_t size);
/* The serials of the units that reached it, newest first; borrowed until the next note. Returns how many. */
size_t line_rule_units(const struct line_rule *l, enum line_reached reached, const char *ret[],
    size_t max);

#endif
