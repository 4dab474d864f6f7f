#include "zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MINUTE_MS = 60 * 1000, DAY_S = 86400 };

static struct tm local(int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm = { 0 };

	tzset(); /* localtime_r need not look at TZ */
	(void)localtime_r(&t, &tm);
	return tm;
}

/* Seconds as if the local time were UTC. */
static int64_t naive(struct zone_day day, int minute, int second)
{
	struct tm tm = { .tm_year = day.year - 1900,
		.tm_mon = day.month - 1,
		.tm_mday = day.day,
		.tm_min = minute,
		.tm_sec = second };

	return (int64_t)timegm(&tm);
}

/* The offsets on both sides of whatever change is near: where the time exists by either, the earlier one. */
static int64_t resolve(int64_t naive_s)
{
	long before = local(naive_s - DAY_S).tm_gmtoff, after = local(naive_s + DAY_S).tm_gmtoff;
	int64_t by_before = naive_s - before, by_after = naive_s - after;
	bool before_holds = local(by_before).tm_gmtoff == before;
	bool after_holds = local(by_after).tm_gmtoff == after;

	if (before_holds && after_holds)
		return by_before < by_after ? by_before : by_after;
	return after_holds ? by_after : by_before;
}

struct zone_day zone_day_of(int64_t wall_ms)
{
	struct tm tm = local(wall_ms / 1000);

	return (struct zone_day){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday };
}

struct zone_day zone_day_add(struct zone_day day, int days)
{
	time_t t = (time_t)naive(day, 0, 0) + (time_t)days * DAY_S;
	struct tm tm = { 0 };

	(void)gmtime_r(&t, &tm);
	return (struct zone_day){ tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday };
}

int64_t zone_ms(struct zone_day day, int minute)
{
	return resolve(naive(day, minute, 0)) * 1000;
}

/* Exactly `digits` digits at *p, which moves on. -1: there are others. */
static int number(const char **p, int digits)
{
	int value = 0;

	for (int i = 0; i < digits; i++, (*p)++) {
		if (!isdigit((unsigned char)**p))
			return -1;
		value = value * 10 + (**p - '0');
	}
	return value;
}

