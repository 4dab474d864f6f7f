/* The twin's faults: each is what its name says, and sound in everything else. */
#include "spdm_twin_kit.h"

static struct kit_ca ca;

static int setup(void **state)
{
	(void)state;
	kit_ca_open(&ca);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_ca_close(&ca);
	return 0;
}

static EVP_PKEY *key_of(const struct kit *k)
{
	return k->device.flash.pairs[0].key;
}

static void test_every_fault_parses(void **state)
{
	struct twin_plan p;
	struct err e = { 0 };

	(void)state;
	assert_ok(twin_plan_parse(&p, NULL, 0, true, &e), &e);
	assert_int_equal(p.fault, TWIN_FAULT_NONE);
	for (size_t i = 0; twin_plan_faults[i] != NULL; i++) {
		assert_ok(twin_plan_parse(&p, twin_plan_faults[i], 7, true, &e), &e);
		assert_int_not_equal(p.fault, TWIN_FAULT_NONE);
	}
}

static void test_plan_refusals(void **state)
{
	static const char *const bad[] = { "", "dropp", "drop:", "drop:nowhere", "drop:enrol",
		"wrong-key:request", "lying-readback:prove" };
	struct twin_plan p;
	struct err e;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_err(twin_plan_parse(&p, bad[i], 0, true, &e), &e, "twin.fault");
	assert_err(twin_plan_parse(&p, "drop:keygen", 0, false, &e), &e, "twin.fault");
	assert_ok(twin_plan_parse(&p, "drop:seal", 0, true, &e), &e);
}

/* The same seed, the same step; all seeds together, all steps but seal, and no keygen without one. */
static void test_seed_picks_the_step(void **state)
{
	bool seen[STEP_COUNT] = { false };
	struct err e = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < 64; seed++) {
		struct twin_plan p, again, without;

		assert_ok(twin_plan_parse(&p, "drop", seed, true, &e), &e);
		assert_ok(twin_plan_parse(&again, "drop", seed, true, &e), &e);
		assert_ok(twin_plan_parse(&without, "drop", seed, false, &e), &e);
		assert_int_equal(p.step, again.step);
		assert_int_not_equal(without.step, STEP_KEYGEN);
		seen[p.step] = true;
	}
	assert_true(seen[STEP_IDENTIFY] && seen[STEP_KEYGEN] && seen[STEP_REQUEST] &&
		    seen[STEP_INSTALL] && seen[STEP_READBACK] && seen[STEP_PROVE]);
	assert_false(seen[STEP_SEAL] || seen[STEP_CLAIM] || seen[STEP_ENROL]);
}

/* What comes and goes strikes once in a device's life, also over a reset. */
static void test_transient_faults_end(void **state)
{
	struct err e = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "drop:prove");
	assert_true(twin_device_strikes(&k.device, TWIN_FAULT_DROP, STEP_PROVE));
	assert_false(twin_device_strikes(&k.device, TWIN_FAULT_DROP, STEP_INSTALL));
	assert_false(twin_device_strikes(&k.device, TWIN_FAULT_STALL, STEP_PROVE));
	assert_ok(twin_device_struck(&k.device, &e), &e);
	kit_reboot(&k);
	assert_false(twin_device_strikes(&k.device, TWIN_FAULT_DROP, STEP_PROVE));
	kit_close(&k);
}

