#include "testing.h"

#include "streak.h"

static void test_three_units_in_a_row(void **state)
{
	struct streak s = { 0 };

	(void)state;
	assert_false(streak_fail(&s, "A"));
	assert_false(streak_fail(&s, "B"));
	assert_true(streak_fail(&s, "C"));
	assert_true(streak_fail(&s, "C"));
}

static void test_one_unit_is_one(void **state)
{
	struct streak s = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(streak_fail(&s, "A"));
	assert_false(streak_fail(&s, "B"));
	assert_false(streak_fail(&s, "A"));
	assert_true(streak_fail(&s, "C"));
}

static void test_what_was_never_identified_counts_each_time(void **state)
{
	struct streak s = { 0 };

	(void)state;
	assert_false(streak_fail(&s, ""));
	assert_false(streak_fail(&s, "A"));
	assert_true(streak_fail(&s, ""));
}

static void test_a_pass_begins_again(void **state)
{
	struct streak s = { 0 };

	(void)state;
	assert_false(streak_fail(&s, "A"));
	assert_false(streak_fail(&s, "B"));
	streak_pass(&s);
	assert_false(streak_fail(&s, "C"));
	assert_false(streak_fail(&s, "B"));
	assert_true(streak_fail(&s, "A"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_units_in_a_row),
		cmocka_unit_test(test_one_unit_is_one),
		cmocka_unit_test(test_what_was_never_identified_counts_each_time),
		cmocka_unit_test(test_a_pass_begins_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
