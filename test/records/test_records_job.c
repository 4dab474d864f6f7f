#include "records_world.h"

static int64_t begin(struct world *w, const char *serial, const char *key)
{
	int64_t job;

	world_profile(w);
	job = world_claim(w, serial, NULL);
	world_request(w, job, key);
	return job;
}

static void test_a_passed_job_says_all_of_it(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	char certificate[64];
	int64_t number;

	world_profile(w);
	number = world_pass(w, "A", NULL);
	(void)snprintf(certificate, sizeof(certificate), "cert of A %lld", (long long)number);
	job = world_job(w, number);
	assert_member(job, "status", "passed");
	assert_member(job, "step", "attest");
	assert_member(job, "certificate", digest(certificate));
	assert_member(job, "readback", digest(certificate));
	assert_member(job, "chain", digest("chain"));
	assert_member(job, "statement", digest("statement"));
	assert_member(job, "cms", digest("cms"));
	assert_member(job, "jws", digest("jws"));
	assert_non_null(json_object_get(job, "ended_at"));
	assert_member(job, "error", NULL);
	assert_member(json_object_get(job, "intents"), "enrol", "done");
}

static void refuse_end(struct world *w, int64_t job)
{
	refuse(w, "end.incomplete", "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome",
	    "passed");
}

