/* A device's way through the line, message by message, for each variant of the twin. */
#include "spdm_twin_kit.h"

static int setup(void **state)
{
	static struct kit_ca ca;

	kit_ca_open(&ca);
	*state = &ca;
	return 0;
}

static int teardown(void **state)
{
	kit_ca_close(*state);
	return 0;
}

static EVP_PKEY *key_of(const struct kit *k)
{
	return k->device.flash.pairs[0].key;
}

static void test_setup_of_13(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, "10840000",
	    "10040000"
	    "0002"
	    "00120013");
	kit_expect(&k, "13e1000000000000000000000012000000120000",
	    "13610000"
	    "00140000"
	    "16001838"
	    "00120000"
	    "00120000");
	kit_expect(&k, "13e3000020000112100000000100000000000000000000000000000000000000",
	    "13630000"
	    "24000102"
	    "02000000"
	    "10000000"
	    "01000000"
	    "00000000000000000000000000000000");
	kit_close(&k);
}

static void test_12_shows_no_newer_flags(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "1.3", NULL);
	(void)kit_expect_code(&k, "10840000", SPDM_VERSION);
	kit_expect(&k, "12e1000000000000000000000012000000120000",
	    "12610000"
	    "00140000"
	    "16001800"
	    "00120000"
	    "00120000");
	kit_close(&k);
}

static void test_new_device_has_nothing(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_connect(&k, "13", true, false);
	kit_expect(&k, "13810000", "13010100");
	kit_expect(&k, "1382000000000004", "137f0100");
	kit_expect(&k, "13fc000001",
	    "137c0000"
	    "0201"
	    "1f00"
	    "0600"
	    "0000"
	    "18000000"
	    "00000000"
	    "0000"
	    "00");
	kit_expect(&k, "13ed010100000000", "137f0500");
	kit_expect(&k, "13830000" KIT_NONCE KIT_CONTEXT, "137f0100");
	kit_close(&k);
}

static void test_whole_way_13(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	struct kit k;

	kit_open(&k, NULL, NULL);
	kit_provision(&k, *state, &chain);
	kit_connect(&k, "13", true, false);
	answer = kit_expect_code(&k, "13810000", SPDM_DIGESTS);
	assert_int_equal(answer->len, 4 + 32 + 1 + 1 + 2);
	assert_memory_equal(answer->data + 2, "\x01\x01", 2);
	assert_memory_equal(answer->data + 36, "\x01\x01\x06\x00", 4);
	answer = kit_expect_code(&k, "138200000000ffff", SPDM_CERTIFICATE);
	assert_int_equal(answer->data[3], SPDM_MODEL_DEVICE);
	assert_int_equal(get_u16le(answer->data + 4), chain.len);
	assert_int_equal(get_u16le(answer->data + 6), 0);
	assert_memory_equal(answer->data + 8, chain.data, chain.len);
	answer = kit_expect_code(&k, "13830000" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_int_equal(answer->len, 4 + 32 + 32 + 2 + 8 + 64);
	assert_memory_equal(answer->data + 4, k.answers[3].data + 4, 32);
	assert_memory_equal(answer->data + 70, "\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7", 8);
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 3, 4));
	buf_free(&chain);
	kit_close(&k);
}

static void test_digest_is_of_the_chain(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	uint8_t digest[SHA256_LEN];
	struct kit k;

	kit_open(&k, "1.2", NULL);
	kit_provision(&k, *state, &chain);
	answer = kit_expect_code(&k, "12810000", SPDM_DIGESTS);
	sha256(chain.data, chain.len, digest);
	assert_int_equal(answer->len, 4 + 32);
	assert_memory_equal(answer->data + 4, digest, 32);
	buf_free(&chain);
	kit_close(&k);
}

