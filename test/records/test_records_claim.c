#include "records_world.h"

#define refuse_claim(w, serial, order, code)                                                       \
	do {                                                                                       \
		struct err claim_e = { 0 };                                                        \
		assert_err(world_try_claim((w), (serial), (order), NULL, &claim_e), &claim_e,      \
		    code);                                                                         \
	} while (0)

static void order(struct world *w, const char *id, int quantity)
{
	must_tell(w, "{s:s, s:s, s:i}", "event", "order", "id", id, "quantity", quantity);
}

static int claim_as(struct world *w, const char *serial, const char *model, const char *profile,
    json_t **ret, struct err *e)
{
	return world_append(w,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "event", "claim", "serial", serial,
		"model", model, "slot", "7", "profile", profile, "firmware", "1.2", "lifecycle",
		""),
	    ret, e);
}

static void test_a_claim_opens_a_job(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };

	world_profile(w);
	assert_ok(claim_as(w, "A", "P1", "#product: pump", &job, &e), &e);
	assert_int_equal(json_opt_int(job, "job", 0), 2);
	assert_member(job, "serial", "A");
	assert_member(job, "model", "P1");
	assert_member(job, "slot", "7");
	assert_member(job, "status", "open");
	assert_member(job, "station", "line-1");
	assert_member(job, "firmware", "1.2");
	assert_member(job, "lifecycle", NULL);
	assert_member(job, "step", NULL);
	assert_false(json_opt_bool(job, "resumed", true));
	assert_false(json_opt_bool(job, "rework", true));
	assert_int_equal(json_opt_int(job, "attempts", -1), 0);
	assert_int_equal(json_object_size(json_object_get(job, "intents")), 0);
}

static void test_a_claim_names_what_is_recorded(void **state)
{
	struct world *w = *state;

	refuse_claim(w, "A", NULL, "profile.unknown");
	world_profile(w);
	refuse_claim(w, "A", "nine", "order.unknown");
	refuse_claim(w, "", NULL, "record.invalid");
}

static void test_an_open_job_is_continued(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };
	int64_t number;

	world_profile(w);
	number = world_claim(w, "A", NULL);
	world_request(w, number, "key A");
	world_intent(w, number, "key A");
	world_park(w, number);
	job = world_job(w, number);
	assert_member(job, "status", "parked");
	assert_member(json_object_get(job, "error"), "code", "link.gone");
	json_decref(job);
	job = NULL;

	assert_ok(claim_as(w, "A", "P1", "#product: pump", &job, &e), &e);
	assert_int_equal(json_opt_int(job, "job", 0), number);
	assert_true(json_opt_bool(job, "resumed", false));
	assert_member(job, "status", "open");
	assert_member(job, "slot", "7");
	assert_member(job, "step", "request");
	assert_member(job, "error", NULL);
	assert_member(job, "csr", digest("csr of key A"));
	assert_member(job, "spki", digest("key A"));
	assert_member(json_object_get(job, "intents"), "keygen", "done");
	assert_member(json_object_get(job, "intents"), "enrol", "open");
	assert_int_equal(json_opt_int(job, "attempts", -1), 1);
}

static void test_an_open_job_keeps_its_profile_and_a_serial_its_model(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_profile(w);
	must_tell(w, "{s:s, s:s, s:s, s:s, s:s}", "event", "profile", "sha256", "#two", "product",
	    "pump", "version", "2", "text", "@two");
	(void)world_claim(w, "A", NULL);
	assert_err(claim_as(w, "A", "P1", "#two", NULL, &e), &e, "claim.profile");
	assert_non_null(strstr(e.message, digest("product: pump")));
	assert_err(claim_as(w, "A", "P2", "#product: pump", NULL, &e), &e, "claim.model");
}

