#include "streak.h"

#include <stdio.h>
#include <string.h>

static bool is_new(const struct streak *s, const char *serial)
{
	for (size_t i = 0; serial[0] != '\0' && i < s->count; i++)
		if (strcmp(s->serials[i], serial) == 0)
			return false;
	return true;
}

bool streak_reaches(struct streak *s, size_t units, const char *serial)
{
	if (s->count < units && is_new(s, serial))
		(void)snprintf(s->serials[s->count++], sizeof(s->serials[0]), "%s", serial);
	return s->count == units;
}

bool streak_fail(struct streak *s, const char *serial)
{
	return streak_reaches(s, STREAK_UNITS, serial);
}

void streak_pass(struct streak *s)
{
	s->count = 0;
}
