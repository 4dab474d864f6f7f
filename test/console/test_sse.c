#include "sse.h"

#include <string.h>

#include "testing.h"

static void check(const char *name, const struct sse_place *place, const char *data,
    const char *wanted)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	assert_ok(sse_add(&text, name, place, data, strlen(data), &e), &e);
	assert_string_equal(buf_str(&text, &e), wanted);
}

static void frames(void **state)
{
	const struct sse_place place = { "00ff", 12 };

	(void)state;
	check("told", &place, "{\"n\":12}", "id: 00ff-12\nevent: told\ndata: {\"n\":12}\n\n");
	check("heartbeat", NULL, "{}", "event: heartbeat\ndata: {}\n\n");
	check("told", NULL, "", "event: told\ndata: \n\n");
}

/* A line end in the data begins no field of its own. */
static void keeps_data_data(void **state)
{
	(void)state;
	check("told", NULL, "a\nevent: pass\rid: 1",
	    "event: told\ndata: a\ndata: event: pass\ndata: id: 1\n\n");
	check("told", NULL, "a\n", "event: told\ndata: a\ndata: \n\n");
}

static void reads_places(void **state)
{
	struct sse_place place = { "untouched", 3 };
	static const char *const bad[] = { "", "-", "-1", "ab", "ab-", "ab-x", "ab-1x", "ab--1",
		"ab-1-1", " ab-1", "AB-1", "ab-1234567890123456789", "ab-1\n",
		"0123456789abcdef0123456789abcdef0-1" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(sse_place_parse(bad[i], &place));
	assert_string_equal(place.run, "untouched");
	assert_int_equal(place.n, 3);
	assert_true(sse_place_parse("0123456789abcdef0123456789abcdef-123456789012345678", &place));
	assert_string_equal(place.run, "0123456789abcdef0123456789abcdef");
	assert_true(place.n == 123456789012345678);
	assert_true(sse_place_parse("a-0", &place));
	assert_string_equal(place.run, "a");
	assert_int_equal(place.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(keeps_data_data),
		cmocka_unit_test(reads_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