static void test_the_second_station_is_refused_unless_the_job_is_parked(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	AUTO(json_t) *mine = NULL;
	struct err e = { 0 };
	int64_t number;

	world_profile(w);
	number = world_claim(w, "A", NULL);
	world_close(w);
	world_open(w, "line-2");
	refuse_claim(w, "A", NULL, "claim.busy");
	refuse(w, "job.station", "{s:s, s:I, s:{s:s}}", "event", "park", "job", number, "error",
	    "code", "x");
	refuse(w, "scrap.busy", "{s:s, s:s, s:s, s:s}", "event", "scrap", "serial", "A", "reason",
	    "r", "by", "eve");
	world_close(w);
	world_open(w, "line-1");
	world_park(w, number);
	world_close(w);
	world_open(w, "line-2");
	assert_ok(records_open_jobs(w->r, &mine, &e), &e);
	assert_int_equal(json_array_size(mine), 0);
	assert_ok(world_try_claim(w, "A", NULL, &job, &e), &e);
	assert_int_equal(json_opt_int(job, "job", 0), number);
	assert_member(job, "station", "line-2");
	world_request(w, number, "key A");
	world_close(w);
	world_open(w, "line-1");
	refuse_claim(w, "A", NULL, "claim.busy");
}

static void test_open_jobs_are_listed(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *jobs = NULL;
	struct err e = { 0 };
	int64_t parked;

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	(void)world_claim(w, "B", NULL);
	parked = world_claim(w, "C", NULL);
	world_park(w, parked);
	world_fail(w, world_claim(w, "D", NULL));
	assert_ok(records_open_jobs(w->r, &jobs, &e), &e);
	assert_int_equal(json_array_size(jobs), 2);
	assert_member(json_array_get(jobs, 0), "serial", "B");
	assert_member(json_array_get(jobs, 1), "serial", "C");
}

static void test_the_newest_job_of_a_serial_is_found(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	struct err e = { 0 };
	int64_t second;

	world_profile(w);
	assert_ok(records_unit(w->r, "A", &job, &e), &e);
	assert_null(job);
	world_fail(w, world_claim(w, "A", NULL));
	second = world_claim(w, "A", NULL);
	assert_ok(records_unit(w->r, "A", &job, &e), &e);
	assert_int_equal(json_opt_int(job, "job", 0), second);
}

static void test_a_failed_unit_may_try_again_a_passed_one_not(void **state)
{
	struct world *w = *state;

	world_profile(w);
	world_fail(w, world_claim(w, "A", NULL));
	(void)world_pass(w, "A", NULL);
	refuse_claim(w, "A", NULL, "claim.passed");
}

static void decide(struct world *w, const char *what, const char *serial)
{
	must_tell(w, "{s:s, s:s, s:s, s:s}", "event", what, "serial", serial, "reason", "new board",
	    "by", "mei");
}

static void refuse_decision(struct world *w, const char *what, const char *serial, const char *code)
{
	refuse(w, code, "{s:s, s:s, s:s, s:s}", "event", what, "serial", serial, "reason", "r",
	    "by", "mei");
}

static void test_rework_allows_one_more_claim(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	AUTO(json_t) *orphans = NULL;
	struct err e = { 0 };
	int64_t first, second;

	world_profile(w);
	refuse_decision(w, "rework", "A", "unit.unknown");
	world_fail(w, world_claim(w, "A", NULL));
	refuse_decision(w, "rework", "A", "rework.passed");
	first = world_pass(w, "A", NULL);
	decide(w, "rework", "A");
	refuse_decision(w, "rework", "A", "rework.again");
	assert_ok(world_try_claim(w, "A", NULL, &job, &e), &e);
	assert_true(json_opt_bool(job, "rework", false));
	refuse_decision(w, "rework", "A", "rework.again");
	world_fail(w, json_opt_int(job, "job", 0));
	refuse_claim(w, "A", NULL, "claim.passed"); /* it was allowed once */
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 0); /* the first identity still stands */
	json_decref(orphans);

	decide(w, "rework", "A");
	second = world_pass(w, "A", NULL);
	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 1);
	assert_int_equal(json_opt_int(json_array_get(orphans, 0), "job", 0), first);
	assert_non_null(
	    strstr(json_opt_str(json_array_get(orphans, 0), "reason", ""), "superseded by job"));
	assert_true(second > first);
	refuse_claim(w, "A", NULL, "claim.passed");
}

/* The same key may carry the new certificate. */
static void test_rework_with_the_same_key(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key");
	world_intent(w, job, "key");
	world_issue(w, job, "key", "first");
	world_finish(w, job, "first");
	decide(w, "rework", "A");
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key");
	world_intent(w, job, "key");
	world_issue(w, job, "key", "second");
	world_finish(w, job, "second");
}