/* The records refuse a PASS that lacks any of what it stands for (I3, I5). */
static void test_I5_no_pass_without_everything_before_it(void **state)
{
	struct world *w = *state;
	int64_t job = begin(w, "A", "key");

	refuse_end(w, job);
	world_intent(w, job, "key");
	refuse_end(w, job);
	world_issue(w, job, "key", "cert");
	refuse_end(w, job);
	refuse(w, "step.order", "{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "prove", "nonce", "#n", "scheme", "test", "preimage", "@p", "signature", "@s");
	world_readback(w, job, "cert");
	refuse_end(w, job);
	refuse(w, "step.order", "{s:s, s:I, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "attest", "statement", "@s", "cms", "@c", "jws", "@j");
	world_prove(w, job);
	refuse_end(w, job);
	world_attest(w, job);
	must_tell(w, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "passed");
}

/* What was proved before the unit was unplugged says nothing of what is plugged in now. */
static void test_I3_a_new_attachment_proves_again(void **state)
{
	struct world *w = *state;
	int64_t job = begin(w, "A", "key");
	AUTO(json_t) *resumed = NULL;

	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_readback(w, job, "cert");
	world_prove(w, job);
	world_attest(w, job);
	world_park(w, job);
	refuse_end(w, job);
	assert_int_equal(world_claim(w, "A", NULL), job);
	resumed = world_job(w, job);
	refuse(w, "step.order", "{s:s, s:I, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "attest", "statement", "@s", "cms", "@c", "jws", "@j");
	refuse(w, "step.order", "{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "prove", "nonce", "#n", "scheme", "test", "preimage", "@p", "signature", "@s");
	assert_member(resumed, "step", "attest"); /* the furthest */
	assert_member(resumed, "statement", NULL);
	refuse_end(w, job);
	world_readback(w, job, "cert");
	refuse_end(w, job);
	world_prove(w, job);
	refuse_end(w, job);
	world_attest(w, job);
	must_tell(w, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "passed");
}

static void test_I3_a_sealed_device_proves_again(void **state)
{
	struct world *w = *state;
	int64_t job = begin(w, "A", "key");

	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_readback(w, job, "cert");
	world_prove(w, job);
	must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "seal");
	must_tell(w, "{s:s, s:I, s:s, s:i}", "event", "step", "job", job, "step", "seal", "ms", 1);
	refuse(w, "step.order", "{s:s, s:I, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "attest", "statement", "@s", "cms", "@c", "jws", "@j");
	world_prove(w, job);
	world_attest(w, job);
	must_tell(w, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "passed");
}

static void test_no_pass_while_an_intent_is_unanswered(void **state)
{
	struct world *w = *state;
	int64_t job = begin(w, "A", "key");

	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_readback(w, job, "cert");
	world_prove(w, job);
	world_attest(w, job);
	must_tell(w, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "seal");
	refuse_end(w, job);
	must_tell(w, "{s:s, s:I, s:s, s:s}", "event", "answer", "job", job, "kind", "seal", "state",
	    "not-sent");
	must_tell(w, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "passed");
}

static void test_I3_a_nonce_serves_once(void **state)
{
	struct world *w = *state;
	int64_t job = begin(w, "A", "key");

	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	world_readback(w, job, "cert");
	world_prove(w, job);
	w->counter--;
	refuse(w, "prove.nonce", "{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "prove", "nonce",
	    "0000000000000000000000000000000000000000000000000000000000000001", "scheme", "test",
	    "preimage", "@p", "signature", "@s");
}

static void test_read_back_must_be_the_jobs_certificate(void **state)
{
	struct world *w = *state;
	int64_t job = begin(w, "A", "key");

	refuse(w, "readback.certificate", "{s:s, s:I, s:s, s:s}", "event", "step", "job", job,
	    "step", "readback", "certificate", "#cert");
	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
	refuse(w, "readback.certificate", "{s:s, s:I, s:s, s:s}", "event", "step", "job", job,
	    "step", "readback", "certificate", "#other");
}

static void test_I9_one_key_never_under_two_serials(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job;

	world_fail(w, begin(w, "A", "key"));
	job = world_claim(w, "B", NULL);
	assert_err(world_try_request(w, job, "key", &e), &e, "key.duplicate");
	assert_int_equal(e.domain, ERR_DEVICE);
	world_fail(w, job);
	/* The same unit may come again with its key. */
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key");
}

static void test_I1_one_delivered_certificate_per_key_and_profile(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job = begin(w, "A", "key");

	assert_err(world_try_issue(w, job, "key", "cert", &e), &e, "enrol.unasked");
	world_intent(w, job, "key");
	assert_err(world_try_issue(w, job, "other key", "cert", &e), &e, "certificate.key");
	world_issue(w, job, "key", "cert");
	assert_err(world_try_issue(w, job, "key", "cert", &e), &e, "certificate.duplicate");
	assert_err(world_try_issue(w, job, "key", "cert 2", &e), &e, "certificate.duplicate");
	assert_err(world_try_intent(w, job, "key", &e), &e, "intent.issued");
	world_finish(w, job, "cert");
	/* A second one for the same key needs a claim, and that a rework. */
	assert_err(world_try_claim(w, "A", NULL, NULL, &e), &e, "claim.passed");
}

static void test_a_ca_that_repeats_itself_is_refused(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job;

	world_profile(w);
	job = world_claim(w, "A", NULL);
	world_request(w, job, "key A");
	world_intent(w, job, "key A");
	world_issue(w, job, "key A", "cert");
	job = world_claim(w, "B", NULL);
	world_request(w, job, "key B");
	world_intent(w, job, "key B");
	assert_err(world_try_issue(w, job, "key B", "cert", &e), &e, "certificate.duplicate");
	assert_int_equal(e.domain, ERR_CERT);
	assert_int_equal(e.scope, SCOPE_UNIT);
	/* Other bytes, the same number of the same issuer. */
	assert_err(tell(w, &e, "{s:s, s:I, s:s, s:s, s:s, s:s, s:s}", "event", "step", "job", job,
		       "step", "enrol", "certificate", "@other bytes", "number", "cert", "issuer",
		       "CN=ca", "spki", "#key B"),
	    &e, "certificate.duplicate");
}

static void test_only_the_judged_csr_is_sent(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job = begin(w, "A", "key");

	assert_err(world_try_intent(w, job, "other key", &e), &e, "intent.csr");
	assert_err(tell(w, &e, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "enrol"),
	    &e, "record.invalid");
	world_request(w, job, "second key"); /* nothing was sent: the device may make another */
	world_intent(w, job, "second key");
	assert_err(world_try_request(w, job, "third key", &e), &e, "csr.changed");
	world_answer(w, job, "possibly-issued");
	assert_err(world_try_request(w, job, "third key", &e), &e, "csr.changed");
}

static void test_intents_and_answers_go_in_turn(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job = begin(w, "A", "key");
	AUTO(json_t) *read = NULL;

	assert_err(tell(w, &e, "{s:s, s:I, s:s, s:s}", "event", "answer", "job", job, "kind",
		       "enrol", "state", "done"),
	    &e, "answer.unasked");
	assert_err(tell(w, &e, "{s:s, s:I, s:s}", "event", "intent", "job", job, "kind", "nap"), &e,
	    "record.invalid");
	assert_err(tell(w, &e, "{s:s, s:I, s:s, s:s, s:i}", "event", "intent", "job", job, "kind",
		       "enrol", "csr", "#csr of key", "attempt", 2),
	    &e, "intent.attempt");
	world_intent(w, job, "key");
	assert_err(tell(w, &e, "{s:s, s:I, s:s, s:s}", "event", "answer", "job", job, "kind",
		       "enrol", "state", "perhaps"),
	    &e, "record.invalid");
	must_tell(w, "{s:s, s:I, s:s, s:s, s:I}", "event", "answer", "job", job, "kind", "enrol",
	    "state", "pending", "retry_at", (json_int_t)1700000000000);
	read = world_job(w, job);
	assert_member(json_object_get(read, "intents"), "enrol", "pending");
	assert_true(json_opt_int(read, "retry_at", 0) == 1700000000000);
	json_decref(read);
	world_intent(w, job, "key");
	world_answer(w, job, "rejected");
	assert_err(tell(w, &e, "{s:s, s:I, s:s, s:s}", "event", "answer", "job", job, "kind",
		       "enrol", "state", "done"),
	    &e, "answer.unasked");
	read = world_job(w, job);
	assert_int_equal(json_opt_int(read, "attempts", 0), 2);
	assert_member(read, "retry_at", NULL);
}

/* A certificate that nobody waits for is no certificate of this job: it can only be an orphan. */
static void test_I2_a_certificate_is_taken_only_for_an_intent(void **state)
{
	static const char *const answers[] = { "rejected", "not-sent", "possibly-issued" };
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job = begin(w, "A", "key");

	assert_err(world_try_issue(w, job, "key", "cert", &e), &e, "enrol.unasked");
	for (size_t i = 0; i < COUNT(answers); i++) {
		world_intent(w, job, "key");
		world_answer(w, job, answers[i]);
		assert_err(world_try_issue(w, job, "key", "cert", &e), &e, "enrol.unasked");
	}
	world_intent(w, job, "key");
	world_issue(w, job, "key", "cert");
}

/* A restart finds the intent of an interrupted keygen and goes on with it. */
static void test_an_interrupted_keygen_is_continued(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *job = NULL;
	int64_t number;

	world_profile(w);
	number = world_claim(w, "A", NULL);
	must_tell(w, "{s:s, s:I, s:s, s:i}", "event", "intent", "job", number, "kind", "keygen",
	    "attempt", 1);
	must_tell(w, "{s:s, s:I, s:s, s:i}", "event", "intent", "job", number, "kind", "keygen",
	    "attempt", 1);
	must_tell(w, "{s:s, s:I, s:s, s:i}", "event", "step", "job", number, "step", "keygen", "ms",
	    1);
	job = world_job(w, number);
	assert_member(json_object_get(job, "intents"), "keygen", "done");
}

static void test_what_has_ended_stays_ended(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	int64_t job = begin(w, "A", "key");

	assert_err(tell(w, &e, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "done"),
	    &e, "record.invalid");
	assert_err(tell(w, &e, "{s:s, s:I, s:s}", "event", "end", "job", job, "outcome", "failed"),
	    &e, "record.invalid"); /* without an error */
	assert_err(tell(w, &e, "{s:s, s:I, s:s}", "event", "step", "job", job, "step", "dance"), &e,
	    "record.invalid");
	world_fail(w, job);
	assert_err(world_try_fail(w, job, "again", &e), &e, "job.ended");
	assert_err(world_try_intent(w, job, "key", &e), &e, "job.ended");
	assert_err(tell(w, &e, "{s:s, s:I}", "event", "attesting", "job", job), &e, "job.ended");
}

static void test_a_step_names_blobs_that_are_there(void **state)
{
	struct world *w = *state;
	int64_t job;

	world_profile(w);
	job = world_claim(w, "A", NULL);
	refuse(w, "record.constraint", "{s:s, s:I, s:s, s:s, s:s}", "event", "step", "job", job,
	    "step", "request", "csr", "#never stored", "spki", "#key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_a_passed_job_says_all_of_it),
		world_test(test_I5_no_pass_without_everything_before_it),
		world_test(test_I3_a_new_attachment_proves_again),
		world_test(test_I3_a_sealed_device_proves_again),
		world_test(test_no_pass_while_an_intent_is_unanswered),
		world_test(test_I3_a_nonce_serves_once),
		world_test(test_read_back_must_be_the_jobs_certificate),
		world_test(test_I9_one_key_never_under_two_serials),
		world_test(test_I1_one_delivered_certificate_per_key_and_profile),
		world_test(test_a_ca_that_repeats_itself_is_refused),
		world_test(test_only_the_judged_csr_is_sent),
		world_test(test_intents_and_answers_go_in_turn),
		world_test(test_I2_a_certificate_is_taken_only_for_an_intent),
		world_test(test_an_interrupted_keygen_is_continued),
		world_test(test_what_has_ended_stays_ended),
		world_test(test_a_step_names_blobs_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
