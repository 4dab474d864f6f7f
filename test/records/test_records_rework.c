#include "records_world.h"

static void rework(struct world *w, const char *serial)
{
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", serial, "reason",
	    "new board", "by", "mei");
}

/* Its key is gone, or may be: the first identity is on no device, and the rework may begin again. */
static void test_I2_a_rework_that_fails_lists_the_first_identity(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };
	int64_t first, second;

	world_profile(w);
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", "nine", "quantity", 9);
	first = world_pass(w, "A", "nine");
	rework(w, "A");
	second = world_claim(w, "A", "nine");
	must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", second, "kind", "keygen");
	assert_order(w, "nine", 1, 0, 1);
	world_fail(w, second);
	assert_order(w, "nine", 0, 1, 0);
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 1);
	assert_int_equal(json_opt_int(json_array_get(orphans, 0), "job", 0), first);
	assert_non_null(strstr(json_opt_str(json_array_get(orphans, 0), "reason", ""),
	    "a rework, replaced it or may have"));
	json_decref(orphans);

	refuse(w, "rework.again", "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A",
	    "reason", "r", "by", "mei"); /* allowed as it is */
	assert_ok(world_try_claim(w, "A", "nine", &job, &e), &e);
	assert_true(json_opt_bool(job, "rework", false));
	second = json_opt_int(job, "job", 0);
	world_request(w, second, "key of another");
	world_fail(w, second);
	(void)world_pass(w, "A", "nine");
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 1); /* and it is listed once */
	assert_order(w, "nine", 1, 1, 0);
	assert_err(world_try_claim(w, "A", "nine", NULL, &e), &e, "claim.passed");
}

/* With a key that stays (reuse), only a new certificate takes the first one's place. */
static void test_I2_a_rework_without_a_new_key(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	int64_t job;

	world_profile(w);
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key");
	world_intent(w, job, "key");
	world_issue(w, job, "key", "first");
	world_finish(w, job, "first");
	rework(w, "A");
	for (int i = 0; i < 2; i++) {
		job = world_claim(w, "A", NULL);
		must_tell(w, "{s:s, s:I, s:s, s:s, s:s}", "event", "step", "job", job, "step",
		    "request", "csr", "@csr of key", "spki", digest("key"));
		world_intent(w, job, "key");
		if (i == 0)
			world_answer(w, job, "rejected");
		else
			world_issue(w, job, "key", "second");
		world_fail(w, job);
		orphans = world_orphans(w);
		assert_int_equal(json_array_size(orphans), i == 0 ? 0 : 2);
		json_decref(orphans);
	}
	orphans = world_orphans(w);
	assert_member(json_array_get(orphans, 0), "certificate", digest("first"));
	assert_member(json_array_get(orphans, 1), "certificate", digest("second"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_I2_a_rework_that_fails_lists_the_first_identity),
		world_test(test_I2_a_rework_without_a_new_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
