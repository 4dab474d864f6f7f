/*
 * Link failures in a row in one slot. One unit that fails again and again is its own fault; different
 * units that do so one after the other are the cable's.
 */
#ifndef KILN_STREAK_H
#define KILN_STREAK_H

#include "profile.h"

enum { STREAK_UNITS = 3 };

struct streak {
	char serials[STREAK_UNITS][IDENTITY_MAX + 1];
	size_t count;
};

/* One more unit, up to units of them (at most STREAK_UNITS); as streak_fail, with another limit. */
bool streak_reaches(struct streak *s, size_t units, const char *serial);
/* The link of this unit failed; serial "": it was never identified, and counts as one of its own. True
 * where that makes it too many. */
bool streak_fail(struct streak *s, const char *serial);
/* A unit passed: the link is good. */
void streak_pass(struct streak *s);

#endif
