#include "retry_after.h"

#include "testing.h"
#include "warning.h"

static const struct retry_limits limits = { .min = 5, .max = 7200, .fallback = 60 };
static const int64_t now = 1795372200; /* Sun, 22 Nov 2026 18:30:00 GMT */

static void reads_and_clamps(void **state)
{
	static const struct {
		const char *value;
		int64_t seconds;
		unsigned warnings;
	} cases[] = {
		{ "", 60, 0 },
		{ "120", 120, 0 },
		{ "0", 5, 0 },
		{ "4", 5, 0 },
		{ "7200", 7200, 0 },
		{ "7201", 7200, WARN_RETRY_AFTER_CLAMPED },
		{ "99999999999", 7200, WARN_RETRY_AFTER_CLAMPED },
		{ "999999999999999999999999999999", 7200, WARN_RETRY_AFTER_CLAMPED },
		{ "9223372036854775807", 7200, WARN_RETRY_AFTER_CLAMPED },
		{ "-5", 60, WARN_RETRY_AFTER_INVALID },
		{ "+5", 60, WARN_RETRY_AFTER_INVALID },
		{ "5s", 60, WARN_RETRY_AFTER_INVALID },
		{ "5.5", 60, WARN_RETRY_AFTER_INVALID },
		{ "soon", 60, WARN_RETRY_AFTER_INVALID },
		{ "Sun, 22 Nov 2026 19:30:00 GMT", 3600, 0 },
		{ "Sunday, 22-Nov-26 19:30:00 GMT", 3600, 0 },
		{ "Sun Nov 22 19:30:00 2026", 3600, 0 },
		{ "Sun, 22 Nov 2026 18:00:00 GMT", 5, 0 },
		{ "Mon, 22 Nov 2027 18:00:00 GMT", 7200, WARN_RETRY_AFTER_CLAMPED },
		{ "Sun, 22 Nov 2026 19:30:00 CET", 60, WARN_RETRY_AFTER_INVALID },
		{ "Sun, 22 Nov 2026 19:30:00 GMT or later", 60, WARN_RETRY_AFTER_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned warnings = 0;

		assert_int_equal(retry_after_s(cases[i].value, &limits, now, &warnings),
		    cases[i].seconds);
		assert_int_equal(warnings, cases[i].warnings);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_clamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