static void test_whole_way_12(void **state)
{
	struct buf chain = { 0 };
	struct kit k;

	kit_open(&k, "1.2", NULL);
	kit_connect(&k, "12", false, false);
	kit_expect(&k, "12810000", "127f0500");
	kit_expect(&k, "12fc000001", "127f07fc");
	kit_provision(&k, *state, &chain);
	kit_connect(&k, "12", false, false);
	(void)kit_expect_code(&k, "12810000", SPDM_DIGESTS);
	(void)kit_expect_code(&k, "1282000000000002", SPDM_CERTIFICATE);
	(void)kit_expect_code(&k, "1282000000020004", SPDM_CERTIFICATE);
	(void)kit_expect_code(&k, "12830000" KIT_NONCE, SPDM_CHALLENGE_AUTH);
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 3, 5));
	buf_free(&chain);
	kit_close(&k);
}

/* Another hash gives another chain structure from the same certificates. */
static void test_hash_follows_the_connection(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	uint8_t digest[48];
	size_t len = 0, root_len;
	const uint8_t *p;
	struct kit k;
	X509 *root;

	kit_open(&k, NULL, NULL);
	kit_provision(&k, *state, &chain);
	k.count = 0;
	(void)kit_expect_code(&k, "10840000", SPDM_VERSION);
	(void)kit_expect_code(&k, "13e1000000000000000000000012000000120000", SPDM_CAPABILITIES);
	(void)kit_expect_code(&k,
	    "13e3000020000112100000000200000000000000000000000000000000000000", SPDM_ALGORITHMS);
	answer = kit_expect_code(&k, "138200000000ffff", SPDM_CERTIFICATE);
	assert_int_equal(get_u16le(answer->data + 8), chain.len + 16);
	p = chain.data + 36;
	root = d2i_X509(NULL, &p, (long)chain.len - 36);
	root_len = (size_t)(p - chain.data - 36);
	assert_int_equal(EVP_Q_digest(NULL, "SHA384", NULL, chain.data + 36, root_len, digest,
			     &len),
	    1);
	assert_memory_equal(answer->data + 12, digest, 48);
	X509_free(root);
	buf_free(&chain);
	kit_close(&k);
}

static void test_p384(void **state)
{
	struct buf chain = { 0 };
	X509_REQ *csr;
	struct kit k;

	kit_open(&k, "p384", NULL);
	kit_connect(&k, "13", true, true);
	kit_expect(&k, "13fd0200010006000800000000", "137f0100"); /* P-256 is not on offer */
	kit_make_key(&k, true);
	csr = kit_csr(kit_ask_hex(&k, "13ed010100000000"));
	kit_add_chain_over(*state, X509_REQ_get0_pubkey(csr), true, &chain);
	X509_REQ_free(csr);
	kit_expect_bytes(kit_set_certificate(&k, "13ee1001", &chain), "136e0000");
	kit_connect(&k, "13", true, true);
	(void)kit_expect_code(&k, "13810000", SPDM_DIGESTS);
	(void)kit_expect_code(&k, "138200000000ffff", SPDM_CERTIFICATE);
	(void)kit_expect_code(&k, "13830000" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), true, 3, 4));
	buf_free(&chain);
	kit_close(&k);
}

static void test_p384_refuses_p256(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "p384", NULL);
	(void)kit_expect_code(&k, "10840000", SPDM_VERSION);
	(void)kit_expect_code(&k, "13e1000000000000000000000012000000120000", SPDM_CAPABILITIES);
	kit_expect(&k, "13e3000020000112100000000100000000000000000000000000000000000000",
	    "137f0100");
	kit_close(&k);
}

/* What the device is told survives that it is unplugged. */
static void test_flash_survives(void **state)
{
	struct buf chain = { 0 };
	const struct buf *answer;
	struct kit k;

	kit_open(&k, NULL, NULL);
	kit_provision(&k, *state, &chain);
	kit_reboot(&k);
	kit_connect(&k, "13", true, false);
	answer = kit_expect_code(&k, "138200000000ffff", SPDM_CERTIFICATE);
	assert_memory_equal(answer->data + 8, chain.data, chain.len);
	(void)kit_expect_code(&k, "13830000" KIT_NONCE KIT_CONTEXT, SPDM_CHALLENGE_AUTH);
	assert_true(kit_last_verifies(&k, KIT_CHALLENGE, key_of(&k), false, 3, 3));
	buf_free(&chain);
	kit_close(&k);
}

