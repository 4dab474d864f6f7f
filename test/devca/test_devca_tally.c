#include "tally.h"

#include "testing.h"

static unsigned count(struct tally *t, const char *label, const char *csr)
{
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };
	unsigned n = 0;

	assert_ok(buf_add_str(&der, csr, &e), &e);
	assert_ok(tally_count(t, label, &der, &n, &e), &e);
	return n;
}

static void test_counts_by_label_and_csr(void **state)
{
	struct tally t = { 0 };

	(void)state;
	assert_int_equal(count(&t, "", "a"), 1);
	assert_int_equal(count(&t, "", "a"), 2);
	assert_int_equal(count(&t, "", "b"), 1);
	assert_int_equal(count(&t, "slow", "a"), 1);
	assert_int_equal(count(&t, "slow", "a"), 2);
	assert_int_equal(count(&t, "", "a"), 3);
	tally_free(&t);
}

/* "x" + "yz" is not "xy" + "z". */
static void test_label_and_csr_stay_apart(void **state)
{
	struct tally t = { 0 };

	(void)state;
	assert_int_equal(count(&t, "x", "yz"), 1);
	assert_int_equal(count(&t, "xy", "z"), 1);
	tally_free(&t);
}

static void test_empty(void **state)
{
	struct tally t = { 0 };

	(void)state;
	assert_int_equal(count(&t, "", ""), 1);
	tally_free(&t);
	tally_free(&t);
	assert_int_equal(count(&t, "", ""), 1);
	tally_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_by_label_and_csr),
		cmocka_unit_test(test_label_and_csr_stay_apart),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