static bool accept(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool parse_day(const char **p, struct zone_day *ret)
{
	struct zone_day day, again;

	if ((day.year = number(p, 4)) < 1970 || !accept(p, '-') || (day.month = number(p, 2)) < 1 ||
	    !accept(p, '-') || (day.day = number(p, 2)) < 1)
		return false;
	again = zone_day_add(day, 0); /* the calendar turns 31 June into another day */
	*ret = day;
	return again.year == day.year && again.month == day.month && again.day == day.day;
}

bool zone_day_parse(const char *text, struct zone_day *ret)
{
	return parse_day(&text, ret) && *text == '\0';
}

/* HH:MM as minutes; 24:00 is one. */
static int parse_minute(const char **p)
{
	int hour = number(p, 2), minute;

	if (hour < 0 || !accept(p, ':') || (minute = number(p, 2)) < 0 || minute > 59)
		return -1;
	minute += hour * 60;
	return minute <= 24 * 60 ? minute : -1;
}

int zone_minute_parse(const char *text)
{
	int minute = parse_minute(&text);

	return *text == '\0' ? minute : -1;
}

/* Up to three digits of a fraction count, further ones are read. */
static int parse_ms(const char **p)
{
	int ms = 0, digits = 0;

	for (; isdigit((unsigned char)**p); (*p)++, digits++)
		if (digits < 3)
			ms = ms * 10 + (**p - '0');
	for (int i = digits; i < 3; i++)
		ms *= 10;
	return digits > 0 ? ms : -1;
}

/* What follows the minutes: seconds, fraction. */
static bool parse_rest(const char **p, int *ret_second, int *ret_ms)
{
	*ret_second = *ret_ms = 0;
	if (!accept(p, ':'))
		return true;
	*ret_second = number(p, 2);
	if (*ret_second < 0 || *ret_second > 59)
		return false;
	if (!accept(p, '.'))
		return true;
	*ret_ms = parse_ms(p);
	return *ret_ms >= 0;
}

/* Z, +HH:MM or nothing; the seconds of the time become UTC's. */
static bool parse_zone(const char **p, int64_t *seconds)
{
	int sign = **p == '-' ? -1 : 1, minute;

	if (**p == '\0') {
		*seconds = resolve(*seconds);
		return true;
	}
	if (accept(p, 'Z'))
		return true;
	if (!accept(p, '+') && !accept(p, '-'))
		return false;
	minute = parse_minute(p);
	*seconds -= (int64_t)sign * minute * 60;
	return minute >= 0;
}

bool zone_time_parse(const char *text, int64_t *ret_wall_ms)
{
	struct zone_day day;
	int minute = 0, second = 0, ms = 0;
	int64_t seconds;

	if (!parse_day(&text, &day))
		return false;
	if (accept(&text, 'T') || accept(&text, ' ')) {
		minute = parse_minute(&text);
		if (minute < 0 || !parse_rest(&text, &second, &ms) ||
		    (minute == 24 * 60 && second + ms > 0))
			return false;
	} else if (*text != '\0') {
		return false;
	}
	seconds = naive(day, minute, second);
	if (!parse_zone(&text, &seconds) || *text != '\0')
		return false;
	*ret_wall_ms = seconds * 1000 + ms;
	return *ret_wall_ms >= 0;
}

void zone_text(int64_t wall_ms, char ret[static ZONE_TEXT])
{
	struct tm tm = local(wall_ms / 1000);
	char text[sizeof("2026-11-28T14:05:09+0100")] = "", *colon;

	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S%z", &tm);
	(void)snprintf(ret, ZONE_TEXT, "%s", text);
	colon = strlen(ret) > 2 ? ret + strlen(ret) - 2 : NULL;
	if (colon == NULL)
		return;
	memmove(colon + 1, colon, 3);
	*colon = ':';
}

void zone_say(int64_t wall_ms, enum zone_form form, char ret[static ZONE_TEXT])
{
	struct tm tm = local(wall_ms / 1000);
	size_t len = 0;

	switch (form) {
	case ZONE_SECONDS:
		len = strftime(ret, ZONE_TEXT, "%Y-%m-%d %H:%M:%S", &tm);
		break;
	case ZONE_MINUTES:
		len = strftime(ret, ZONE_TEXT, "%Y-%m-%d %H:%M", &tm);
		break;
	case ZONE_CLOCK:
		len = strftime(ret, ZONE_TEXT, "%H:%M", &tm);
		break;
	case ZONE_DATE:
		len = strftime(ret, ZONE_TEXT, "%d %b", &tm);
		break;
	}
	ret[len] = '\0';
}

/* From where Debian's /etc/localtime leads. */
static bool name_of_link(char ret[static ZONE_NAME])
{
	char path[256];
	ssize_t len = readlink("/etc/localtime", path, sizeof(path) - 1);
	const char *found;

	if (len <= 0)
		return false;
	path[len] = '\0';
	found = strstr(path, "/zoneinfo/");
	if (found == NULL)
		return false;
	(void)snprintf(ret, ZONE_NAME, "%s", found + strlen("/zoneinfo/"));
	return true;
}

void zone_name(int64_t wall_ms, char ret[static ZONE_NAME])
{
	const char *tz = getenv("TZ");
	struct tm tm = local(wall_ms / 1000);

	if (tz != NULL && strchr(tz, '/') != NULL && strchr(tz, ',') == NULL && tz[0] != '/')
		(void)snprintf(ret, ZONE_NAME, "%s", tz[0] == ':' ? tz + 1 : tz);
	else if (tz != NULL || !name_of_link(ret))
		(void)snprintf(ret, ZONE_NAME, "%s", tm.tm_zone != NULL ? tm.tm_zone : "UTC");
}