static void test_scrap_ends_everything(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *orphans = NULL;
	AUTO(json_t) *job = NULL;
	int64_t parked;

	world_profile(w);
	refuse_decision(w, "scrap", "A", "unit.unknown");
	(void)world_pass(w, "A", NULL);
	decide(w, "scrap", "A");
	refuse_claim(w, "A", NULL, "claim.scrapped");
	refuse_decision(w, "scrap", "A", "unit.scrapped");
	refuse_decision(w, "rework", "A", "unit.scrapped");

	parked = world_claim(w, "B", NULL);
	world_request(w, parked, "key B");
	world_intent(w, parked, "key B");
	world_park(w, parked);
	decide(w, "scrap", "B");
	job = world_job(w, parked);
	assert_member(job, "status", "failed");
	assert_member(json_object_get(job, "error"), "code", "unit.scrapped");
	refuse(w, "job.ended", "{s:s, s:I, s:s}", "event", "attesting", "job", parked, "x", "y");

	orphans = world_orphans(w);
	assert_int_equal(json_array_size(orphans), 2);
	assert_non_null(
	    strstr(json_opt_str(json_array_get(orphans, 0), "reason", ""), "scrapped: new board"));
	assert_member(json_array_get(orphans, 1), "certificate", NULL);
}

static void test_an_order_is_recorded_once(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *found = NULL;
	struct err e = { 0 };

	order(w, "nine", 2);
	order(w, "nine", 2);
	refuse(w, "order.changed", "{s:s, s:s, s:i}", "event", "order", "id", "nine", "quantity",
	    3);
	refuse(w, "order.quantity", "{s:s, s:s, s:i}", "event", "order", "id", "ten", "quantity",
	    0);
	assert_order(w, "nine", 0, 0, 0);
	assert_err(records_order(w->r, "ten", &found, &e), &e, "order.unknown");
}

static int64_t ordinal_of(struct world *w, int64_t number)
{
	AUTO(json_t) *job = world_job(w, number);

	return json_opt_int(job, "ordinal", 0);
}

static void test_I6_claims_reserve_and_never_exceed_the_order(void **state)
{
	struct world *w = *state;
	int64_t a, b;

	world_profile(w);
	order(w, "nine", 2);
	a = world_claim(w, "A", "nine");
	b = world_claim(w, "B", "nine");
	assert_order(w, "nine", 0, 0, 2);
	refuse_claim(w, "C", "nine", "claim.quota");
	(void)world_claim(w, "A", "nine"); /* continued: no second place */
	assert_order(w, "nine", 0, 0, 2);
	assert_int_equal(ordinal_of(w, a), 1);
	assert_int_equal(ordinal_of(w, b), 2);

	/* Nothing was asked of the CA: the place and its ordinal are free again. */
	world_fail(w, a);
	assert_order(w, "nine", 0, 0, 1);
	a = world_pass(w, "C", "nine");
	assert_int_equal(ordinal_of(w, a), 1);
	assert_order(w, "nine", 1, 0, 1);
	refuse_claim(w, "D", "nine", "claim.quota");
}

static void test_I6_what_may_exist_keeps_its_place(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	order(w, "nine", 3);
	/* issued, then failed */
	job = world_claim(w, "A", "nine");
	world_request(w, job, "key A");
	world_intent(w, job, "key A");
	world_issue(w, job, "key A", "cert A");
	world_fail(w, job);
	assert_order(w, "nine", 0, 1, 0);
	/* asked, no answer, failed */
	job = world_claim(w, "A", "nine");
	world_request(w, job, "key A2");
	world_intent(w, job, "key A2");
	world_fail(w, job);
	assert_order(w, "nine", 0, 2, 0);
	/* asked and not sent: nothing exists */
	job = world_claim(w, "A", "nine");
	world_request(w, job, "key A3");
	world_intent(w, job, "key A3");
	world_answer(w, job, "not-sent");
	world_fail(w, job);
	assert_order(w, "nine", 0, 2, 0);
	job = world_pass(w, "A", "nine");
	assert_int_equal(ordinal_of(w, job), 3);
	assert_order(w, "nine", 1, 2, 0);
	refuse_claim(w, "B", "nine", "claim.quota");
}