static void test_steps_of_requests(void **state)
{
	static const struct {
		const char *request;
		enum step_id step;
	} rows[] = {
		{ "10840000", STEP_COUNT },
		{ "13e30000", STEP_IDENTIFY },
		{ "13fe0000040004d97e000002000101", STEP_IDENTIFY },
		{ "13fd0000", STEP_COUNT },
		{ "13fd0200", STEP_KEYGEN },
		{ "13ed0101", STEP_REQUEST },
		{ "13ee1001", STEP_INSTALL },
		{ "13fe0000040004d97e000002000102", STEP_INSTALL },
		{ "13820000", STEP_COUNT }, /* before anything was installed */
		{ "13fe0000040004d97e000002000103", STEP_READBACK },
		{ "13830000", STEP_PROVE },
		{ "13fe0000040004d97e000002000104", STEP_SEAL },
		{ "13", STEP_COUNT },
	};
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf request = { 0 };

		testing_hex(rows[i].request, &request);
		assert_int_equal(twin_device_step(&k.device, &request), rows[i].step);
		k.device.installed = rows[i].step == STEP_READBACK;
		if (rows[i].step == STEP_READBACK) {
			request.data[1] = SPDM_GET_CERTIFICATE;
			assert_int_equal(twin_device_step(&k.device, &request), STEP_READBACK);
		}
		buf_free(&request);
	}
	kit_close(&k);
}

static void test_refuse(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "refuse:keygen");
	kit_connect(&k, "13", true, false);
	kit_expect(&k, "13fd0200010006000800000000", "137f0500");
	kit_expect(&k, "13fd0200010006000800000000", "137f0500");
	assert_null(key_of(&k));
	kit_close(&k);
}

static void test_busy(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "busy:keygen");
	kit_connect(&k, "13", true, false);
	for (int i = 0; i < TWIN_BUSY_TIMES; i++)
		kit_expect(&k, "13fd0200010006000800000000", "137f0300");
	kit_expect(&k, "13fd0200010006000800000000", "137d0000");
	kit_close(&k);
}

static void test_other_subject(void **state)
{
	X509_REQ *csr;
	char subject[64];
	struct kit k;

	(void)state;
	kit_open(&k, "1.2", "other-csr-subject");
	kit_connect(&k, "12", false, false);
	csr = kit_csr(kit_ask_hex(&k, "12ed000000000000"));
	(void)X509_NAME_oneline(X509_REQ_get_subject_name(csr), subject, sizeof(subject));
	assert_string_equal(subject, "/CN=someone else");
	X509_REQ_free(csr);
	kit_close(&k);
}

static void test_bad_csr_signature(void **state)
{
	const struct buf *answer;
	X509_REQ *csr = NULL;
	struct err e = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, "1.2", "bad-csr-signature");
	kit_connect(&k, "12", false, false);
	answer = kit_expect_code(&k, "12ed000000000000", SPDM_CSR);
	assert_ok(x509_parse_request(answer->data + 8, answer->len - 8, &csr, ERR_DEVICE, &e), &e);
	assert_int_not_equal(X509_REQ_verify(csr, X509_REQ_get0_pubkey(csr)), 1);
	X509_REQ_free(csr);
	kit_close(&k);
}

/* The leaf of a chain structure under SHA-256. */
static X509 *leaf_of(const uint8_t *chain, size_t len)
{
	X509_STACK *list = NULL;
	struct err e = { 0 };
	X509 *leaf;

	assert_ok(x509_parse_list(chain + 36, len - 36, &list, ERR_DEVICE, &e), &e);
	leaf = sk_X509_pop(list);
	x509_stack_free(list);
	return leaf;
}

/* All of it agrees with itself and verifies under the device's key: only the bytes are not ours. */
static void test_lying_readback(void **state)
{
	struct buf chain = { 0 };
	const struct buf *digests, *portion;
	uint8_t digest[SHA256_LEN];
	struct kit k;
	X509 *leaf;

	(void)state;
	kit_open(&k, NULL, "lying-readback");
	kit_provision(&k, &ca, &chain);
	kit_connect(&k, "13", true, false);
	digests = kit_expect_code(&k, "13810000", SPDM_DIGESTS);
	portion = kit_expect_code(&k, "138200000000ffff", SPDM_CERTIFICATE);
	assert_int_equal(get_u16le(portion->data + 8), portion->len - 8);
	sha256(portion->data + 8, portion->len - 8, digest);
	assert_memory_equal(digests->data + 4, digest, 32);
	assert_true(
	    portion->len - 8 != chain.len || memcmp(portion->data + 8, chain.data, chain.len) != 0);
	leaf = leaf_of(portion->data + 8, portion->len - 8);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), key_of(&k)), 1);
	(void)kit_expect_code(&k, "13830000" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_memory_equal(k.answers[5].data + 4, digest, 32);
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 3, 4));
	X509_free(leaf);
	buf_free(&chain);
	kit_close(&k);
}

