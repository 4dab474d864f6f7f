#include "config_rules.h"

#include <string.h>

#include "testing.h"

static int load(struct config_rules *ret, const char *text, struct err *e)
{
	AUTO_PTR(yaml) *y = NULL;

	assert_ok(yaml_parse(&y, "station.yaml", text, strlen(text), e), e);
	return config_rules_load(ret, yaml_root(y), e);
}

static void test_nothing_is_asked_without_rules(void **state)
{
	static const char *const texts[] = { "other: 1\n", "rules: {}\n" };
	struct config_rules r;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_ok(load(&r, texts[i], &e), &e);
		assert_int_equal(r.retests, -1);
		assert_int_equal(r.stop_after.in_a_row, 0);
		assert_int_equal(r.stop_after.failed, 0);
		assert_false(r.acknowledge_failures);
	}
}

static void test_all_of_it(void **state)
{
	static const char *const texts[] = {
		"rules: { retests: 0, stop_after: { in_a_row: 3, of: \"5/20\" },"
		" acknowledge_failures: true }\n",
		"rules: { retests: 0, stop_after: { in_a_row: 3, of: 5/20 },"
		" acknowledge_failures: true }\n",
		"rules:\n  retests: 0\n  stop_after: { in_a_row: 3, of: { failed: 5, last: 20 } }\n"
		"  acknowledge_failures: true\n",
	};
	struct config_rules r;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_ok(load(&r, texts[i], &e), &e);
		assert_int_equal(r.retests, 0);
		assert_int_equal(r.stop_after.in_a_row, 3);
		assert_int_equal(r.stop_after.failed, 5);
		assert_int_equal(r.stop_after.last, 20);
		assert_true(r.acknowledge_failures);
	}
}

static void test_each_border(void **state)
{
	static const char *const texts[] = {
		"rules: { retests: 100 }\n",
		"rules: { stop_after: { in_a_row: 100 } }\n",
		"rules: { stop_after: { of: \"1/1\" } }\n",
		"rules: { stop_after: { of: \"500/500\" } }\n",
		"rules: { stop_after: { of: { failed: 500, last: 500 } } }\n",
	};
	struct config_rules r;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_ok(load(&r, texts[i], &e), &e);
}

static void test_what_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ "rules: 3\n", "1:8" },
		{ "rules: { retest: 3 }\n", "retests" },
		{ "rules: { retests: -1 }\n", "1:19" },
		{ "rules: { retests: 101 }\n", "1:19" },
		{ "rules: { stop_after: {} }\n", "in_a_row, of" },
		{ "rules: { stop_after: 3 }\n", "1:22" },
		{ "rules: { stop_after: { in_a_row: 0 } }\n", "1:34" },
		{ "rules: { stop_after: { in_a_row: 101 } }\n", "1:34" },
		{ "rules: { stop_after: { in_row: 1 } }\n", "in_a_row" },
		{ "rules: { stop_after: { of: 5 } }\n", "1:28" },
		{ "rules: { stop_after: { of: \"5/20 \" } }\n", "5/20" },
		{ "rules: { stop_after: { of: \"-5/20\" } }\n", "5/20" },
		{ "rules: { stop_after: { of: \"5/\" } }\n", "5/20" },
		{ "rules: { stop_after: { of: \"/20\" } }\n", "5/20" },
		{ "rules: { stop_after: { of: \"5/2000\" } }\n", "5/20" },
		{ "rules: { stop_after: { of: [5, 20] } }\n", "1:28" },
		{ "rules: { stop_after: { of: \"0/20\" } }\n", "1 to 500" },
		{ "rules: { stop_after: { of: \"21/20\" } }\n", "1 to 500" },
		{ "rules: { stop_after: { of: \"5/501\" } }\n", "1 to 500" },
		{ "rules: { stop_after: { of: { failed: 5 } } }\n", "last" },
		{ "rules: { stop_after: { of: { failed: 6, last: 5 } } }\n", "1 to 500" },
		{ "rules: { stop_after: { of: { failed: 6, last: 5, x: 1 } } }\n", "failed" },
		{ "rules: { acknowledge_failures: 1 }\n", "1:32" },
	};
	struct config_rules r;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err e = { 0 };

		assert_int_equal(load(&r, rows[i].text, &e), -1);
		if (e.domain != ERR_CONFIG || strstr(e.message, rows[i].says) == NULL)
			fail_msg("%s: [%s] %s", rows[i].text, e.code, e.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_asked_without_rules),
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_each_border),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
