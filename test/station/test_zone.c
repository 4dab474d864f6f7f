#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

static void zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
}

static int64_t time_of(const char *text)
{
	int64_t ms = -1;

	if (!zone_time_parse(text, &ms))
		fail_msg("%s is refused", text);
	return ms;
}

static void assert_said(int64_t ms, const char *want)
{
	char text[ZONE_TEXT];

	zone_text(ms, text);
	assert_string_equal(text, want);
}

static void test_forms_of_a_time(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-02", 86400000 },
		{ "1970-01-02T01:30", 91800000 },
		{ "1970-01-02 01:30", 91800000 },
		{ "1970-01-02T24:00", 172800000 },
		{ "1970-01-02T01:30:05.25Z", 91805250 },
		{ "1970-01-02T01:30:05.123456Z", 91805123 },
		{ "1970-01-02T02:30+01:00", 91800000 },
		{ "1970-01-01T23:30-02:00", 91800000 },
		{ "1969-12-31T00:00Z", -1 },
		{ "1970-01-01T00:00+01:00", -1 },
		{ "2026-02-29", -1 },
		{ "2026-13-01", -1 },
		{ "2026-1-1", -1 },
		{ "2026-01-01T", -1 },
		{ "2026-01-01T6", -1 },
		{ "2026-01-01T25:00", -1 },
		{ "2026-01-01T24:01", -1 },
		{ "2026-01-01T24:00:01", -1 },
		{ "2026-01-01T10:60", -1 },
		{ "2026-01-01T10:00:60", -1 },
		{ "2026-01-01T10:00:", -1 },
		{ "2026-01-01T10:00:00.", -1 },
		{ "2026-01-01T10:00+0100", -1 },
		{ "2026-01-01T10:00Zz", -1 },
		{ "2026-01-01x", -1 },
		{ "", -1 },
		{ "yesterday", -1 },
	};

	(void)state;
	zone("UTC");
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t ms = -1;

		if (zone_time_parse(rows[i].text, &ms) != (rows[i].want >= 0) ||
		    (rows[i].want >= 0 && ms != rows[i].want))
			fail_msg("%s: %lld", rows[i].text, (long long)ms);
	}
}

static void test_minutes_of_the_day(void **state)
{
	(void)state;
	assert_int_equal(zone_minute_parse("00:00"), 0);
	assert_int_equal(zone_minute_parse("06:30"), 390);
	assert_int_equal(zone_minute_parse("24:00"), 1440);
	assert_int_equal(zone_minute_parse("24:01"), -1);
	assert_int_equal(zone_minute_parse("6:30"), -1);
	assert_int_equal(zone_minute_parse("06:30 "), -1);
	assert_int_equal(zone_minute_parse("06:60"), -1);
	assert_int_equal(zone_minute_parse(""), -1);
}

static void test_days_have_as_many_hours_as_the_clock_gives_them(void **state)
{
	static const struct {
		const char *tz, *day;
		int hours;
	} rows[] = {
		{ "Europe/Vienna", "2026-03-28", 24 },
		{ "Europe/Vienna", "2026-03-29", 23 },
		{ "Europe/Vienna", "2026-10-25", 25 },
		{ "America/New_York", "2026-03-08", 23 },
		{ "America/New_York", "2026-11-01", 25 },
		{ "Europe/Dublin", "2026-10-25", 25 }, /* its winter is the daylight saving one */
		{ "America/Santiago", "2026-09-06", 23 }, /* midnight itself is skipped */
		{ "Asia/Tokyo", "2026-03-29", 24 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zone_day day;

		zone(rows[i].tz);
		assert_true(zone_day_parse(rows[i].day, &day));
		if (zone_ms(zone_day_add(day, 1), 0) - zone_ms(day, 0) !=
		    (int64_t)rows[i].hours * 3600000)
			fail_msg("%s in %s", rows[i].day, rows[i].tz);
	}
}

static void test_times_that_are_skipped_or_come_twice(void **state)
{
	(void)state;
	zone("Europe/Vienna");
	assert_said(time_of("2026-03-29T01:59:59"), "2026-03-29T01:59:59+01:00");
	assert_said(time_of("2026-03-29T02:30"), "2026-03-29T03:30:00+02:00");
	assert_said(time_of("2026-03-29T03:00"), "2026-03-29T03:00:00+02:00");
	assert_said(time_of("2026-10-25T02:30"), "2026-10-25T02:30:00+02:00");
	assert_said(time_of("2026-10-25T02:30+01:00"), "2026-10-25T02:30:00+01:00");
	assert_said(time_of("2026-10-25T03:00"), "2026-10-25T03:00:00+01:00");
	/* Whatever was asked before. */
	assert_said(time_of("2026-12-25T02:30"), "2026-12-25T02:30:00+01:00");
	assert_said(time_of("2026-10-25T02:30"), "2026-10-25T02:30:00+02:00");
	zone("Pacific/Apia"); /* a whole day was skipped */
	assert_said(time_of("2011-12-30T12:00"), "2011-12-31T12:00:00+14:00");
}

static void test_days(void **state)
{
	struct zone_day day = { 2026, 12, 31 };

	(void)state;
	day = zone_day_add(day, 1);
	assert_int_equal(day.year * 10000 + day.month * 100 + day.day, 20270101);
	day = zone_day_add(day, -1);
	assert_int_equal(day.year * 10000 + day.month * 100 + day.day, 20261231);
	zone("Pacific/Auckland");
	day = zone_day_of(time_of("2026-06-30T13:00Z"));
	assert_int_equal(day.year * 10000 + day.month * 100 + day.day, 20260701);
}

static void test_the_zone_has_a_name(void **state)
{
	char name[ZONE_NAME];

	(void)state;
	zone("Europe/Vienna");
	zone_name(0, name);
	assert_string_equal(name, "Europe/Vienna");
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	zone_name(time_of("2026-07-01T00:00Z"), name);
	assert_string_equal(name, "CEST");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms_of_a_time),
		cmocka_unit_test(test_minutes_of_the_day),
		cmocka_unit_test(test_days_have_as_many_hours_as_the_clock_gives_them),
		cmocka_unit_test(test_times_that_are_skipped_or_come_twice),
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_the_zone_has_a_name),
	};
	int64_t ms = 0;

	(void)setenv("TZ", "Europe/Vienna", 1); /* fails for want of memory alone */
	if (!zone_time_parse("2026-07-01T00:00", &ms) || ms != 1782856800000) {
		(void)printf("SKIP: the time zones (package tzdata)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
