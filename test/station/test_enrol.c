#include "testing.h"

#include "step_asks.h"

/* The wall clock may have been set while a unit was away. */
static void test_a_pending_request_waits_until_its_time_and_never_for_ever(void **state)
{
	(void)state;
	assert_int_equal(enrol_pause_ms(0, 5000, 3600000), 0);
	assert_int_equal(enrol_pause_ms(5000, 5000, 3600000), 0);
	assert_int_equal(enrol_pause_ms(4000, 5000, 3600000), 0);
	assert_int_equal(enrol_pause_ms(7500, 5000, 3600000), 2500);
	assert_int_equal(enrol_pause_ms(1800000000000, 5000, 3600000), 3600000);
	assert_int_equal(enrol_pause_ms(INT64_MAX, 5000, 3600000), 3600000);
	assert_int_equal(enrol_pause_ms(INT64_MAX, -5000, 3600000), 3600000);
	assert_int_equal(enrol_pause_ms(-7, 5000, 3600000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pending_request_waits_until_its_time_and_never_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
