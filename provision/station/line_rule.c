#include "line_rule.h"

#include <stdio.h>
#include <string.h>

void line_rule_begin(struct line_rule *l, const struct line_terms *terms)
{
	l->terms = *terms;
	l->count = 0;
}

void line_rule_note(struct line_rule *l, const char *serial, bool failed)
{
	struct line_end *end = &l->ends[l->count++ % LINE_LAST_MAX];

	(void)snprintf(end->serial, sizeof(end->serial), "%s", serial);
	end->failed = failed;
}

/* The one that came i before the newest. */
static const struct line_end *end_at(const struct line_rule *l, size_t i)
{
	return &l->ends[(l->count - 1 - i) % LINE_LAST_MAX];
}

static bool is_known(const char *const units[], size_t count, const char *serial)
{
	for (size_t i = 0; serial[0] != '\0' && i < count; i++)
		if (strcmp(units[i], serial) == 0)
			return true;
	return false;
}

size_t line_rule_units(const struct line_rule *l, enum line_reached reached, const char *ret[],
    size_t max)
{
	size_t kept = l->count < LINE_LAST_MAX ? l->count : LINE_LAST_MAX;
	size_t units = 0;

	if (reached == LINE_GOES_ON)
		return 0;
	if (reached == LINE_SHARE && kept > l->terms.last)
		kept = l->terms.last;
	for (size_t i = 0; i < kept && units < max; i++) {
		const struct line_end *end = end_at(l, i);

		if (!end->failed && reached == LINE_ROW)
			break;
		if (end->failed && !is_known(ret, units, end->serial))
			ret[units++] = end->serial;
	}
	return units;
}

static bool is_reached(const struct line_rule *l, enum line_reached reached, size_t limit)
{
	const char *units[LINE_LAST_MAX];

	return limit > 0 && line_rule_units(l, reached, units, limit) == limit;
}

enum line_reached line_rule_reached(const struct line_rule *l)
{
	if (is_reached(l, LINE_ROW, l->terms.in_a_row))
		return LINE_ROW;
	return is_reached(l, LINE_SHARE, l->terms.failed) ? LINE_SHARE : LINE_GOES_ON;
}

void line_rule_text(const struct line_rule *l, enum line_reached reached, char *ret, size_t size)
{
	const struct line_terms *t = &l->terms;

	ret[0] = '\0';
	if (reached == LINE_ROW)
		(void)snprintf(ret, size, "%zu %s failed", t->in_a_row,
		    t->in_a_row == 1 ? "unit" : "units in a row");
	if (reached == LINE_SHARE)
		(void)snprintf(ret, size, "%zu of the last %zu units failed", t->failed, t->last);
}
