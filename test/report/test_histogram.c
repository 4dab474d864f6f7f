#include "testing.h"

#include <stdlib.h>

#include "histogram.h"

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void test_small_ones_are_exact(void **state)
{
	struct histogram h = { 0 };

	(void)state;
	assert_int_equal(histogram_percentile(&h, 50), 0);
	for (int i = 100; i > 0; i--)
		histogram_add(&h, i);
	assert_int_equal(histogram_percentile(&h, 50), 51);
	assert_int_equal(histogram_percentile(&h, 95), 96);
	assert_int_equal(h.count, 100);
	assert_int_equal(h.sum_ms, 5050);
	assert_int_equal(h.max_ms, 100);
	histogram_add(&h, -5);
	assert_int_equal(histogram_percentile(&h, 0), 0);
	assert_int_equal(histogram_between(&h, 0, 1), 1);
	assert_int_equal(histogram_between(&h, 10, 20), 10);
}

/* Against the sorted values themselves. */
static void test_large_ones_are_as_near_as_it_says(void **state)
{
	enum { MANY = 5000 };
	static int64_t values[MANY];
	uint32_t seed = 7;

	(void)state;
	for (int scale = 1; scale <= 1000000; scale *= 10) {
		struct histogram h = { 0 };

		for (int i = 0; i < MANY; i++) {
			seed = seed * 1664525 + 1013904223;
			values[i] = (int64_t)(seed >> 16) % 997 * scale;
			histogram_add(&h, values[i]);
		}
		qsort(values, MANY, sizeof(*values), by_value);
		for (int percent = 1; percent < 100; percent++) {
			int64_t want = values[MANY * percent / 100];
			int64_t got = histogram_percentile(&h, percent);

			if (llabs(got - want) * 1000 > want * 8)
				fail_msg("p%d of scale %d: %lld for %lld", percent, scale,
				    (long long)got, (long long)want);
		}
	}
}

static void test_nothing_is_out_of_bounds(void **state)
{
	struct histogram h = { 0 };

	(void)state;
	histogram_add(&h, INT64_C(128) << 23);
	histogram_add(&h, (INT64_C(128) << 23) - 1);
	histogram_add(&h, INT64_MAX / 4);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.classes[HISTOGRAM_CLASSES - 1], 3);
	assert_int_equal(h.max_ms, INT64_MAX / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_ones_are_exact),
		cmocka_unit_test(test_large_ones_are_as_near_as_it_says),
		cmocka_unit_test(test_nothing_is_out_of_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
