/* The twin's messages one by one: what is accepted, and every refusal. */
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

static void open_connected(struct kit *k, const char *variant)
{
	kit_open(k, variant, NULL);
	kit_connect(k, "13", true, false);
}

/* --- key pairs --- */

static void test_key_pair_life(void **state)
{
	struct kit k;

	(void)state;
	open_connected(&k, NULL);
	kit_expect(&k, "13fd0200010002000800000001", "137d0000");
	kit_expect(&k, "13fc000001",
	    "137c00000201"
	    "1f0006000200"
	    "1800000008000000"
	    "1500"
	    "01"
	    "301306072a8648ce3d020106082a8648ce3d030107");
	/* key only: in the slot, no model, no digest */
	kit_expect(&k, "13810000",
	    "13010101"
	    "0000000000000000000000000000000000000000000000000000000000000000"
	    "01000200");
	kit_expect(&k, "13fd010001", "137f4400");
	kit_expect(&k, "13fd0200010000000800000000", "137f4400");
	kit_expect(&k, "13fd0000010000000000000000", "137d0000");
	kit_expect(&k, "13fd0200010000000800000000", "137f4400"); /* there still is a key */
	kit_expect(&k, "13fd010001", "137d0000");
	kit_expect(&k, "13fc000001",
	    "137c00000201"
	    "1f0006000000"
	    "1800000000000000"
	    "0000"
	    "00");
	kit_expect(&k, "13fd0200010000001000000000", "137d0000");
	kit_expect(&k, "13fc000001",
	    "137c00000201"
	    "1f0006000600"
	    "1800000010000000"
	    "1200"
	    "00"
	    "301006072a8648ce3d020106052b81040022");
	kit_close(&k);
}

static void test_key_pair_refusals(void **state)
{
	static const char *const bad[] = {
		"13fc000000",                 /* KeyPairID 0 */
		"13fc000003",                 /* more than there are */
		"13fc0000",                   /* short */
		"13fd0300010000000000000000", /* operation */
		"13fd0000000000000000000000", /* KeyPairID 0 */
		"13fd020001",                 /* short */
		"13fd0200010001000800000000", /* usage KeyEx */
		"13fd0200010002000100000000", /* RSA */
		"13fd0200010002001800000000", /* two algorithms */
		"13fd0200010002000000000000", /* none */
		"13fd0200010002000800000002", /* slot 1 */
	};
	struct kit k;

	(void)state;
	open_connected(&k, NULL);
	for (size_t i = 0; i < COUNT(bad); i++)
		kit_expect(&k, bad[i], "137f0100");
	kit_close(&k);
}

static void test_erase_takes_the_certificate(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_provision(&k, &ca, &chain);
	kit_expect(&k, "13fd010001", "137f4400");
	kit_expect(&k, "13fd0000010000000000000000", "137d0000");
	kit_expect(&k, "13fd010001", "137d0000");
	kit_make_key(&k, false);
	kit_expect(&k, "13fd0000010000000000000001", "137d0000");
	kit_expect(&k, "1382000000001000", "137f0100");
	buf_free(&chain);
	kit_close(&k);
}

/* --- long work --- */

static void test_not_ready(void **state)
{
	const struct buf *answer;
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	k.config.keygen_ms = 5000; /* beyond 2^20 us */
	kit_connect(&k, "13", true, false);
	answer = kit_expect_code(&k, "13fd0200010002000800000000", SPDM_ERROR);
	kit_expect_bytes(answer, "137f42001"
				 "0fd019a");
	assert_true(((int64_t)answer->data[7] << answer->data[4]) / 1000 >= 5000);
	kit_expect(&k, "13fc000001", "137f0300");
	kit_expect(&k, "13fffd02", "137f0100"); /* another token */
	kit_expect(&k, "13fffc01", "137f0100"); /* another request */
	k.now_ms = 4999;
	answer = kit_expect_code(&k, "13fffd01", SPDM_ERROR);
	assert_memory_equal(answer->data + 2, "\x42\x00", 2);
	k.now_ms = 5000;
	kit_expect(&k, "13fffd01", "137d0000");
	kit_expect(&k, "13fffd01", "137f0100");
	(void)kit_expect_code(&k, "13fc000001", SPDM_KEY_PAIR_INFO);
	kit_close(&k);
}

