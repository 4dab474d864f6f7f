/* Evidence of a key's origin on its way through a job: asked for, judged, kept, resumed, said. */
#include "origin_world.h"

#include "job_end.h"

static const char *said(struct origin_world *w, const char *claim)
{
	return json_opt_str(json_object_get(world_ask_statement(w), "key"), claim, "");
}

static bool has_blob(const struct record *r, const char *member, const struct buf *bytes)
{
	for (size_t i = 0; i < r->blob_count; i++)
		if (strcmp(r->blobs[i].member, member) == 0)
			return buf_equal(&r->blobs[i].bytes, bytes);
	return false;
}

static void test_good_evidence_is_kept_and_said(void **state)
{
	struct origin_world *w = *state;
	struct record r = { 0 };
	struct err e = { 0 };

	assert_int_equal(world_judge_request(w, judge_request, &r, &e), VERDICT_DONE);
	assert_string_equal(json_opt_str(r.body, "origin_evidence", ""), ORIGIN_SCHEME);
	assert_true(has_blob(&r, "origin", &w->evidence));
	assert_true(has_blob(&r, "csr", &w->csr));
	world_append(w, &r);
	record_free(&r);
	world_enrol(w);
	world_install(w);
	world_prove(w);
	assert_string_equal(said(w, "origin_evidence"), ORIGIN_SCHEME);
	assert_string_equal(said(w, "origin"), "on-chip");
}

static void refused(struct origin_world *w, const char *code)
{
	struct record r = { 0 };
	struct err e = { 0 };

	assert_int_equal(world_judge_request(w, judge_request, &r, &e), VERDICT_FAIL);
	assert_string_equal(e.code, code);
	assert_int_equal(e.domain, ERR_DEVICE);
	assert_int_equal(w->job.csr.len, 0);
	assert_string_equal(w->job.spki, "");
	assert_string_equal(w->job.origin, "");
	record_free(&r);
}

/* Before its CSR is accepted. */
static void test_a_key_without_it_is_not_taken(void **state)
{
	struct origin_world *w = *state;
	AUTO(EVP_PKEY) *outside = pki_key("P-256");
	struct err e = { 0 };

	world_attest_key(w, WORLD_SERIAL, outside);
	refused(w, "origin.key");
	world_attest_key(w, "SN0002", w->key);
	refused(w, "origin.serial");
	w->evidence.len--;
	refused(w, "origin.malformed");
	buf_clear(&w->evidence);
	refused(w, "origin.missing");
	assert_ok(x509_add_der(w->leaf, &w->evidence, &e), &e);
	refused(w, "origin.chain");
}

static void test_evidence_is_bounded(void **state)
{
	static const uint8_t many[JOB_ORIGIN_MAX + 1];
	struct origin_world *w = *state;
	struct err e = { 0 };

	assert_ok(buf_set(&w->evidence, many, sizeof(many), &e), &e);
	refused(w, "origin.malformed");
	w->no_bytes = true;
	refused(w, "base64");
}

/* Nobody asked for it: no unit fails by it. */
static void test_evidence_that_can_not_be_kept(void **state)
{
	static const uint8_t many[JOB_ORIGIN_MAX + 1];
	struct origin_world *w = *state;
	struct err e = { 0 };

	assert_ok(buf_set(&w->evidence, many, sizeof(many), &e), &e);
	for (int i = 0; i < 2; i++) {
		struct record r = { 0 };

		w->no_bytes = i == 1;
		assert_int_equal(world_judge_request(w, judge_request, &r, &e), VERDICT_DONE);
		assert_null(json_object_get(r.body, "origin"));
		assert_int_equal(r.blob_count, 1);
		record_free(&r);
	}
}

