/* kiln verify judges the chips' evidence again, by the roots of then, at the time of then. */
#include "origin_world.h"

static int counted(const json_t *counts)
{
	return (int)json_opt_int(counts, "checked_origins", -1);
}

static void test_evidence_is_judged_again(void **state)
{
	struct origin_world *w = *state;
	AUTO(json_t) *counts = NULL;
	struct err e = { 0 };

	world_request(w);
	world_finish(w, NULL);
	assert_ok(world_verify(w, &counts, &e), &e);
	assert_int_equal(counted(counts), 1);
	assert_int_equal(json_opt_int(counts, "checked_attestations", 0), 1);
}

static void test_nothing_is_judged_where_nothing_was_asked(void **state)
{
	struct origin_world *w = *state;
	AUTO(json_t) *counts = NULL;
	struct err e = { 0 };

	world_request(w);
	world_finish(w, NULL);
	assert_ok(world_verify(w, &counts, &e), &e);
	assert_int_equal(counted(counts), 0);
}

static void violated(struct origin_world *w, const char *code)
{
	AUTO(json_t) *counts = NULL;
	struct err e = { 0 };

	assert_err(world_verify(w, &counts, &e), &e, code);
}

static void test_a_statement_that_claims_too_much(void **state)
{
	struct origin_world *w = *state;

	world_request(w);
	world_finish(w, ORIGIN_SCHEME);
	violated(w, "verify.statement");
}

static void test_a_statement_that_claims_too_little(void **state)
{
	struct origin_world *w = *state;

	world_request(w);
	world_finish(w, "tool-asserted");
	violated(w, "verify.statement");
}

static void test_a_statement_that_claims_another(void **state)
{
	struct origin_world *w = *state;

	world_request(w);
	world_finish(w, "piv-attestation");
	violated(w, "verify.statement");
}

/* A request as a station records it that does not judge. */
static void record_request(struct origin_world *w, const char *at, const char *scheme)
{
	struct record r = { .body = world_step(w, "request") };
	AUTO_STRUCT(buf) csr = { 0 }, evidence = { 0 };
	uint8_t spki[SHA256_LEN];
	struct err e = { 0 };

	assert_ok(x509_spki_digest(w->key, spki, &e), &e);
	hex_encode(spki, sizeof(spki), w->job.spki);
	assert_ok(json_set_str(r.body, "spki", w->job.spki, &e), &e);
	assert_ok(json_set_str(r.body, "origin_evidence", scheme, &e), &e);
	assert_ok(json_set_str(r.body, "at", at, &e), &e);
	assert_ok(buf_set(&csr, w->csr.data, w->csr.len, &e), &e);
	assert_ok(buf_set(&w->job.csr, w->csr.data, w->csr.len, &e), &e);
	assert_ok(buf_set(&evidence, w->evidence.data, w->evidence.len, &e), &e);
	assert_ok(record_add_blob(&r, "csr", &csr, &e), &e);
	if (evidence.len > 0)
		assert_ok(record_add_blob(&r, "origin", &evidence, &e), &e);
	world_append(w, &r);
	record_free(&r);
	memcpy(w->job.origin, ORIGIN_SCHEME, sizeof(ORIGIN_SCHEME));
	world_finish(w, NULL);
}

static void test_evidence_that_is_not_there(void **state)
{
	struct origin_world *w = *state;

	buf_clear(&w->evidence);
	record_request(w, NULL, ORIGIN_SCHEME);
	violated(w, "origin.missing");
}

static void test_evidence_of_another_key(void **state)
{
	struct origin_world *w = *state;
	AUTO(EVP_PKEY) *outside = pki_key("P-256");

	world_attest_key(w, WORLD_SERIAL, outside);
	record_request(w, NULL, ORIGIN_SCHEME);
	violated(w, "origin.key");
}

static void test_evidence_of_another_unit(void **state)
{
	struct origin_world *w = *state;

	world_attest_key(w, "SN0002", w->key);
	record_request(w, NULL, ORIGIN_SCHEME);
	violated(w, "origin.serial");
}

static void test_evidence_of_another_maker(void **state)
{
	struct origin_world *w = *state;
	X509 *chip = w->chip;
	EVP_PKEY *key = w->chip_key;

	w->chip_key = pki_key("P-256");
	w->chip = world_cert(&(struct pki_spec){ .name = "chip", .key = w->chip_key });
	world_attest_key(w, WORLD_SERIAL, w->key);
	record_request(w, NULL, ORIGIN_SCHEME);
	violated(w, "origin.chain");
	X509_free(chip);
	EVP_PKEY_free(key);
}

/* It is good today; when it was taken it was not valid yet. */
static void test_evidence_is_judged_at_its_time(void **state)
{
	record_request(*state, "2019-01-01T00:00:00.000Z", ORIGIN_SCHEME);
	violated(*state, "origin.chain");
}

/* The state and the statement agree, and the event calls it something else. */
static void test_evidence_that_was_recorded_as_another(void **state)
{
	record_request(*state, NULL, "piv-attestation");
	violated(*state, "verify.state");
}

static void test_evidence_that_was_recorded_as_none(void **state)
{
	record_request(*state, NULL, NULL);
	violated(*state, "verify.state");
}

static void test_a_claim_without_roots(void **state)
{
	record_request(*state, NULL, ORIGIN_SCHEME);
	violated(*state, "verify.state");
}

/* Either way: a key that was made is no unknown one, and one that was found is not said to be made. */
static void test_an_origin_that_is_not_so(void **state)
{
	struct origin_world *w = *state;

	world_request(w);
	w->says_origin = w->job.made_key ? "unknown" : "on-chip";
	world_finish(w, NULL);
	violated(w, "verify.statement");
}

static void test_a_key_that_nobody_commanded_is_of_unknown_origin(void **state)
{
	struct origin_world *w = *state;

	world_request(w);
	w->job.made_key = false;
	world_finish(w, NULL);
	assert_string_equal(json_opt_str(json_object_get(w->job.statement, "key"), "origin", ""),
	    "unknown");
	violated(w, "verify.statement"); /* this one was */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ASKS(f)         cmocka_unit_test_setup_teardown(f, world_asks, world_close)
#define DOES_NOT_ASK(f) cmocka_unit_test_setup_teardown(f, world_does_not_ask, world_close)
		ASKS(test_evidence_is_judged_again),
		DOES_NOT_ASK(test_nothing_is_judged_where_nothing_was_asked),
		DOES_NOT_ASK(test_a_statement_that_claims_too_much),
		ASKS(test_a_statement_that_claims_too_little),
		ASKS(test_a_statement_that_claims_another),
		ASKS(test_evidence_that_is_not_there),
		ASKS(test_evidence_of_another_key),
		ASKS(test_evidence_of_another_unit),
		ASKS(test_evidence_of_another_maker),
		ASKS(test_evidence_is_judged_at_its_time),
		ASKS(test_evidence_that_was_recorded_as_another),
		ASKS(test_evidence_that_was_recorded_as_none),
		DOES_NOT_ASK(test_a_claim_without_roots),
		DOES_NOT_ASK(test_an_origin_that_is_not_so),
		DOES_NOT_ASK(test_a_key_that_nobody_commanded_is_of_unknown_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