/* Shorter than CT: by the seed the answer is late, or ResponseNotReady all the same. */
static void test_short_work_both_ways(void **state)
{
	bool late = false, not_ready = false;

	(void)state;
	for (uint64_t seed = 0; seed < 16; seed++) {
		const struct buf *answer;
		struct kit k;

		kit_open_seeded(&k, NULL, NULL, seed);
		k.config.keygen_ms = 200;
		kit_connect(&k, "13", true, false);
		answer = kit_ask_hex(&k, "13fd0200010002000800000000");
		if (answer->data[1] == SPDM_ERROR)
			not_ready = k.work_ms == 0 && answer->data[2] == 0x42;
		else
			late = k.work_ms == 200;
		kit_close(&k);
	}
	assert_true(late && not_ready);
}

static void test_get_version_ends_waiting(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	k.config.keygen_ms = 60000;
	kit_connect(&k, "13", true, false);
	(void)kit_expect_code(&k, "13fd0200010002000800000000", SPDM_ERROR);
	kit_connect(&k, "13", true, false);
	kit_expect(&k, "13fffd01", "137f0100");
	/* the key was made all the same */
	X509_REQ_free(kit_csr(kit_ask_hex(&k, "13ed010100000000")));
	kit_close(&k);
}

/* --- SET_CERTIFICATE --- */

static EVP_PKEY *key_of(const struct kit *k)
{
	return k->device.flash.pairs[0].key;
}

static void expect_refused(struct kit *k, X509 *const certs[], size_t count, const char *answer)
{
	struct buf chain = { 0 };

	kit_add_chain(certs, count, false, &chain);
	kit_expect_bytes(kit_set_certificate(k, "13ee1001", &chain), answer);
	buf_free(&chain);
}

static void test_chain_refusals(void **state)
{
	EVP_PKEY *foreign = EVP_EC_gen("P-256");
	X509 *ours, *theirs, *authority, *loose;
	struct kit k;

	(void)state;
	open_connected(&k, NULL);
	kit_make_key(&k, false);
	ours = kit_issue("unit", key_of(&k), false, ca.issuing, ca.issuing_key);
	theirs = kit_issue("unit", foreign, false, ca.issuing, ca.issuing_key);
	authority = kit_issue("unit", key_of(&k), true, ca.issuing, ca.issuing_key);
	loose = kit_issue("unit", key_of(&k), false, ca.issuing, foreign);
	expect_refused(&k, (X509 *const[]){ ca.root, ca.issuing, theirs }, 3, "137f0500");
	expect_refused(&k, (X509 *const[]){ ca.root, ca.issuing, authority }, 3, "137f0500");
	expect_refused(&k, (X509 *const[]){ ca.root, ca.issuing, loose }, 3, "137f0500");
	expect_refused(&k, (X509 *const[]){ ours, ca.issuing, ca.root }, 3, "137f0500");
	expect_refused(&k, (X509 *const[]){ ca.issuing, ours }, 2, "137f0500");
	expect_refused(&k, (X509 *const[]){ ca.root, ours }, 2, "137f0500");
	expect_refused(&k, (X509 *const[]){ ours }, 1, "137f0500");
	kit_expect(&k, "1382000000001000", "137f0100"); /* nothing was stored */
	expect_refused(&k, (X509 *const[]){ ca.root, ca.issuing, ours }, 3, "136e0000");
	X509_free(ours);
	X509_free(theirs);
	X509_free(authority);
	X509_free(loose);
	EVP_PKEY_free(foreign);
	kit_close(&k);
}

/* Adds, or leaves out, what SPDM wants of a leaf. */
static X509 *bare_leaf(const struct kit *k, int nid, const char *value)
{
	X509 *leaf = kit_issue("unit", key_of(k), false, ca.issuing, ca.issuing_key);
	int at = X509_get_ext_by_NID(leaf, nid, -1);

	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(leaf, at));
	if (value != NULL)
		kit_add_extension(leaf, nid, value);
	assert_true(X509_sign(leaf, ca.issuing_key, EVP_sha256()) > 0);
	return leaf;
}

