#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shift.h"

static const char three[] = "shifts:\n"
			    "  - { name: early, from: \"06:00\", to: \"14:00\" }\n"
			    "  - { name: late, from: \"14:00\", to: \"22:00\" }\n"
			    "  - { name: night, from: \"22:00\", to: \"06:00\" }\n";

/* y owns the names; what it held before goes. */
static int load(struct yaml **y, struct shifts *ret, const char *text, struct err *e)
{
	if (*y != NULL)
		yaml_free(*y);
	*y = NULL;
	*ret = (struct shifts){ 0 };
	assert_ok(yaml_parse(y, "station.yaml", text, strlen(text), e), e);
	return shifts_load(ret, yaml_root(*y), e);
}

static int64_t ms_of(const char *text)
{
	int64_t ms = -1;

	assert_true(zone_time_parse(text, &ms));
	return ms;
}

static void assert_span(const struct shift_span *s, const char *from, const char *to)
{
	char text[ZONE_TEXT];

	zone_text(s->from_ms, text);
	assert_string_equal(text, from);
	zone_text(s->to_ms, text);
	assert_string_equal(text, to);
}

static void test_the_present_one(void **state)
{
	static const struct {
		const char *now, *name, *from, *to;
	} rows[] = {
		{ "2026-11-28T06:00", "early", "2026-11-28T06:00:00+01:00",
		    "2026-11-28T14:00:00+01:00" },
		{ "2026-11-28T13:59:59.999", "early", "2026-11-28T06:00:00+01:00",
		    "2026-11-28T14:00:00+01:00" },
		{ "2026-11-28T14:00", "late", "2026-11-28T14:00:00+01:00",
		    "2026-11-28T22:00:00+01:00" },
		{ "2026-11-28T23:00", "night", "2026-11-28T22:00:00+01:00",
		    "2026-11-29T06:00:00+01:00" },
		{ "2026-11-29T00:00", "night", "2026-11-28T22:00:00+01:00",
		    "2026-11-29T06:00:00+01:00" },
		{ "2026-11-29T05:59", "night", "2026-11-28T22:00:00+01:00",
		    "2026-11-29T06:00:00+01:00" },
	};
	AUTO_PTR(yaml) *y = NULL;
	struct shifts shifts;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&y, &shifts, three, &e), &e);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct shift_span span;

		assert_ok(shift_find(&shifts, NULL, ms_of(rows[i].now), &span, &e), &e);
		assert_string_equal(span.shift->name, rows[i].name);
		assert_span(&span, rows[i].from, rows[i].to);
	}
}

static void test_the_latest_of_a_name(void **state)
{
	AUTO_PTR(yaml) *y = NULL;
	struct shifts shifts;
	struct shift_span span;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&y, &shifts, three, &e), &e);
	assert_ok(shift_find(&shifts, "late", ms_of("2026-11-28T10:00"), &span, &e), &e);
	assert_span(&span, "2026-11-27T14:00:00+01:00", "2026-11-27T22:00:00+01:00");
	assert_ok(shift_find(&shifts, "early", ms_of("2026-11-28T10:00"), &span, &e), &e);
	assert_span(&span, "2026-11-28T06:00:00+01:00", "2026-11-28T14:00:00+01:00");
	assert_ok(shift_find(&shifts, "night", ms_of("2026-11-28T10:00"), &span, &e), &e);
	assert_span(&span, "2026-11-27T22:00:00+01:00", "2026-11-28T06:00:00+01:00");
}

/* The night that the clock is changed has an hour more or less, and its neighbours still touch it. */
static void test_nights_with_a_change_of_the_clock(void **state)
{
	AUTO_PTR(yaml) *y = NULL;
	struct shifts shifts;
	struct shift_span night, early;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&y, &shifts, three, &e), &e);
	night = shift_on(&shifts.list[2], (struct zone_day){ 2026, 3, 28 });
	early = shift_on(&shifts.list[0], (struct zone_day){ 2026, 3, 29 });
	assert_span(&night, "2026-03-28T22:00:00+01:00", "2026-03-29T06:00:00+02:00");
	assert_int_equal(night.to_ms - night.from_ms, 7 * 3600000);
	assert_int_equal(night.to_ms, early.from_ms);
	night = shift_on(&shifts.list[2], (struct zone_day){ 2026, 10, 24 });
	assert_int_equal(night.to_ms - night.from_ms, 9 * 3600000);
	assert_ok(load(&y, &shifts,
		      "shifts: [{ name: a, from: \"20:00\", to: \"02:30\" },"
		      " { name: b, from: \"02:30\", to: \"08:00\" }]",
		      &e),
	    &e);
	night = shift_on(&shifts.list[0], (struct zone_day){ 2026, 3, 28 });
	early = shift_on(&shifts.list[1], (struct zone_day){ 2026, 3, 29 });
	assert_int_equal(night.to_ms, early.from_ms);
	assert_span(&night, "2026-03-28T20:00:00+01:00", "2026-03-29T03:30:00+02:00");
	night = shift_on(&shifts.list[0], (struct zone_day){ 2026, 10, 24 });
	early = shift_on(&shifts.list[1], (struct zone_day){ 2026, 10, 25 });
	assert_int_equal(night.to_ms, early.from_ms);
}

