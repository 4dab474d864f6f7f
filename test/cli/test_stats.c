#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

static void take(struct stats *s, json_t *event)
{
	assert_non_null(event);
	stats_take(s, event);
	json_decref(event);
}

static void test_percentiles_and_shares(void **state)
{
	AUTO_PTR(stats) *s = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct err e = { 0 };

	(void)state;
	assert_ok(stats_new(&s, &e), &e);
	assert_int_equal(stats_seconds_left(s, 10), -1);
	take(s, json_pack("{s:s, s:s}", "event", "arrived", "slot", "1"));
	for (int i = 100; i > 0; i--)
		take(s, json_pack("{s:s, s:s, s:s, s:s, s:i}", "event", "step", "who", "device",
			    "step", "keygen", "outcome", "ok", "ms", i));
	take(s, json_pack("{s:s, s:s, s:s, s:s, s:i}", "event", "step", "who", "device", "step",
		    "keygen", "outcome", "failed", "ms", 100000));
	take(s,
	    json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "event", "unit", "outcome", "passed",
		"ms", 400, "device_ms", 300, "ca_ms", 60, "hsm_ms", 30, "station_ms", 10));
	take(s, json_pack("{s:s, s:s, s:i, s:i}", "event", "unit", "outcome", "failed", "ms", 9999,
		    "device_ms", 9999));
	assert_int_equal(stats_ended(s), 2);
	stats_print(s, out);
	stats_print_units(s, out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "keygen     device        100         51         96\n"));
	assert_non_null(strstr(text, "device                     1        300        300\n"));
	assert_non_null(strstr(text, "whole                      1        400        400\n"));
	assert_non_null(strstr(text, "passed        400      300     60     30       10\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles_and_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