static void test_leaf_rules(void **state)
{
	static const struct {
		int nid;
		const char *value;
		const char *answer;
	} rules[] = {
		{ NID_basic_constraints, NULL, "137f0500" },
		{ NID_key_usage, NULL, "137f0500" },
		{ NID_key_usage, "critical,keyAgreement", "137f0500" },
		{ NID_ext_key_usage, "1.3.6.1.4.1.412.274.4", "137f0500" },
		{ NID_ext_key_usage, "1.3.6.1.4.1.412.274.4,1.3.6.1.4.1.412.274.3", "136e0000" },
		{ NID_ext_key_usage, "clientAuth", "136e0000" },
	};
	struct kit k;

	(void)state;
	open_connected(&k, NULL);
	kit_make_key(&k, false);
	for (size_t i = 0; i < COUNT(rules); i++) {
		X509 *leaf = bare_leaf(&k, rules[i].nid, rules[i].value);

		expect_refused(&k, (X509 *const[]){ ca.root, ca.issuing, leaf }, 3,
		    rules[i].answer);
		X509_free(leaf);
	}
	kit_close(&k);
}

/* basicConstraints became mandatory with 1.3. */
static void test_12_takes_a_leaf_without_constraints(void **state)
{
	struct buf chain = { 0 };
	struct kit k;
	X509 *leaf;

	(void)state;
	kit_open(&k, "1.2", NULL);
	kit_connect(&k, "12", false, false);
	leaf = bare_leaf(&k, NID_basic_constraints, NULL);
	kit_add_chain((X509 *const[]){ ca.root, ca.issuing, leaf }, 3, false, &chain);
	kit_expect_bytes(kit_set_certificate(&k, "12ee0000", &chain), "126e0000");
	X509_free(leaf);
	buf_free(&chain);
	kit_close(&k);
}

static void test_set_certificate_fields(void **state)
{
	static const struct {
		const char *head, *answer;
	} heads[] = {
		{ "13ee1901", "137f0100" }, /* slot 9 */
		{ "13ee1101", "137f0400" }, /* slot 1 */
		{ "13ee0001", "137f0100" }, /* no model */
		{ "13ee2001", "137f0100" }, /* an alias is not ours to take */
		{ "13ee1000", "137f0100" }, /* no key pair */
		{ "13ee1003", "137f0100" }, /* one that is not there */
		{ "13ee1002", "137f0500" }, /* one without a key */
		{ "13ee9000", "137f0100" }, /* erase with a model */
		{ "13ee1001", "136e0000" },
	};
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	open_connected(&k, NULL);
	kit_make_key(&k, false);
	kit_add_chain_over(&ca, key_of(&k), false, &chain);
	for (size_t i = 0; i < COUNT(heads); i++)
		kit_expect_bytes(kit_set_certificate(&k, heads[i].head, &chain), heads[i].answer);
	kit_expect(&k, "13ee8000", "136e0000");
	kit_expect(&k, "1382000000001000", "137f0100");
	chain.data[4] ^= 1; /* RootHash */
	kit_expect_bytes(kit_set_certificate(&k, "13ee1001", &chain), "137f0500");
	chain.data[4] ^= 1;
	chain.len--;
	kit_expect_bytes(kit_set_certificate(&k, "13ee1001", &chain), "137f0100");
	chain.len = 36;
	put_u16le(chain.data, 36);
	kit_expect_bytes(kit_set_certificate(&k, "13ee1001", &chain), "137f0100");
	buf_free(&chain);
	kit_close(&k);
}

static void test_single_key_wants_no_pair(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_connect(&k, "13", false, false);
	kit_make_key(&k, false);
	kit_expect(&k, "13ed010100000000", "137f0100");
	X509_REQ_free(kit_csr(kit_ask_hex(&k, "13ed000000000000")));
	kit_add_chain_over(&ca, key_of(&k), false, &chain);
	kit_expect_bytes(kit_set_certificate(&k, "13ee1001", &chain), "137f0100");
	kit_expect_bytes(kit_set_certificate(&k, "13ee0000", &chain), "136e0000");
	buf_free(&chain);
	kit_close(&k);
}

/* --- GET_CERTIFICATE, CHALLENGE --- */

static void test_certificate_portions(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	char request[17];
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_provision(&k, &ca, &chain);
	kit_expect(&k, "1382000100001000",
	    "1302000100"
	    "00ffff");
	answer = kit_expect_code(&k, "1382000000000000", SPDM_CERTIFICATE);
	assert_int_equal(answer->len, 8);
	assert_int_equal(get_u16le(answer->data + 6), chain.len);
	(void)snprintf(request, sizeof(request), "13820000%02x%02x0100", (unsigned)chain.len & 0xff,
	    (unsigned)chain.len >> 8);
	kit_expect(&k, request, "137f0100");
	kit_expect(&k, "1382010000000010", "137f0100");
	kit_expect(&k, "13820000000000", "137f0100");
	buf_free(&chain);
	kit_close(&k);
}