static void test_I6_a_repeated_request_needs_a_place_of_its_own(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t a, b;

	world_profile(w);
	order(w, "nine", 3);
	a = world_claim(w, "A", "nine");
	world_request(w, a, "key A");
	world_intent(w, a, "key A");
	world_answer(w, a, "possibly-issued");
	world_intent(w, a, "key A");
	assert_order(w, "nine", 0, 0, 2);
	world_issue(w, a, "key A", "cert A"); /* the first attempt is listed */
	assert_order(w, "nine", 0, 1, 1);
	world_finish(w, a, "cert A");
	assert_order(w, "nine", 1, 1, 0);

	b = world_claim(w, "B", "nine");
	world_request(w, b, "key B");
	world_intent(w, b, "key B");
	world_answer(w, b, "possibly-issued");
	assert_err(world_try_intent(w, b, "key B", &e), &e, "claim.quota");
	world_fail(w, b);
	assert_order(w, "nine", 1, 2, 0);
}

static void test_I6_pending_is_one_request_however_often_asked(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	order(w, "nine", 1);
	job = world_claim(w, "A", "nine");
	world_request(w, job, "key A");
	for (int i = 0; i < 5; i++) {
		world_intent(w, job, "key A");
		world_answer(w, job, i == 2 ? "not-sent" : "pending");
	}
	world_intent(w, job, "key A");
	world_issue(w, job, "key A", "cert A");
	world_finish(w, job, "cert A");
	assert_order(w, "nine", 1, 0, 0);
}

static void test_I6_a_replaced_certificate_keeps_its_place(void **state)
{
	struct world *w = *state;

	world_profile(w);
	order(w, "nine", 3);
	(void)world_pass(w, "A", "nine");
	decide(w, "rework", "A");
	(void)world_pass(w, "A", "nine");
	assert_order(w, "nine", 1, 1, 0);
	decide(w, "scrap", "A");
	assert_order(w, "nine", 0, 2, 0);
	(void)world_pass(w, "B", "nine");
	refuse_claim(w, "C", "nine", "claim.quota");
}

/* A CA that makes two for one request: the truth is recorded, and counts against the order. */
static void test_I6_certificates_that_nobody_asked_for_count(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	order(w, "nine", 2);
	job = world_claim(w, "A", "nine");
	world_request(w, job, "key A");
	world_intent(w, job, "key A");
	for (int i = 0; i < 3; i++) {
		char certificate[16];

		(void)snprintf(certificate, sizeof(certificate), "@twin %d", i);
		must_tell(w, "{s:s, s:I, s:s, s:s, s:s}", "event", "orphan", "job", job,
		    "certificate", certificate, "number", "77", "reason", "two answers");
	}
	world_fail(w, job);
	assert_order(w, "nine", 0, 3, 0);
	refuse_claim(w, "B", "nine", "claim.quota");
}

/* One more than asked for, while the right one goes its way. */
static void test_I6_a_second_answer_takes_no_place_from_the_first(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	order(w, "nine", 2);
	job = world_claim(w, "A", "nine");
	world_request(w, job, "key A");
	world_intent(w, job, "key A");
	world_issue(w, job, "key A", "cert A");
	must_tell(w, "{s:s, s:I, s:s, s:s}", "event", "orphan", "job", job, "certificate", "@twin",
	    "reason", "two answers");
	assert_order(w, "nine", 0, 1, 1);
	world_finish(w, job, "cert A");
	assert_order(w, "nine", 1, 1, 0);
	refuse_claim(w, "B", "nine", "claim.quota");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_a_claim_opens_a_job),
		world_test(test_a_claim_names_what_is_recorded),
		world_test(test_an_open_job_is_continued),
		world_test(test_an_open_job_keeps_its_profile_and_a_serial_its_model),
		world_test(test_the_second_station_is_refused_unless_the_job_is_parked),
		world_test(test_open_jobs_are_listed),
		world_test(test_the_newest_job_of_a_serial_is_found),
		world_test(test_a_failed_unit_may_try_again_a_passed_one_not),
		world_test(test_rework_allows_one_more_claim),
		world_test(test_rework_with_the_same_key),
		world_test(test_scrap_ends_everything),
		world_test(test_an_order_is_recorded_once),
		world_test(test_I6_claims_reserve_and_never_exceed_the_order),
		world_test(test_I6_what_may_exist_keeps_its_place),
		world_test(test_I6_a_repeated_request_needs_a_place_of_its_own),
		world_test(test_I6_pending_is_one_request_however_often_asked),
		world_test(test_I6_a_replaced_certificate_keeps_its_place),
		world_test(test_I6_certificates_that_nobody_asked_for_count),
		world_test(test_I6_a_second_answer_takes_no_place_from_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