/* CERT_INSTALL_RESET: tracking tags, and what waits for the reset. */
static void test_reset_13(void **state)
{
	struct buf chain = { 0 };
	X509_REQ *csr;
	struct kit k;

	kit_open(&k, "1.3-reset", NULL);
	kit_connect(&k, "13", true, false);
	kit_make_key(&k, false);
	kit_expect(&k, "13ed010100000000", "137f0c01");
	kit_expect(&k, "13ed010100000000", "137f0c02");
	kit_expect(&k, "13ed010900000000", "137f0c01"); /* not reset yet: the same tag */
	kit_expect(&k, "13ed018100000000", "137f0c01"); /* overwrite: the only one now */
	kit_expect(&k, "13ed018900000000", "137f0100");
	kit_expect(&k, "13ed013100000000", "137f0100"); /* a tag that was never given */
	kit_reboot(&k);
	kit_connect(&k, "13", true, false);
	kit_expect(&k, "13ed010a00000000", "137f0100"); /* another request under that tag */
	csr = kit_csr(kit_ask_hex(&k, "13ed010900000000"));
	kit_add_chain_over(*state, X509_REQ_get0_pubkey(csr), false, &chain);
	X509_REQ_free(csr);
	kit_expect_bytes(kit_set_certificate(&k, "13ee1001", &chain), "137f0c00");
	kit_expect(&k, "13810000", "137f0c00");
	kit_expect(&k, "1382000000001000", "137f0c00");
	kit_reboot(&k);
	kit_connect(&k, "13", true, false);
	(void)kit_expect_code(&k, "13810000", SPDM_DIGESTS);
	assert_memory_equal(kit_expect_code(&k, "138200000000ffff", SPDM_CERTIFICATE)->data + 8,
	    chain.data, chain.len);
	buf_free(&chain);
	kit_close(&k);
}

static void test_reset_12_knows_the_request(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "1.3-reset", NULL);
	kit_connect(&k, "13", true, false);
	kit_make_key(&k, false);
	kit_connect(&k, "12", false, false);
	kit_expect(&k, "12ed000000000000", "127f0c00");
	kit_reboot(&k);
	kit_connect(&k, "12", false, false);
	X509_REQ_free(kit_csr(kit_ask_hex(&k, "12ed000000000000")));
	kit_close(&k);
}

static void test_tags_run_out(void **state)
{
	struct kit k;
	char expected[9];

	(void)state;
	kit_open(&k, "1.3-reset", NULL);
	kit_connect(&k, "13", true, false);
	kit_make_key(&k, false);
	for (int tag = 1; tag <= TWIN_TRACKING_TAGS; tag++) {
		(void)snprintf(expected, sizeof(expected), "137f0c%02x", (unsigned)tag);
		kit_expect(&k, "13ed010100000000", expected);
	}
	kit_expect(&k, "13ed010100000000", "137f0300");
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_setup_of_13),
		cmocka_unit_test(test_12_shows_no_newer_flags),
		cmocka_unit_test(test_new_device_has_nothing),
		cmocka_unit_test(test_whole_way_13),
		cmocka_unit_test(test_digest_is_of_the_chain),
		cmocka_unit_test(test_whole_way_12),
		cmocka_unit_test(test_hash_follows_the_connection),
		cmocka_unit_test(test_p384),
		cmocka_unit_test(test_p384_refuses_p256),
		cmocka_unit_test(test_flash_survives),
		cmocka_unit_test(test_reset_13),
		cmocka_unit_test(test_reset_12_knows_the_request),
		cmocka_unit_test(test_tags_run_out),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