static void test_challenge_refusals(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_provision(&k, &ca, &chain);
	kit_expect(&k, "13830100" KIT_NONCE KIT_CONTEXT, "137f0100");
	kit_expect(&k, "1383ff00" KIT_NONCE KIT_CONTEXT, "137f0100");
	kit_expect(&k, "13830002" KIT_NONCE KIT_CONTEXT, "137f0100");
	kit_expect(&k, "13830000" KIT_NONCE, "137f0100");
	/* the key may sign measurements only */
	kit_expect(&k, "13fd0000010004000000000001", "137d0000");
	kit_expect(&k, "13830000" KIT_NONCE KIT_CONTEXT, "137f0100");
	buf_free(&chain);
	kit_close(&k);
}

/* --- GET_MEASUREMENTS --- */

static void test_measurements(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_provision(&k, &ca, &chain);
	kit_connect(&k, "13", true, false);
	answer = kit_expect_code(&k, "13e00000" KIT_CONTEXT, SPDM_MEASUREMENTS); /* 3 */
	assert_memory_equal(answer->data + 2, "\x05\x00\x00\x00\x00\x00", 6);
	answer = kit_expect_code(&k, "13e00010" KIT_CONTEXT, SPDM_MEASUREMENTS); /* 4 */
	assert_memory_equal(answer->data + 2,
	    "\x00\x00\x01\x0c\x00\x00\x10\x01\x08\x00\x86\x05\x00"
	    "3.4.2",
	    18);
	(void)kit_expect_code(&k, "13e001ff" KIT_NONCE "00" KIT_CONTEXT, SPDM_MEASUREMENTS); /* 5 */
	assert_true(kit_last_verifies(&k, KIT_MEASUREMENTS, key_of(&k), false, 3, 4));
	kit_expect(&k, "13e00020" KIT_CONTEXT, "137f0100");
	kit_expect(&k, "13e001ff" KIT_NONCE "01" KIT_CONTEXT, "137f0100");
	kit_expect(&k, "13e001ff" KIT_NONCE KIT_CONTEXT, "137f0100");
	buf_free(&chain);
	kit_close(&k);
}

static void test_measurement_summary(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	uint8_t digest[SHA256_LEN];
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_provision(&k, &ca, &chain);
	kit_connect(&k, "13", true, false);
	answer = kit_expect_code(&k, "13e000ff" KIT_CONTEXT, SPDM_MEASUREMENTS);
	sha256(answer->data + 8, get_u24le(answer->data + 5), digest);
	answer = kit_expect_code(&k, "138300ff" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_memory_equal(answer->data + 68, digest, 32);
	answer = kit_expect_code(&k, "13830001" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_memory_not_equal(answer->data + 68, digest, 32);
	buf_free(&chain);
	kit_close(&k);
}

static void test_no_measurements_unless_negotiated(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	(void)kit_expect_code(&k, "10840000", SPDM_VERSION);
	(void)kit_expect_code(&k, "13e1000000000000000000000012000000120000", SPDM_CAPABILITIES);
	(void)kit_expect_code(&k,
	    "13e3000020000000100000000100000000000000000000000000000000000000", SPDM_ALGORITHMS);
	kit_expect(&k, "13e000ff" KIT_CONTEXT, "137f0400");
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_pair_life),
		cmocka_unit_test(test_key_pair_refusals),
		cmocka_unit_test(test_erase_takes_the_certificate),
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_short_work_both_ways),
		cmocka_unit_test(test_get_version_ends_waiting),
		cmocka_unit_test(test_chain_refusals),
		cmocka_unit_test(test_leaf_rules),
		cmocka_unit_test(test_12_takes_a_leaf_without_constraints),
		cmocka_unit_test(test_set_certificate_fields),
		cmocka_unit_test(test_single_key_wants_no_pair),
		cmocka_unit_test(test_certificate_portions),
		cmocka_unit_test(test_challenge_refusals),
		cmocka_unit_test(test_measurements),
		cmocka_unit_test(test_measurement_summary),
		cmocka_unit_test(test_no_measurements_unless_negotiated),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
