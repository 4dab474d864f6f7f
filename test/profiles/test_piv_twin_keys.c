/* The management key, and what it takes to make and use others. */
#include "piv_twin_kit.h"

static const struct kit_cipher aes128 = { 0x08, "AES-128-ECB", 16 };
static const struct kit_cipher aes192 = { 0x0a, "AES-192-ECB", 16 };
static const struct kit_cipher aes256 = { 0x0c, "AES-256-ECB", 16 };

static void test_management(void **state)
{
	static const struct {
		const char *variant;
		const struct kit_cipher *cipher;
		uint16_t wrong;
	} rows[] = {
		{ "token", &kit_3des, 0x6a80 },
		{ "yubico", &aes192, 0x6982 },
		{ "p384", &aes256, 0x6982 },
		{ "plain", &aes128, 0x6982 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct kit k;

		kit_open(&k, rows[i].variant, NULL);
		kit_expect(&k, KIT_SELECT, 0x9000);
		kit_expect(&k, "00db3fff095c035fc1055302aabb", 0x6982);
		assert_int_equal(kit_authenticate_with(&k, rows[i].cipher, true), rows[i].wrong);
		kit_expect(&k, "00db3fff095c035fc1055302aabb", 0x6982);
		assert_int_equal(kit_authenticate_with(&k, rows[i].cipher, false), 0x9000);
		kit_expect(&k, "00db3fff095c035fc1055302aabb", 0x9000);
		kit_expect(&k, "00870f9b047c028000", 0x6a86); /* no such algorithm */
		kit_shut(&k);
	}
}

static void test_witness_is_used_once(void **state)
{
	struct kit k;
	uint8_t apdu[64];
	size_t len = 11 + 16;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k,
	    "0087039b167c1480080000000000000000"
	    "8108"
	    "0102030405060708",
	    0x6a80);
	kit_expect(&k, "0087039b047c028000", 0x9000);
	memcpy(apdu, "\x00\x87\x03\x9b\x16\x7c\x14\x80\x08", 9);
	kit_cipher("DES-EDE3-ECB", false, k.answer.data + 4, apdu + 9, 8);
	memcpy(apdu + 17,
	    "\x81\x08"
	    "abcdefgh",
	    10);
	kit_expect(&k, "00fd000000", 0x9000); /* something between */
	assert_int_equal(kit_send(&k, apdu, len), 0x6a80);
	kit_expect(&k, "00db3fff095c035fc1055302aabb", 0x6982);
	kit_expect(&k, "0087039b047c028000", 0x9000);
	kit_cipher("DES-EDE3-ECB", false, k.answer.data + 4, apdu + 9, 8);
	assert_int_equal(kit_send(&k, apdu, len), 0x9000);
	assert_int_equal(kit_send(&k, apdu, len), 0x6a80); /* again: it is spent */
	kit_shut(&k);
}

static void test_single_authentication(void **state)
{
	uint8_t apdu[32] = { 0x00, 0x87, 0x03, 0x9b, 12, 0x7c, 10, 0x82, 8 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "0087039b047c028100", 0x9000);
	assert_int_equal(k.answer.data[2], 0x81);
	kit_cipher("DES-EDE3-ECB", true, k.answer.data + 4, apdu + 9, 8);
	assert_int_equal(kit_send(&k, apdu, 17), 0x9000);
	kit_expect(&k, "00db3fff095c035fc1055302aabb", 0x9000);
	kit_shut(&k);
}

static void test_new_management_key(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00ffffff13089b1001020304050607080102030405060708", 0x6982);
	kit_authenticate(&k);
	kit_expect(&k, "00ffffff12089b0f010203040506070801020304050607", 0x6a80);
	kit_expect(&k, "00ffffff13089b1001020304050607080102030405060708", 0x9000);
	kit_reboot(&k);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "0087039b047c028000", 0x6a86);
	assert_int_equal(kit_authenticate_with(&k, &aes128, false), 0x9000);
	kit_expect(&k,
	    "00ffffff230c9b20"
	    "0102030405060708010203040506070801020304050607080102030405060708",
	    0x9000);
	assert_int_equal(kit_authenticate_with(&k, &aes256, false), 0x9000);
	kit_shut(&k);
}

