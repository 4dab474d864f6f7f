/* GET_CSR of the twin: what the requester wants in it, and what the device adds. */
#include "spdm_twin_kit.h"

static int setup(void **state)
{
	static struct kit k;

	kit_open(&k, NULL, NULL);
	kit_connect(&k, "13", true, false);
	kit_make_key(&k, false);
	*state = &k;
	return 0;
}

static int teardown(void **state)
{
	kit_close(*state);
	return 0;
}

static EVP_PKEY *key_of(const struct kit *k)
{
	return k->device.flash.pairs[0].key;
}

/* A request for subject CN=unit-42 over key, with these extensions (a conf text for SAN, or NULL). */
static X509_REQ *wish(EVP_PKEY *key, const char *san, const char *password)
{
	X509_REQ *request = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();

	assert_int_equal(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN",
			     MBSTRING_ASC, (const unsigned char *)"unit-42", -1, -1, 0),
	    1);
	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	if (san != NULL) {
		assert_true(sk_X509_EXTENSION_push(list,
				X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san)) > 0);
		assert_true(sk_X509_EXTENSION_push(list, X509V3_EXT_conf_nid(NULL, NULL,
							     NID_ext_key_usage, "clientAuth")) > 0);
		assert_int_equal(X509_REQ_add_extensions(request, list), 1);
	}
	if (password != NULL)
		assert_int_equal(X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword,
				     MBSTRING_ASC, (const unsigned char *)password, -1),
		    1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return request;
}

/* The CertificationRequestInfo of a request: what is signed of it. */
static void add_info(X509_REQ *request, struct buf *ret)
{
	uint8_t *der = NULL;
	int len = i2d_re_X509_REQ_tbs(request, &der);
	struct err e = { 0 };

	assert_true(len > 0);
	assert_ok(buf_add(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
}

static const struct buf *ask(struct kit *k, const struct buf *info, size_t claimed)
{
	struct buf message = { 0 };
	const struct buf *answer;
	struct err e = { 0 };

	testing_hex("13ed0101", &message);
	assert_ok(buf_add_u16le(&message, (uint16_t)claimed, &e), &e);
	assert_ok(buf_add_u16le(&message, 0, &e), &e);
	assert_ok(buf_add(&message, info->data, info->len, &e), &e);
	answer = kit_ask(k, message.data, message.len);
	buf_free(&message);
	return answer;
}

static const struct buf *ask_wish(struct kit *k, EVP_PKEY *key, const char *san,
    const char *password)
{
	X509_REQ *request = wish(key, san, password);
	struct buf info = { 0 };
	const struct buf *answer;

	add_info(request, &info);
	answer = ask(k, &info, info.len);
	X509_REQ_free(request);
	buf_free(&info);
	return answer;
}

static GENERAL_NAMES *names_of(X509_REQ *request)
{
	STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(request);
	GENERAL_NAMES *names = X509V3_get_d2i(list, NID_subject_alt_name, NULL, NULL);

	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	assert_non_null(names);
	return names;
}

/* The last name is the device's own. */
static void expect_device_info(const GENERAL_NAMES *names, const char *value)
{
	const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, sk_GENERAL_NAME_num(names) - 1);
	char oid[64];

	assert_int_equal(name->type, GEN_OTHERNAME);
	(void)OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1);
	assert_string_equal(oid, SPDM_OID_DEVICE_INFO);
	assert_int_equal(name->d.otherName->value->type, V_ASN1_UTF8STRING);
	assert_int_equal(name->d.otherName->value->value.utf8string->length, strlen(value));
	assert_memory_equal(name->d.otherName->value->value.utf8string->data, value, strlen(value));
}

static void test_plain(void **state)
{
	struct kit *k = *state;
	X509_REQ *csr = kit_csr(kit_ask_hex(k, "13ed010100000000"));
	GENERAL_NAMES *names = names_of(csr);
	char subject[64];

	assert_int_equal(EVP_PKEY_eq(X509_REQ_get0_pubkey(csr), key_of(k)), 1);
	(void)X509_NAME_oneline(X509_REQ_get_subject_name(csr), subject, sizeof(subject));
	assert_string_equal(subject, "/CN=IP30000001");
	assert_int_equal(sk_GENERAL_NAME_num(names), 1);
	expect_device_info(names, "Example:IP3-A:IP30000001");
	GENERAL_NAMES_free(names);
	X509_REQ_free(csr);
}

