#include "../records/records_world.h"

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

static void fail_job(struct world *w, const char *serial, const char *code)
{
	must_tell(w, "{s:s, s:I, s:s, s:{s:s, s:s, s:s, s:s}}", "event", "end", "job",
	    (json_int_t)world_claim(w, serial, NULL), "outcome", "failed", "error", "domain",
	    "device", "scope", "unit", "code", code, "message", "it did not work");
}

/* An answer is one line: the newest of a unit that comes back for ever are kept. */
static void test_a_unit_that_comes_back_for_ever(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *dossier = NULL;
	AUTO_STRUCT(buf) line = { 0 };
	struct err e = { 0 };
	const json_t *jobs;

	world_profile(w);
	for (int i = 0; i < 20; i++)
		fail_job(w, "A", i < 19 ? "csr.pop" : "csr.weak");
	fail_job(w, "B", "csr.pop");
	assert_ok(dossier_make(w->r, "A", &dossier, &e), &e);
	jobs = json_object_get(dossier, "jobs");
	assert_int_equal(json_array_size(jobs), DOSSIER_JOBS_MAX);
	assert_int_equal(json_opt_int(dossier, "left_out", 0), 20 - DOSSIER_JOBS_MAX);
	assert_int_equal(json_opt_int(json_object_get(dossier, "counts"), "retests", 0), 19);
	assert_string_equal(json_opt_str(json_object_get(json_array_get(jobs, 0), "error"), "code",
				""),
	    "csr.weak");
	assert_string_equal(json_opt_str(json_object_get(json_array_get(jobs, 1), "error"),
				"advice", ""),
	    err_advice(ERR_DEVICE));
	assert_ok(json_canonical(dossier, &line, &e), &e);
	assert_true(line.len < 20000);
}

static void test_who_was_never_here(void **state)
{
	struct world *w = *state;
	json_t *dossier = NULL;
	struct err e = { 0 };

	world_profile(w);
	assert_err(dossier_make(w->r, "A", &dossier, &e), &e, "unit.unknown");
	assert_null(dossier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_judge_that_was_not_asked_has_passed_nothing),
		cmocka_unit_test(test_what_was_warned_of_has_not_passed),
		cmocka_unit_test(test_asked_again_a_judge_is_listed_once),
		cmocka_unit_test_setup_teardown(test_a_unit_that_comes_back_for_ever, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(test_who_was_never_here, world_setup,
		    world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