static void test_each_mistake_has_its_place(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "shifts: []", "station.yaml:1:" },
		{ "shifts: { name: a }", "station.yaml:1:" },
		{ "shifts: [{ name: a, from: \"06:00\" }]", "station.yaml:1:" },
		{ "shifts: [{ name: a, from: \"6:00\", to: \"14:00\" }]",
		    "station.yaml:1:27: \"6:00\" is no time of day" },
		{ "shifts: [{ name: a, from: \"24:00\", to: \"14:00\" }]", "no time of day" },
		{ "shifts: [{ name: a, from: \"06:00\", to: \"06:00\" }]", "ends when it begins" },
		{ "shifts: [{ name: \"\", from: \"06:00\", to: \"07:00\" }]", "1 to 64" },
		{ "shifts: [{ name: -a, from: \"06:00\", to: \"07:00\" }]", "begin with -" },
		{ "shifts: [{ name: a, from: \"06:00\", to: \"07:00\", day: 1 }]",
		    "unknown key \"day\"" },
		{ "shifts:\n  - { name: a, from: \"06:00\", to: \"14:00\" }\n"
		  "  - { name: a, from: \"14:00\", to: \"22:00\" }",
		    "station.yaml:3:5: there is a shift a already" },
		{ "shifts:\n  - { name: a, from: \"06:00\", to: \"14:00\" }\n"
		  "  - { name: b, from: \"13:59\", to: \"22:00\" }",
		    "station.yaml:3:5: shift b overlaps shift a" },
		{ "shifts:\n  - { name: a, from: \"22:00\", to: \"06:00\" }\n"
		  "  - { name: b, from: \"05:00\", to: \"05:30\" }",
		    "overlaps" },
		{ "shifts:\n  - { name: a, from: \"00:00\", to: \"24:00\" }\n"
		  "  - { name: b, from: \"05:00\", to: \"05:30\" }",
		    "overlaps" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_PTR(yaml) *y = NULL;
		struct shifts shifts;
		struct err e = { 0 };

		assert_err(load(&y, &shifts, rows[i].text, &e), &e, "yaml");
		if (strstr(e.message, rows[i].says) == NULL)
			fail_msg("row %zu: \"%s\" is not in: %s", i, rows[i].says, e.message);
	}
}

static void test_what_can_not_be_found(void **state)
{
	AUTO_PTR(yaml) *y = NULL;
	struct shifts shifts;
	struct shift_span span;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&y, &shifts, "a: b", &e), &e);
	assert_err(shift_find(&shifts, NULL, 0, &span, &e), &e, "shift.none");
	assert_ok(load(&y, &shifts, "shifts: [{ name: day, from: \"08:00\", to: \"16:00\" }]", &e),
	    &e);
	assert_err(shift_find(&shifts, "nigth", 0, &span, &e), &e, "shift.unknown");
	assert_non_null(strstr(e.message, "day"));
	assert_err(shift_find(&shifts, NULL, ms_of("2026-11-28T16:00"), &span, &e), &e,
	    "shift.off");
	assert_ok(shift_find(&shifts, NULL, ms_of("2026-11-28T15:59"), &span, &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_present_one),
		cmocka_unit_test(test_the_latest_of_a_name),
		cmocka_unit_test(test_nights_with_a_change_of_the_clock),
		cmocka_unit_test(test_each_mistake_has_its_place),
		cmocka_unit_test(test_what_can_not_be_found),
	};
	int64_t ms = 0;

	(void)setenv("TZ", "Europe/Vienna", 1); /* fails for want of memory alone */
	if (!zone_time_parse("2026-07-01T00:00", &ms) || ms != 1782856800000) {
		(void)printf("SKIP: the time zones (package tzdata)\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