static void test_wishes_are_merged(void **state)
{
	struct kit *k = *state;
	X509_REQ *csr = kit_csr(ask_wish(k, key_of(k), "URI:urn:dev:42,DNS:unit-42", "nonce"));
	GENERAL_NAMES *names = names_of(csr);
	STACK_OF(X509_EXTENSION) *list = X509_REQ_get_extensions(csr);
	char subject[64];

	(void)X509_NAME_oneline(X509_REQ_get_subject_name(csr), subject, sizeof(subject));
	assert_string_equal(subject, "/CN=unit-42");
	assert_int_equal(sk_GENERAL_NAME_num(names), 3);
	assert_int_equal(sk_GENERAL_NAME_value(names, 0)->type, GEN_URI);
	assert_int_equal(sk_GENERAL_NAME_value(names, 1)->type, GEN_DNS);
	expect_device_info(names, "Example:IP3-A:IP30000001");
	assert_int_equal(sk_X509_EXTENSION_num(list), 4);
	assert_true(X509v3_get_ext_by_NID(list, NID_basic_constraints, -1) >= 0);
	assert_true(X509v3_get_ext_by_NID(list, NID_key_usage, -1) >= 0);
	assert_true(X509v3_get_ext_by_NID(list, NID_ext_key_usage, -1) >= 0);
	assert_true(X509_REQ_get_attr_by_NID(csr, NID_pkcs9_challengePassword, -1) >= 0);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	GENERAL_NAMES_free(names);
	X509_REQ_free(csr);
}

static void test_foreign_key(void **state)
{
	EVP_PKEY *foreign = EVP_EC_gen("P-256");

	kit_expect_bytes(ask_wish(*state, foreign, NULL, NULL), "137f0100");
	EVP_PKEY_free(foreign);
}

/* Cut anywhere, or with a byte more: refused, never answered with a CSR. */
static void test_broken_info(void **state)
{
	struct kit *k = *state;
	X509_REQ *request = wish(key_of(k), "DNS:unit-42", NULL);
	struct buf info = { 0 };
	struct err e = { 0 };
	size_t whole;

	add_info(request, &info);
	whole = info.len;
	for (info.len = 1; info.len < whole; info.len++) {
		k->count = 3;
		buf_free(&k->requests[3]);
		buf_free(&k->answers[3]);
		kit_expect_bytes(ask(k, &info, info.len), "137f0100");
	}
	kit_expect_bytes(ask(k, &info, info.len + 1), "137f0100");
	assert_ok(buf_add_u8(&info, 0, &e), &e);
	kit_expect_bytes(ask(k, &info, info.len), "137f0100");
	info.data[0] = 0x31;
	info.len = whole;
	kit_expect_bytes(ask(k, &info, info.len), "137f0100");
	X509_REQ_free(request);
	buf_free(&info);
}

static void test_surplus_is_ignored(void **state)
{
	X509_REQ_free(kit_csr(kit_ask_hex(*state, "13ed010100000000"
						  "ffff")));
}

static void test_fields(void **state)
{
	static const char *const bad[] = {
		"13ed000100000000", /* no KeyPairID */
		"13ed030100000000", /* one that is not there */
		"13ed010000000000", /* no model */
		"13ed010400000000", /* an unknown one */
		"13ed010900000000", /* a tag, and no reset is ever needed */
		"13ed0101000000",   /* short */
		"13ed0101f4010000", /* RequesterInfo beyond the message */
		"13ed010100000500"
		"0100000000", /* opaque data not a multiple of 4 */
		"13ed010100000800"
		"0200000004000000", /* two elements said, one there */
		"13ed010100000800"
		"0100000004ff0000", /* vendor id beyond the data */
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		kit_expect(*state, bad[i], "137f0100");
	kit_expect(*state, "13ed020100000000", "137f0500"); /* a pair without a key */
}

static void test_opaque_data(void **state)
{
	X509_REQ_free(kit_csr(kit_ask_hex(*state, "13ed010100001000"
						  "0100000004049c010000030061626300")));
}

static void test_opaque_needs_its_format(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, "1.2", NULL);
	(void)kit_expect_code(&k, "10840000", SPDM_VERSION);
	(void)kit_expect_code(&k, "12e1000000000000000000000012000000120000", SPDM_CAPABILITIES);
	(void)kit_expect_code(&k,
	    "12e3000020000100100000000100000000000000000000000000000000000000", SPDM_ALGORITHMS);
	kit_expect(&k,
	    "12ed000000001000"
	    "0100000004049c010000030061626300",
	    "127f0100");
	kit_close(&k);
}

static void test_signature_follows_the_hash(void **state)
{
	X509_REQ *csr;
	struct kit k;

	(void)state;
	kit_open(&k, "p384", NULL);
	kit_connect(&k, "13", true, true);
	kit_make_key(&k, true);
	csr = kit_csr(kit_ask_hex(&k, "13ed010100000000"));
	assert_int_equal(X509_REQ_get_signature_nid(csr), NID_ecdsa_with_SHA384);
	X509_REQ_free(csr);
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wishes_are_merged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_surplus_is_ignored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_opaque_data, setup, teardown),
		cmocka_unit_test(test_opaque_needs_its_format),
		cmocka_unit_test(test_signature_follows_the_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
