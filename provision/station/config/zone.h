/*
 * Times as this machine's people say them: the local time zone (TZ, or /etc/localtime), its days and its
 * changes. A local time that the clock skips (it is put forward) counts by the offset from before the
 * change: 02:30 is then 03:30. One that comes twice (it is put back) is the first one.
 */
#ifndef KILN_ZONE_H
#define KILN_ZONE_H

#include <stdbool.h>
#include <stdint.h>

/* A calendar day. zone_day_add knows the calendar. */
struct zone_day {
	int year, month, day; /* 2026, 1..12, 1..31 */
};

/* The local day of a wall time; a number of days later (or, below 0, earlier). */
struct zone_day zone_day_of(int64_t wall_ms);
struct zone_day zone_day_add(struct zone_day day, int days);
/* Wall ms of a local time; minute: of the day, from 0 to 1440 (the next day's 00:00). */
int64_t zone_ms(struct zone_day day, int minute);

/* "2026-11-28"; false unless it is a day that exists. */
bool zone_day_parse(const char *text, struct zone_day *ret);
/*
 * ISO 8601: a day, or a day, T (or a blank) and HH:MM[:SS[.mmm]], with Z or +HH:MM or without: then it is
 * local. A day alone is its 00:00. False for anything else.
 */
bool zone_time_parse(const char *text, int64_t *ret_wall_ms);
/* "06:00" up to "24:00" as minutes of the day; -1 for anything else. */
int zone_minute_parse(const char *text);

enum { ZONE_TEXT = 40, ZONE_NAME = 64 };
/* "2026-11-28T14:05:09+01:00". */
void zone_text(int64_t wall_ms, char ret[static ZONE_TEXT]);
/* The same for people: "2026-11-28 14:05:09", "2026-11-28 14:05", "14:05", "28 Nov". */
enum zone_form { ZONE_SECONDS, ZONE_MINUTES, ZONE_CLOCK, ZONE_DATE };
void zone_say(int64_t wall_ms, enum zone_form form, char ret[static ZONE_TEXT]);
/* "Europe/Vienna" where that is known, else what the zone is called then ("CET"). */
void zone_name(int64_t wall_ms, char ret[static ZONE_NAME]);

#endif