static void test_wrong_key(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "wrong-key");
	kit_provision(&k, &ca, &chain);
	kit_connect(&k, "13", true, false);
	(void)kit_expect_code(&k, "13830000" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_false(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 0, 0));
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, k.device.other_key, false, 0, 0));
	buf_free(&chain);
	kit_close(&k);
}

static void test_wrong_nonce(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "wrong-nonce");
	kit_provision(&k, &ca, &chain);
	kit_connect(&k, "13", true, false);
	(void)kit_expect_code(&k, "13830000" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_false(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 0, 0));
	k.requests[3].data[4] ^= 1;
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 0, 0));
	buf_free(&chain);
	kit_close(&k);
}

static void expect_serial(const struct kit *k, const char *want)
{
	char serial[IDENTITY_MAX + 1];

	twin_device_serial(&k->device, serial);
	assert_string_equal(serial, want);
}

static void test_wrong_serial(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "wrong-serial:install");
	expect_serial(&k, "IP30000001");
	kit_provision(&k, &ca, &chain);
	kit_reboot(&k);
	expect_serial(&k, "IP30000009");
	buf_free(&chain);
	kit_close(&k);
	kit_open(&k, "1.2", "wrong-serial:prove");
	kit_connect(&k, "12", false, false);
	X509_REQ_free(kit_csr(kit_ask_hex(&k, "12ed000000000000")));
	expect_serial(&k, "IP30000001");
	kit_provision(&k, &ca, &chain);
	expect_serial(&k, "IP30000009");
	buf_free(&chain);
	kit_close(&k);
}

static void test_short_portions(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "short-portions");
	kit_provision(&k, &ca, &chain);
	answer = kit_expect_code(&k, "1382000000000002", SPDM_CERTIFICATE);
	assert_int_equal(get_u16le(answer->data + 4), 100);
	assert_int_equal(get_u16le(answer->data + 6), chain.len - 100);
	assert_memory_equal(answer->data + 8, chain.data, 100);
	buf_free(&chain);
	kit_close(&k);
}

static void test_lying_about_anchors(void **state)
{
	const char *get = "13fe0000040004d97e000002000103";
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "lying-readback");
	kit_connect(&k, "13", true, false);
	(void)kit_expect_code(&k,
	    "13fe0000040004d97e00000d0001020300000000000000"
	    "616263",
	    0x7e);
	assert_int_not_equal(kit_expect_code(&k, get, 0x7e)->data[19], 0xba); /* SHA-256 of abc */
	kit_close(&k);
}

static void test_unknown_variant(void **state)
{
	struct twin_config config = { .serial = "1",
		.model = "M",
		.folder = "/tmp",
		.variant = "2.0" };
	struct twin_device d = { 0 };
	struct err e;

	(void)state;
	assert_err(twin_device_boot(&d, &config, &e), &e, "twin.variant");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_fault_parses),
		cmocka_unit_test(test_plan_refusals),
		cmocka_unit_test(test_seed_picks_the_step),
		cmocka_unit_test(test_transient_faults_end),
		cmocka_unit_test(test_steps_of_requests),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_other_subject),
		cmocka_unit_test(test_bad_csr_signature),
		cmocka_unit_test(test_lying_readback),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_wrong_nonce),
		cmocka_unit_test(test_wrong_serial),
		cmocka_unit_test(test_short_portions),
		cmocka_unit_test(test_lying_about_anchors),
		cmocka_unit_test(test_unknown_variant),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
