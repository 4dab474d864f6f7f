#include "clock.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "own.h"
#include "testing.h"

static void test_text(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} times[] = { { 0, "1970-01-01T00:00:00.000Z" },
		{ 1795372200123, "2026-11-22T18:30:00.123Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 4102444799999, "2099-12-31T23:59:59.999Z" },
		{ 253402300799999, "9999-12-31T23:59:59.999Z" } };

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		char text[CLOCK_TEXT];

		clock_text(times[i].ms, text);
		assert_string_equal(text, times[i].text);
		assert_true(clock_parse(text) == times[i].ms);
	}
}

/* Exactly what clock_text writes, nothing that merely looks like it. */
static void test_not_a_time(void **state)
{
	static const char *const wrong[] = { "", "now", "2026-11-22T18:30:00Z",
		"2026-11-22T18:30:00.12Z", "2026-11-22T18:30:00.1234Z", "2026-11-22T18:30:00.123",
		"2026-11-22T18:30:00.123z", "2026-11-22T18:30:00.123Z ",
		" 2026-11-22T18:30:00.123Z", "2026-11-22 18:30:00.123Z", "2026-1-22T18:30:00.123Z",
		"2026-11-22T8:30:00.123Z", "2026-02-30T18:30:00.123Z", "2026-13-01T18:30:00.123Z",
		"2026-11-22T24:00:00.000Z", "2026-11-22T18:60:00.000Z", "2026-11-22T18:30:60.000Z",
		"2026-11-22T18:30:00.+12Z", "2026-11-22T18:30:00. 12Z", "2026-11-22T18:30:00.-12Z",
		"2026-11-22T18:30:00.123+01:00", "1969-12-31T23:59:59.999Z" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_true(clock_parse(wrong[i]) == -1);
}

static void test_deadlines(void **state)
{
	int64_t now = clock_now_ms();

	(void)state;
	assert_int_equal(clock_left_ms(now - 1), 0);
	assert_int_equal(clock_left_ms(0), 0);
	assert_int_equal(clock_left_ms(INT64_MIN + now + 1000000), 0);
	assert_int_equal(clock_left_ms(INT64_MAX), INT_MAX);
	assert_true(clock_left_ms(now + 60000) > 50000);
	assert_true(clock_left_ms(now + 60000) <= 60000);
}

static void test_clocks_agree(void **state)
{
	int64_t ms = clock_now_ms(), us = clock_now_us(), wall = clock_wall_ms();
	char text[CLOCK_TEXT];

	(void)state;
	assert_true(us / 1000 - ms >= 0 && us / 1000 - ms < 1000);
	assert_true(clock_wall_s() - wall / 1000 >= 0 && clock_wall_s() - wall / 1000 < 5);
	clock_wall_text(text);
	assert_int_equal(strlen(text), CLOCK_TEXT - 1);
	assert_true(clock_parse(text) >= wall && clock_parse(text) - wall < 5000);
}

/* What is slept is not worked. */
static void test_processor_time(void **state)
{
	const struct timespec nap = { 0, 20000000 };
	int64_t wall = clock_now_us(), cpu = clock_cpu_us();

	(void)state;
	assert_true(cpu > 0);
	(void)nanosleep(&nap, NULL);
	assert_true(clock_cpu_us() >= cpu);
	assert_true(clock_cpu_us() - cpu < clock_now_us() - wall);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_not_a_time),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_clocks_agree),
		cmocka_unit_test(test_processor_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
