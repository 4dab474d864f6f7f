#include "testing.h"

#include <string.h>

#include "dossier.h"

static json_t *checks_of(json_t *event)
{
	json_t *list = json_array();
	struct err e = { 0 };

	assert_int_equal(dossier_add_checks(list, event, &e), 0);
	json_decref(event);
	return list;
}

static const json_t *judge_of(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (strcmp(json_opt_str(json_array_get(list, i), "judge", ""), name) == 0)
			return json_array_get(list, i);
	return NULL;
}

static bool has_passed(const json_t *judge, const char *id)
{
	const json_t *passed = json_object_get(judge, "passed");

	for (size_t i = 0; i < json_array_size(passed); i++)
		if (strcmp(json_string_value(json_array_get(passed, i)), id) == 0)
			return true;
	return false;
}

static void test_a_judge_that_was_not_asked_has_passed_nothing(void **state)
{
	AUTO(json_t) *bare = checks_of(
	    json_pack("{s:s, s:s, s:s}", "event", "step", "step", "request", "csr", "00"));
	AUTO(json_t) *judged = checks_of(json_pack("{s:s, s:s, s:s, s:s}", "event", "step", "step",
	    "request", "csr", "00", "origin_evidence", "piv-attestation"));
	AUTO(json_t) *keygen =
	    checks_of(json_pack("{s:s, s:s}", "event", "step", "step", "keygen"));
	AUTO(json_t) *answer = checks_of(
	    json_pack("{s:s, s:s, s:s}", "event", "answer", "step", "request", "csr", "00"));

	(void)state;
	assert_true(has_passed(judge_of(bare, "csr"), "csr.pop"));
	assert_null(judge_of(bare, "origin"));
	assert_true(has_passed(judge_of(judged, "origin"), "origin.chain"));
	assert_int_equal(json_array_size(keygen), 0);
	assert_int_equal(json_array_size(answer), 0);
}

static void test_what_was_warned_of_has_not_passed(void **state)
{
	AUTO(json_t) *list = checks_of(json_pack("{s:s, s:s, s:s, s:{s:[{s:s, s:s}]}}", "event",
	    "step", "step", "enrol", "certificate", "00", "detail", "lint", "id", "cert.ski",
	    "message", "not RFC 7093's"));
	const json_t *judge = judge_of(list, "certificate");

	(void)state;
	assert_false(has_passed(judge, "cert.ski"));
	assert_true(has_passed(judge, "cert.aki"));
	assert_int_equal(json_array_size(json_object_get(judge, "warnings")), 1);
}

static void test_asked_again_a_judge_is_listed_once(void **state)
{
	AUTO(json_t) *list = json_array();
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		AUTO(json_t) *event = json_pack("{s:s, s:s, s:s, s:s}", "event", "step", "step",
		    "readback", "certificate", "00", "at", i < 2 ? "then" : "now");

		assert_int_equal(dossier_add_checks(list, event, &e), 0);
	}
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_opt_str(json_array_get(list, 0), "at", ""), "now");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_judge_that_was_not_asked_has_passed_nothing),
		cmocka_unit_test(test_what_was_warned_of_has_not_passed),
		cmocka_unit_test(test_asked_again_a_judge_is_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