/* Kept, so that it can be judged one day; nothing is said of it. */
static void test_evidence_that_nobody_asked_for(void **state)
{
	struct origin_world *w = *state;
	struct record r = { 0 };
	struct err e = { 0 };

	assert_ok(buf_set(&w->evidence, "junk", 4, &e), &e);
	assert_int_equal(world_judge_request(w, judge_request, &r, &e), VERDICT_DONE);
	assert_null(json_object_get(r.body, "origin_evidence"));
	assert_true(has_blob(&r, "origin", &w->evidence));
	world_append(w, &r);
	record_free(&r);
	world_enrol(w);
	world_install(w);
	world_prove(w);
	assert_string_equal(said(w, "origin_evidence"), "tool-asserted");
}

static void test_none_is_kept_where_none_came(void **state)
{
	struct origin_world *w = *state;
	struct record r = { 0 };
	struct err e = { 0 };

	buf_clear(&w->evidence);
	assert_int_equal(world_judge_request(w, judge_request, &r, &e), VERDICT_DONE);
	assert_null(json_object_get(r.body, "origin"));
	assert_int_equal(r.blob_count, 1);
	record_free(&r);
}

/* The station died; the unit comes back days later, its CSR is not asked for again. */
static void test_a_resumed_job_says_the_same(void **state)
{
	struct origin_world *w = *state;
	struct record r = { 0 };
	struct err e = { 0 };

	world_claim(w);
	assert_string_equal(w->job.origin, "");
	world_request(w);
	world_claim(w);
	assert_true(w->job.csr.len > 0);
	assert_string_equal(w->job.origin, ORIGIN_SCHEME);
	/* Which key it holds is asked of it; that brings no other evidence. */
	buf_clear(&w->evidence);
	assert_int_equal(world_judge_request(w, judge_which_key, &r, &e), VERDICT_DONE);
	assert_null(r.body);
	assert_string_equal(w->job.origin, ORIGIN_SCHEME);
	world_enrol(w);
	world_install(w);
	world_claim(w);
	assert_string_equal(w->job.origin, ORIGIN_SCHEME);
}

static void test_a_job_that_begins_anew_knows_nothing(void **state)
{
	struct origin_world *w = *state;

	world_request(w);
	assert_string_equal(w->job.origin, ORIGIN_SCHEME);
	job_end_begin_anew(&w->job);
	assert_string_equal(w->job.origin, "");
}

/* Also not where nothing was recorded for the next. */
static void test_an_ended_job_says_nothing_of_the_next(void **state)
{
	struct origin_world *w = *state;
	char spki[2 * SHA256_LEN + 1];
	json_t *request;
	struct err e = { 0 };

	world_request(w);
	memcpy(spki, w->job.spki, sizeof(spki));
	world_tell(w,
	    json_pack("{s:s, s:I, s:s, s:{s:s, s:s, s:s}}", "event", "end", "job",
		(json_int_t)w->job.number, "outcome", "failed", "error", "domain", "device", "code",
		"key.lost", "message", "it lost its key"),
	    NULL, NULL);
	world_claim(w);
	assert_int_equal(w->job.csr.len, 0);
	assert_string_equal(w->job.origin, "");
	world_keygen(w);
	request = world_step(w, "request");
	assert_ok(json_set_str(request, "spki", spki, &e), &e);
	world_tell(w, request, "csr", &w->csr);
	world_claim(w);
	assert_true(w->job.csr.len > 0);
	assert_string_equal(w->job.origin, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ASKS(f)         cmocka_unit_test_setup_teardown(f, world_asks, world_close)
#define DOES_NOT_ASK(f) cmocka_unit_test_setup_teardown(f, world_does_not_ask, world_close)
		ASKS(test_good_evidence_is_kept_and_said),
		ASKS(test_a_key_without_it_is_not_taken),
		ASKS(test_evidence_is_bounded),
		DOES_NOT_ASK(test_evidence_that_nobody_asked_for),
		DOES_NOT_ASK(test_evidence_that_can_not_be_kept),
		DOES_NOT_ASK(test_none_is_kept_where_none_came),
		ASKS(test_a_resumed_job_says_the_same),
		ASKS(test_a_job_that_begins_anew_knows_nothing),
		ASKS(test_an_ended_job_says_nothing_of_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
