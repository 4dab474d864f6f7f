#include "records_world.h"

/* A claim at a station that makes a unit again so often. */
static int try_claim(struct world *w, const char *serial, int retests, json_t **ret_job,
    struct err *e)
{
	return world_append(w,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:i}", "event", "claim", "serial", serial,
		"model", "P1", "slot", "1", "profile", "#product: pump", "reuse", 0, "retests",
		retests),
	    ret_job, e);
}

static int64_t claim(struct world *w, const char *serial, int retests)
{
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };

	assert_ok(try_claim(w, serial, retests, &job, &e), &e);
	assert_false(json_opt_bool(job, "rework", true));
	return json_opt_int(job, "job", 0);
}

static void assert_refused(struct world *w, const char *serial, int retests, const char *says)
{
	struct err e = { 0 };

	assert_err(try_claim(w, serial, retests, NULL, &e), &e, "claim.retests");
	assert_int_equal(e.domain, ERR_OPERATOR);
	assert_non_null(strstr(e.message, says));
}

static void allow(struct world *w, const char *serial)
{
	must_tell(w, "{s:s, s:s, s:s, s:s, s:i}", "event", "retest", "serial", serial, "reason",
	    "a new cable", "by", "mei", "retests", 1);
}

static void assert_failures(struct world *w, const char *serial, int failed, bool allowed)
{
	struct err e = { 0 };
	int64_t number;
	bool more;

	assert_ok(records_failures(w->r, serial, &number, &more, &e), &e);
	assert_int_equal(number, failed);
	assert_int_equal(more, allowed);
}

static void test_a_unit_is_made_again_so_often(void **state)
{
	struct world *w = *state;

	world_profile(w);
	assert_failures(w, "A", 0, false);
	for (int i = 0; i <= 2; i++)
		world_fail(w, claim(w, "A", 2));
	assert_failures(w, "A", 3, false);
	assert_refused(w, "A", 2, "unit A has failed 3 times");
	assert_refused(w, "A", 2, "again 2 times at most"); /* and is refused for ever */
	world_fail(w, claim(w, "B", 0));                    /* each unit by itself */
	assert_refused(w, "B", 0, "failed 1 time,");
	(void)claim(w, "A", 3); /* by another rule */
}

static void test_a_job_that_goes_on_is_no_retest(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	job = claim(w, "A", 0);
	for (int i = 0; i < 3; i++) {
		world_park(w, job);
		assert_int_equal(claim(w, "A", 0), job);
	}
	world_fail(w, job);
	assert_refused(w, "A", 0, "failed 1 time,");
}

/* The unit lost its key: its job ended, and the next one begins at once. */
static void test_a_job_that_began_anew_did_not_fail(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_profile(w);
	assert_ok(world_try_fail(w, claim(w, "A", 0), "key.lost", &e), &e);
	assert_failures(w, "A", 0, false);
	world_fail(w, claim(w, "A", 0));
	assert_refused(w, "A", 0, "failed 1 time,");
}

static void test_an_engineer_allows_one_more(void **state)
{
	struct world *w = *state;

	world_profile(w);
	for (int i = 0; i <= 1; i++)
		world_fail(w, claim(w, "A", 1));
	assert_refused(w, "A", 1, "failed 2 times");
	allow(w, "A");
	assert_failures(w, "A", 2, true);
	refuse(w, "retest.again", "{s:s, s:s, s:s, s:s}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei");
	world_fail(w, claim(w, "A", 1));
	assert_failures(w, "A", 3, false);
	assert_refused(w, "A", 1, "failed 3 times"); /* one, and no other */
	allow(w, "A");
}

static void test_what_needs_no_retest(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	refuse(w, "unit.unknown", "{s:s, s:s, s:s, s:s}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei");
	job = claim(w, "A", 1);
	refuse(w, "retest.needless", "{s:s, s:s, s:s, s:s}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei");
	world_fail(w, job);
	refuse(w, "retest.needless", "{s:s, s:s, s:s, s:s, s:i}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei", "retests", 1);
	refuse(w, "record.invalid", "{s:s, s:s, s:s, s:s, s:i}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei", "retests", -1);
	refuse(w, "record.invalid", "{s:s, s:s, s:s}", "event", "retest", "serial", "A", "by",
	    "mei");
	refuse(w, "record.invalid", "{s:s, s:s, s:s}", "event", "retest", "serial", "A", "reason",
	    "r");
	(void)world_pass(w, "B", NULL);
	refuse(w, "retest.passed", "{s:s, s:s, s:s, s:s}", "event", "retest", "serial", "B",
	    "reason", "r", "by", "mei");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "A", "reason", "r", "by",
	    "mei");
	refuse(w, "unit.scrapped", "{s:s, s:s, s:s, s:s}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei");
}

/* Its first identity is its first one: nothing is superseded by it, and no second claim is allowed. */
static void test_a_retest_that_passes(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	struct err e = { 0 };

	world_profile(w);
	world_fail(w, claim(w, "A", 0));
	refuse(w, "retest.needless", "{s:s, s:s, s:s, s:s, s:i}", "event", "retest", "serial", "A",
	    "reason", "r", "by", "mei", "retests", 1);
	must_tell(w, "{s:s, s:s, s:s, s:s, s:i}", "event", "retest", "serial", "A", "reason", "r",
	    "by", "mei", "retests", 0);
	(void)world_pass(w, "A", NULL);
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 0);
	assert_err(try_claim(w, "A", 0, NULL, &e), &e, "claim.passed");
}

/* Reworks are allowed by an engineer each: they have no limit but that. */
static void test_a_rework_is_not_counted(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };

	world_profile(w);
	world_fail(w, claim(w, "A", 1));
	(void)world_pass(w, "A", NULL);
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A", "reason", "r", "by",
	    "mei");
	for (int i = 0; i < 3; i++) {
		assert_ok(try_claim(w, "A", 1, &job, &e), &e);
		assert_true(json_opt_bool(job, "rework", false));
		must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job",
		    json_opt_int(job, "job", 0), "kind", "keygen");
		world_fail(w, json_opt_int(job, "job", 0));
		json_decref(job);
		job = NULL;
	}
}

static void test_a_claim_with_no_count(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_profile(w);
	assert_err(try_claim(w, "A", -1, NULL, &e), &e, "record.invalid");
	for (int i = 0; i < 5; i++)
		world_fail(w, world_claim(w, "A", NULL)); /* no rule, no limit */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_a_unit_is_made_again_so_often),
		world_test(test_a_job_that_goes_on_is_no_retest),
		world_test(test_a_job_that_began_anew_did_not_fail),
		world_test(test_an_engineer_allows_one_more),
		world_test(test_what_needs_no_retest),
		world_test(test_a_retest_that_passes),
		world_test(test_a_rework_is_not_counted),
		world_test(test_a_claim_with_no_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
