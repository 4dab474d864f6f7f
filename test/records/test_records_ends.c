#include "records_world.h"

/* "A passed, B failed, ..." newest first, of what ended after the event of that number. */
static void assert_ends(struct world *w, int64_t after, int64_t max, const char *expected)
{
	AUTO(json_t) *ends = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	assert_ok(records_ends(w->r, after, max, &ends, &e), &e);
	for (size_t i = 0; i < json_array_size(ends); i++) {
		const json_t *end = json_array_get(ends, i);

		assert_true(json_opt_int(end, "number", 0) > after);
		assert_ok(buf_printf(&text, &e, "%s%s@%s %s %s", i > 0 ? ", " : "",
			      json_opt_str(end, "serial", "?"), json_opt_str(end, "slot", "?"),
			      json_opt_str(end, "outcome", "?"), json_opt_str(end, "domain", "?")),
		    &e);
	}
	assert_string_equal(text.len > 0 ? buf_str(&text, &e) : "", expected);
}

static int64_t head(struct world *w)
{
	uint8_t hash[SHA256_LEN];
	struct err e = { 0 };
	int64_t seq;

	assert_ok(records_head(w->r, &seq, hash, &e), &e);
	return seq;
}

static void turn_away(struct world *w, const char *serial, const char *what, const char *domain,
    const char *scope)
{
	must_tell(w, "{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "event", "refused", "serial",
	    serial, "slot", "2", "what", what, "error", "domain", domain, "scope", scope, "code",
	    "x.y", "message", "no");
}

static void test_jobs(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job, before;

	world_profile(w);
	assert_ends(w, 0, 10, "");
	(void)world_pass(w, "A", NULL);
	job = world_claim(w, "B", NULL);
	world_park(w, job); /* it goes on */
	assert_ends(w, 0, 10, "A@1 passed ");
	assert_int_equal(world_claim(w, "B", NULL), job);
	world_fail(w, job);
	before = head(w);
	assert_ok(world_try_fail(w, world_claim(w, "C", NULL), "key.lost", &e), &e);
	world_fail(w, world_claim(w, "C", NULL));
	must_tell(w, "{s:s, s:I, s:s, s:{s:s, s:s, s:s}}", "event", "end", "job",
	    world_claim(w, "D", NULL), "outcome", "refused", "error", "domain", "operator", "code",
	    "key.present", "message", "no");
	assert_ends(w, 0, 10,
	    "D@1 refused operator, C@1 failed device, B@1 failed device, A@1 passed ");
	assert_ends(w, 0, 2, "D@1 refused operator, C@1 failed device");
	assert_ends(w, before, 10, "D@1 refused operator, C@1 failed device");
	assert_ends(w, head(w), 10, "");
}

static void test_what_never_had_a_job(void **state)
{
	struct world *w = *state;

	turn_away(w, "", "open", "link", "unit");
	turn_away(w, "A", "identify", "device", "unit");
	turn_away(w, "B", "identify", "operator", "unit");
	turn_away(w, "C", "identify", "config", "station"); /* not its fault */
	turn_away(w, "D", "claim", "operator", "unit");     /* refused a second time below */
	turn_away(w, "E", "step", "device", "unit");        /* its job's end says so */
	assert_ends(w, 0, 10, "B@2 refused operator, A@2 failed device, @2 failed link");
}

/* Another station's are its own business. */
static void test_one_station(void **state)
{
	struct world *w = *state;

	world_profile(w);
	world_fail(w, world_claim(w, "A", NULL));
	world_close(w);
	world_open(w, "line-2");
	assert_ends(w, 0, 10, "");
	world_fail(w, world_claim(w, "B", NULL));
	assert_ends(w, 0, 10, "B@1 failed device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_jobs),
		world_test(test_what_never_had_a_job),
		world_test(test_one_station),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
