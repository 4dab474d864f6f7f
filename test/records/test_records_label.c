#include "records_world.h"

static int label(struct world *w, const char *serial, const char *by, bool reprint, struct err *e)
{
	return tell(w, e, "{s:s, s:s, s:s, s:s, s:b, s:s*}", "event", "label", "serial", serial,
	    "printer", "tcp:192.0.2.7:9100", "zpl", "@^XA^XZ", "reprint", reprint, "by", by);
}

static void must_label(struct world *w, const char *serial, const char *by)
{
	struct err e = { 0 };

	assert_ok(label(w, serial, by, by != NULL, &e), &e);
}

static void refuse_label(struct world *w, const char *serial, const char *by)
{
	struct err e = { 0 };

	assert_err(label(w, serial, by, by != NULL, &e), &e, "label.none");
	assert_int_equal(e.domain, ERR_OPERATOR);
}

static void printer(struct world *w)
{
	must_tell(w, "{s:s, s:s, s:{s:s}}", "event", "station", "what", "printer", "detail",
	    "printer", "tcp:192.0.2.7:9100");
}

static void test_of_what_has_passed_alone(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	AUTO_STRUCT(buf) zpl = { 0 };
	struct err e = { 0 };
	int64_t number;

	world_profile(w);
	number = world_claim(w, "A", NULL);
	refuse_label(w, "A", NULL);
	refuse_label(w, "NOBODY", NULL);
	assert_err(records_passed(w->r, "A", &job, &e), &e, "label.none");
	assert_err(records_passed(w->r, "NOBODY", &job, &e), &e, "label.none");
	world_fail(w, number);
	refuse_label(w, "A", NULL);
	number = world_pass(w, "A", NULL);
	must_label(w, "A", NULL);
	must_label(w, "A", "mei");
	assert_err(label(w, "A", NULL, true, &e), &e, "record.invalid"); /* by whom? */
	assert_ok(records_passed(w->r, "A", &job, &e), &e);
	assert_int_equal(json_opt_int(job, "job", 0), number);
	assert_ok(records_blob(w->r, digest("^XA^XZ"), &zpl, &e), &e);
}

static void test_not_of_what_is_no_more(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	(void)world_pass(w, "B", NULL);
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "A", "reason", "r", "by",
	    "mei");
	refuse_label(w, "A", "mei");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "B", "reason", "r", "by",
	    "mei");
	must_label(w, "B", "mei");
	(void)world_claim(w, "B", NULL);
	refuse_label(w, "B", "mei");
	assert_err(records_passed(w->r, "B", &job, &e), &e, "label.none");
	assert_non_null(strstr(e.message, "since its rework began"));
}

static void assert_unlabelled(struct world *w, int64_t last, const char *want)
{
	AUTO(json_t) *list = NULL;
	AUTO(json_t) *wanted = NULL;
	struct err e = { 0 };

	assert_ok(records_unlabelled(w->r, last, &list, &e), &e);
	assert_ok(json_parse(want, strlen(want), &wanted, ERR_CONFIG, &e), &e);
	if (!json_equal(json_object_get(wanted, "l"), list)) {
		(void)json_dumpf(list, stderr, 0);
		fail_msg("not %s", want);
	}
}

static void test_who_has_none(void **state)
{
	struct world *w = *state;

	world_profile(w);
	assert_unlabelled(w, 1000, "{\"l\":[]}");
	(void)world_pass(w, "BEFORE", NULL);
	assert_unlabelled(w, 1000, "{\"l\":[]}"); /* there was no printer */
	printer(w);
	(void)world_pass(w, "A", NULL);
	(void)world_pass(w, "B\",\"event\":\"label\"",
	    NULL); /* a serial's quotes are no member's */
	world_fail(w, world_claim(w, "C", NULL));
	printer(w);
	(void)world_pass(w, "D", NULL);
	(void)world_pass(w, "E", NULL);
	assert_unlabelled(w, 1000,
	    "{\"l\":[\"E\",\"D\",\"B\\\",\\\"event\\\":\\\"label\\\"\",\"A\"]}");
	must_label(w, "D", NULL);
	must_label(w, "A", "mei");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "E", "reason", "r", "by",
	    "mei");
	assert_unlabelled(w, 1000, "{\"l\":[\"B\\\",\\\"event\\\":\\\"label\\\"\"]}");
	assert_unlabelled(w, 3, "{\"l\":[]}");
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", "rework", "serial", "A", "reason", "r", "by",
	    "mei");
	(void)world_pass(w, "A", NULL); /* another identity, another label */
	assert_unlabelled(w, 1000, "{\"l\":[\"A\",\"B\\\",\\\"event\\\":\\\"label\\\"\"]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_of_what_has_passed_alone),
		world_test(test_not_of_what_is_no_more),
		world_test(test_who_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
