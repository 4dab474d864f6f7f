#include "ground.h"

#include <string.h>

#include "clock.h"
#include "testing.h"

static const int64_t NOON = 1795348800000; /* a wall time */
enum { SECOND = 1000, HOUR = 3600 * SECOND };
static const int64_t DECADE = INT64_C(10) * 365 * 24 * HOUR;

static void a_clock_that_goes_on_is_sound(void **state)
{
	struct ground g = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int64_t t = 0; t < 100 * HOUR; t += 17 * 60 * SECOND)
		assert_ok(ground_check_clock(&g, NOON + t, t, &e), &e);
	assert_true(g.made_ms > NOON + 99 * HOUR);
}

static void small_jumps_never_matter(void **state)
{
	static const int64_t jumps[] = { -SECOND, SECOND, -GROUND_CLOCK_MS, GROUND_CLOCK_MS, 0 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(jumps); i++) {
		struct ground g = { .made_ms = NOON };

		ground_ca_said(&g, NOON, 5);
		assert_ok(ground_check_clock(&g, NOON + jumps[i], 5, &e), &e);
	}
}

static void a_clock_that_went_back_stops_until_it_is_mended(void **state)
{
	static const int64_t jumps[] = { GROUND_CLOCK_MS + 1, HOUR, 10 * HOUR };
	struct err e = { 0 };
	char text[CLOCK_TEXT];

	(void)state;
	clock_text(NOON, text);
	for (size_t i = 0; i < COUNT(jumps); i++) {
		struct ground g = { .made_ms = NOON };

		for (int again = 0; again < 3; again++) /* it does not wear off */
			assert_err(ground_check_clock(&g, NOON - jumps[i] - again, again, &e), &e,
			    "clock.backwards");
		assert_non_null(strstr(e.message, text)); /* both times */
		clock_text(NOON - jumps[i] - 2, text);
		assert_non_null(strstr(e.message, text));
		clock_text(NOON, text);
		assert_int_equal(e.scope, SCOPE_STATION);
		assert_ok(ground_check_clock(&g, NOON + SECOND, 4, &e), &e);
	}
	{
		struct ground g = { .made_ms = NOON };

		assert_err(ground_check_clock(&g, NOON - DECADE, 0, &e), &e, "clock.backwards");
		assert_err(ground_check_clock(&g, INT64_MIN, 0, &e), &e, "clock.backwards");
	}
}

/* A jump between two steps of a run: the CA's clock goes on meanwhile by the monotonic one. */
static void the_cas_clock_is_the_other_witness(void **state)
{
	static const int64_t jumps[] = { GROUND_CLOCK_MS + 1, HOUR, -HOUR, -GROUND_CLOCK_MS - 1 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(jumps); i++) {
		struct ground g = { 0 };

		ground_ca_said(&g, NOON, 0);
		assert_err(ground_check_clock(&g, NOON + HOUR + jumps[i], HOUR, &e), &e,
		    "clock.ca");
		assert_int_equal(e.scope, SCOPE_STATION);
		assert_int_equal(g.made_ms, 0); /* a time that was not believed does not count */
		assert_ok(ground_check_clock(&g, NOON + HOUR, HOUR, &e), &e);
	}
	{
		struct ground g = { .made_ms = NOON };

		ground_ca_said(&g, NOON, 0);
		assert_err(ground_check_clock(&g, NOON + DECADE, 0, &e), &e, "clock.ca");
		ground_ca_said(&g, NOON + DECADE,
		    1); /* it was the CA's that was wrong, and is right now */
		assert_ok(ground_check_clock(&g, NOON + DECADE, 1, &e), &e);
	}
}

static void what_is_not_known_says_nothing(void **state)
{
	struct ground g = { 0 };
	struct err e = { 0 };

	(void)state;
	ground_ca_said(&g, 0, 5);
	ground_ca_said(&g, -1, 5);
	assert_ok(ground_check_clock(&g, NOON, 5, &e), &e);
}

static void a_disk_without_room_begins_nothing(void **state)
{
	const uint64_t needed = (uint64_t)GROUND_FREE_MIB << 20;
	struct err e = { 0 };

	(void)state;
	assert_ok(ground_check_space(needed, "/r", &e), &e);
	assert_ok(ground_check_space(UINT64_MAX, "/r", &e), &e);
	assert_err(ground_check_space(needed - 1, "/r", &e), &e, "records.space");
	assert_err(ground_check_space(0, "/r", &e), &e, "records.space");
	assert_int_equal(e.scope, SCOPE_STATION);
	assert_non_null(strstr(e.message, "make room"));
}

static void room_is_said_to_be_low_before_there_is_none(void **state)
{
	static const struct {
		uint64_t free_bytes;
		enum ground_space space;
		const char *code;
	} rows[] = {
		{ 0, GROUND_SPACE_DOWN, "records.space" },
		{ ((uint64_t)GROUND_FREE_MIB << 20) - 1, GROUND_SPACE_DOWN, "records.space" },
		{ (uint64_t)GROUND_FREE_MIB << 20, GROUND_SPACE_LOW, "records.space-low" },
		{ ((uint64_t)GROUND_LOW_MIB << 20) - 1, GROUND_SPACE_LOW, "records.space-low" },
		{ (uint64_t)GROUND_LOW_MIB << 20, GROUND_SPACE_UP, "" },
		{ UINT64_MAX, GROUND_SPACE_UP, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err why = { 0 };

		assert_int_equal(ground_space(rows[i].free_bytes, "/r", &why), rows[i].space);
		assert_string_equal(why.code, rows[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_goes_on_is_sound),
		cmocka_unit_test(small_jumps_never_matter),
		cmocka_unit_test(a_clock_that_went_back_stops_until_it_is_mended),
		cmocka_unit_test(the_cas_clock_is_the_other_witness),
		cmocka_unit_test(what_is_not_known_says_nothing),
		cmocka_unit_test(a_disk_without_room_begins_nothing),
		cmocka_unit_test(room_is_said_to_be_low_before_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