static void test_signing_and_policies(void **state)
{
	struct buf point = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_make_key(&k, &point);
	kit_expect(&k,
	    "0087119a267c2482008120"
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    0x6982);
	kit_expect(&k, KIT_PIN, 0x9000);
	assert_true(kit_signs(&k, 0x11, &point));
	assert_true(kit_signs(&k, 0x22, &point)); /* once is enough in 9A */
	kit_expect(&k, "0047009c05ac0380011100", 0x9000);
	kit_expect(&k, "0087119c0c7c0a820081060102030405060708", 0x6700);
	kit_expect(&k, "0087119c0c7c0a8200810601020304050600", 0x6982); /* 9C wants it fresh */
	kit_expect(&k, KIT_PIN, 0x9000);
	kit_expect(&k, "0087119c0c7c0a8200810601020304050600", 0x9000);
	kit_expect(&k, "0087119c0c7c0a8200810601020304050600", 0x6982);
	kit_expect(&k, "0047009e05ac0380011100", 0x9000);
	kit_expect(&k, "0020ff80", 0x9000);
	kit_expect(&k, "0087119e0c7c0a8200810601020304050600", 0x9000); /* 9E wants none */
	kit_expect(&k, "0087149e0c7c0a8200810601020304050600", 0x6a86); /* not of this key */
	kit_expect(&k, "008711820c7c0a8200810601020304050600", 0x6a88); /* no key there */
	kit_expect(&k, "0087119e047c02820000", 0x6a80);
	buf_free(&point);
	kit_shut(&k);
}

static void test_generate(void **state)
{
	struct buf answer = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	k.config.keygen_ms = 1234;
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, KIT_P256, 0x6982);
	kit_authenticate(&k);
	kit_expect(&k, KIT_P256, 0x9000);
	assert_int_equal(k.card.work_ms, 1234);
	kit_expect(&k, "0047009b05ac0380011100", 0x6a86);
	kit_expect(&k, "0047009a05ac0380010600", 0x6a80); /* RSA-1024 is not made */
	kit_expect(&k, "0047009a02ac0000", 0x6a80);
	assert_int_equal(kit_ask_all(&k, "0047008205ac0380011400", &answer), 0x9000);
	assert_int_equal(answer.len, 5 + 97);
	assert_int_equal(kit_ask_all(&k, "0047009505ac0380010700", &answer), 0x9000);
	assert_memory_equal(answer.data, "\x7f\x49\x82\x01\x09\x81\x82\x01\x00", 9);
	assert_memory_equal(answer.data + answer.len - 5, "\x82\x03\x01\x00\x01", 5);
	assert_int_equal(kit_ask_all(&k, "0047009505ac0380010500", &answer), 0x9000);
	assert_memory_equal(answer.data, "\x7f\x49\x82\x01\x89\x81\x82\x01\x80", 9);
	buf_free(&answer);
	kit_shut(&k);
	kit_open(&k, "p384", NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	assert_int_equal(kit_authenticate_with(&k, &aes256, false), 0x9000);
	kit_expect(&k, KIT_P256, 0x6a80);
	kit_expect(&k, "0047009a05ac0380011400", 0x9000);
	kit_shut(&k);
}

static void test_metadata(void **state)
{
	struct buf point = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_make_key(&k, &point);
	kit_expect(&k, "00f7009a00", 0x9000);
	assert_memory_equal(k.answer.data,
	    "\x01\x01\x11\x02\x02\x02\x01\x03\x01\x01\x04\x43\x86\x41", 14);
	assert_memory_equal(k.answer.data + 14, point.data, 65);
	kit_expect(&k, "00f7008000", 0x9000);
	assert_memory_equal(k.answer.data, "\x01\x01\xff\x05\x01\x01\x06\x02\x05\x05", 10);
	kit_expect(&k, "00f7009b00", 0x9000);
	assert_memory_equal(k.answer.data, "\x01\x01\x03\x02\x02\x00\x01\x05\x01\x01", 10);
	kit_expect(&k, "00f7009c00", 0x6a88);
	buf_free(&point);
	kit_shut(&k);
}

static void test_attestation(void **state)
{
	struct buf point = { 0 }, der = { 0 }, object = { 0 };
	X509 *attestation = NULL, *issuer;
	struct err e = { 0 };
	EVP_PKEY *key;
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, "00f99a0000", 0x6a88);
	kit_make_key(&k, &point);
	assert_int_equal(kit_ask_all(&k, "00f99a0000", &der), 0x9000);
	assert_int_equal(kit_ask_all(&k, "00cb3fff055c035fff0100", &object), 0x9000);
	assert_ok(x509_parse(der.data, der.len, &attestation, ERR_DEVICE, &e), &e);
	issuer = kit_certificate(&object);
	key = kit_public(&point);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(attestation), key), 1);
	assert_int_equal(X509_verify(attestation, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_check_issued(issuer, attestation), X509_V_OK);
	EVP_PKEY_free(key);
	X509_free(attestation);
	X509_free(issuer);
	buf_free(&point);
	buf_free(&der);
	buf_free(&object);
	kit_shut(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_management),
		cmocka_unit_test(test_witness_is_used_once),
		cmocka_unit_test(test_single_authentication),
		cmocka_unit_test(test_new_management_key),
		cmocka_unit_test(test_signing_and_policies),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_attestation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
