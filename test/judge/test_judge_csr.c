#include "judge_csr.h"

#include <openssl/core_names.h>

#include "judge_kit.h"
#include "weak_keys.h"

static struct kit kit;

struct request {
	EVP_PKEY *key;          /* NULL: the unit's */
	const struct buf *name; /* DER; NULL: the right one */
	const struct buf *san;  /* DER; NULL: none */
	const char *constraints;
	bool twice;
	bool two_lists;
	const EVP_MD *md;
};

static void add_extension(STACK_OF(X509_EXTENSION) * all, const char *name, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, NULL, name, value);

	assert_non_null(extension);
	assert_true(sk_X509_EXTENSION_push(all, extension) > 0);
}

static void add_san(STACK_OF(X509_EXTENSION) * all, const struct buf *san)
{
	ASN1_OBJECT *type = OBJ_txt2obj("2.5.29.17", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

	assert_int_equal(ASN1_OCTET_STRING_set(value, san->data, (int)san->len), 1);
	assert_true(
	    sk_X509_EXTENSION_push(all, X509_EXTENSION_create_by_OBJ(NULL, type, 0, value)) > 0);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(type);
}

static void make(const struct request *spec, struct buf *ret)
{
	const struct buf *name = spec->name != NULL ? spec->name : &kit.subject.name;
	STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
	EVP_PKEY *key = spec->key != NULL ? spec->key : kit.unit_key;
	const uint8_t *p = name->data;
	AUTO(X509_REQ) *request = X509_REQ_new();
	AUTO(X509_NAME) *subject = d2i_X509_NAME(NULL, &p, (long)name->len);
	struct err e = { 0 };
	uint8_t *der = NULL;
	int len;

	assert_int_equal(X509_REQ_set_subject_name(request, subject), 1);
	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	if (spec->san != NULL)
		add_san(all, spec->san);
	if (spec->constraints != NULL)
		add_extension(all, "basicConstraints", spec->constraints);
	if (spec->twice)
		add_extension(all, "basicConstraints", "CA:FALSE");
	if (sk_X509_EXTENSION_num(all) > 0)
		assert_int_equal(X509_REQ_add_extensions(request, all), 1);
	if (spec->two_lists)
		assert_int_equal(X509_REQ_add_extensions_nid(request, all, NID_ms_ext_req), 1);
	assert_true(X509_REQ_sign(request, key,
			EVP_PKEY_is_a(key, "ED25519") ? NULL
			: spec->md != NULL            ? spec->md
						      : EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, &der);
	assert_true(len > 0);
	assert_ok(buf_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
	sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
}

static int judge(const struct buf *der, struct csr_facts *facts, struct err *e)
{
	csr_facts_free(facts);
	return judge_csr(kit.profile, &kit.unit, der, facts, e);
}

static void refuse(const struct request *spec, const char *code)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	make(spec, &der);
	assert_err(judge(&der, &facts, &e), &e, code);
	assert_int_equal(e.domain, ERR_DEVICE);
	assert_null(facts.key);
}

static void test_good(void **state)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	uint8_t digest[SHA256_LEN];
	struct err e = { 0 };

	(void)state;
	make(&(struct request){ 0 }, &der);
	assert_ok(judge(&der, &facts, &e), &e);
	sha256(der.data, der.len, digest);
	assert_memory_equal(facts.csr_sha256, digest, SHA256_LEN);
	assert_ok(x509_spki_digest(kit.unit_key, digest, &e), &e);
	assert_memory_equal(facts.spki_sha256, digest, SHA256_LEN);
	assert_int_equal(EVP_PKEY_eq(facts.key, kit.unit_key), 1);
	assert_true(facts.ecdsa_r.len >= 28 && facts.ecdsa_r.len <= 32);
	assert_int_not_equal(facts.ecdsa_r.data[0], 0);

	make(&(struct request){ .san = &kit.subject.san, .constraints = "CA:FALSE" }, &der);
	assert_ok(judge(&der, &facts, &e), &e);
}

static void test_der(void **state)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) large = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(judge(&der, &facts, &e), &e, "csr.der");
	make(&(struct request){ 0 }, &der);
	assert_ok(buf_add_u8(&der, 0, &e), &e);
	assert_err(judge(&der, &facts, &e), &e, "csr.der");
	der.len -= 2;
	assert_err(judge(&der, &facts, &e), &e, "csr.der");
	assert_ok(buf_set(&der, "\x30\x03\x02\x01\x01", 5, &e), &e);
	assert_err(judge(&der, &facts, &e), &e, "csr.der");
	assert_non_null(buf_room(&large, 20000, &e));
	memset(large.data, 0x30, 20000);
	large.len = 20000;
	assert_err(judge(&large, &facts, &e), &e, "csr.der");
}

/* The same request with its length in one byte too many is not DER; OpenSSL reads it. */
static void test_ber(void **state)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) ber = { 0 };
	AUTO(X509_REQ) *parsed = NULL;
	struct err e = { 0 };

	(void)state;
	make(&(struct request){ 0 }, &der);
	assert_int_equal(der.data[1], 0x81);
	assert_ok(buf_set(&ber, "\x30\x82\x00", 3, &e), &e);
	assert_ok(buf_add(&ber, der.data + 2, der.len - 2, &e), &e);
	assert_ok(x509_parse_request(ber.data, ber.len, &parsed, ERR_DEVICE, &e), &e);
	assert_err(judge(&ber, &facts, &e), &e, "csr.der");
}

/* Version 2 of a request that never had one; OpenSSL reads it. */
static void test_version(void **state)
{
	static const uint8_t version[] = { 0x02, 0x01, 0x00 };
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };
	uint8_t *at;

	(void)state;
	make(&(struct request){ 0 }, &der);
	at = memmem(der.data, der.len, version, sizeof(version));
	assert_non_null(at);
	at[2] = 1;
	assert_err(judge(&der, &facts, &e), &e, "csr.der");
}

static void test_pop(void **state)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	(void)state;
	make(&(struct request){ 0 }, &der);
	der.data[der.len - 1] ^= 1;
	assert_err(judge(&der, &facts, &e), &e, "csr.pop");
}

static void test_key(void **state)
{
	AUTO(EVP_PKEY) *p384 = kit_key("P-384");
	AUTO(EVP_PKEY) *k256 = kit_key("secp256k1");
	AUTO(EVP_PKEY) *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	AUTO(EVP_PKEY) *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	AUTO(EVP_PKEY) *explicit = kit_key("P-256");
	AUTO(EVP_PKEY) *compressed = kit_key("P-256");

	(void)state;
	refuse(&(struct request){ .key = p384 }, "csr.key");
	refuse(&(struct request){ .key = k256 }, "csr.key");
	refuse(&(struct request){ .key = rsa }, "csr.key");
	refuse(&(struct request){ .key = ed }, "csr.key");
	refuse(&(struct request){ .md = EVP_sha1() }, "csr.key");
	assert_int_equal(EVP_PKEY_set_utf8_string_param(explicit, OSSL_PKEY_PARAM_EC_ENCODING,
			     OSSL_PKEY_EC_ENCODING_EXPLICIT),
	    1);
	refuse(&(struct request){ .key = explicit }, "csr.key");
	assert_int_equal(EVP_PKEY_set_utf8_string_param(compressed,
			     OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
			     OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED),
	    1);
	refuse(&(struct request){ .key = compressed }, "csr.key");
}

static void test_other_algorithms(void **state)
{
	static const struct {
		const char *name, *type, *group;
		size_t bits;
	} keys[] = { { "EC:P-384", "EC", "P-384", 0 }, { "EC:P-521", "EC", "P-521", 0 },
		{ "RSA:3072", "RSA", NULL, 3072 }, { "ED25519", "ED25519", NULL, 0 } };
	const char *before = kit.profile->key_algorithm;

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		AUTO(EVP_PKEY) *key =
		    keys[i].group != NULL
			? EVP_PKEY_Q_keygen(NULL, NULL, "EC", keys[i].group)
			: EVP_PKEY_Q_keygen(NULL, NULL, keys[i].type, keys[i].bits);
		AUTO_STRUCT(csr_facts) facts = { 0 };
		AUTO_STRUCT(buf) der = { 0 };
		struct err e = { 0 };

		make(&(struct request){ .key = key }, &der);
		kit.profile->key_algorithm = keys[i].name;
		assert_ok(judge(&der, &facts, &e), &e);
		assert_int_equal(facts.ecdsa_r.len > 0, strcmp(keys[i].type, "EC") == 0);
		kit.profile->key_algorithm = before;
		assert_err(judge(&der, &facts, &e), &e, "csr.key");
	}
}

static void test_subject(void **state)
{
	AUTO_STRUCT(subject) other = { 0 };
	struct profile changed = *kit.profile;
	struct identity unit = kit.unit;
	struct buf empty = { .data = (uint8_t[]){ 0x30, 0x00 }, .len = 2 };
	struct err e = { 0 };

	(void)state;
	memcpy(unit.serial, "SN0002", 7);
	assert_ok(subject_render(&other, kit.profile, &unit, &e), &e);
	refuse(&(struct request){ .name = &other.name }, "csr.subject");
	refuse(&(struct request){ .name = &empty }, "csr.subject");

	subject_free(&other);
	changed.rdns[0].string = STRING_PRINTABLE;
	assert_ok(subject_render(&other, &changed, &kit.unit, &e), &e);
	refuse(&(struct request){ .name = &other.name }, "csr.subject");

	subject_free(&other);
	changed.rdns[0] = kit.profile->rdns[2];
	changed.rdns[2] = kit.profile->rdns[0];
	assert_ok(subject_render(&other, &changed, &kit.unit, &e), &e);
	refuse(&(struct request){ .name = &other.name }, "csr.subject");
}

static void judge_san(const char *der, size_t len, const char *code)
{
	struct buf san = { .data = (uint8_t[128]){ 0 }, .len = len };
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };

	assert_true(len <= 128);
	memcpy(san.data, der, len);
	make(&(struct request){ .san = &san }, &csr);
	if (code == NULL)
		assert_ok(judge(&csr, &facts, &e), &e);
	else
		assert_err(judge(&csr, &facts, &e), &e, code);
}

#define DEVICE_INFO "\x06\x0a\x2b\x06\x01\x04\x01\x83\x1c\x82\x12\x01"
#define MODULE      "\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x04"

static void test_names(void **state)
{
	AUTO_STRUCT(subject) other = { 0 };
	struct identity unit = kit.unit;
	struct err e = { 0 };

	(void)state;
	memcpy(unit.serial, "SN0002", 7);
	assert_ok(subject_render(&other, kit.profile, &unit, &e), &e);
	refuse(&(struct request){ .san = &other.san }, "csr.serial");

	judge_san("\x30\x1e\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
		  "AC:WI:SN0001",
	    32, NULL);
	judge_san("\x30\x1e\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
		  "AC:WI:SN0002",
	    32, "csr.serial");
	judge_san("\x30\x1e\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
		  "AC:WI-SN0001",
	    32, "csr.serial");
	judge_san("\x30\x1e\xa0\x1c" DEVICE_INFO "\xa0\x0e\x16\x0c"
		  "AC:WI:SN0001",
	    32, "csr.san");
	/* Another hwType with the right serial, and one with an empty serial. */
	judge_san("\x30\x1b\xa0\x19" MODULE "\xa0\x0d\x30\x0b\x06\x01\x2a\x04\x06"
		  "SN0001",
	    29, "csr.san");
	judge_san("\x30\x15\xa0\x13" MODULE "\xa0\x07\x30\x05\x06\x01\x2a\x04\x00", 23,
	    "csr.serial");
	judge_san("\x30\x07\x82\x05"
		  "a.b.c",
	    9, "csr.san");
	judge_san("\x30\x00", 2, "csr.san");
	judge_san("\x30\x07\x82\x06"
		  "a.b.c",
	    9, "csr.san");
	judge_san("\x04\x00", 2, "csr.san");
}

static void test_extensions(void **state)
{
	(void)state;
	refuse(&(struct request){ .constraints = "CA:TRUE" }, "csr.extension");
	refuse(&(struct request){ .constraints = "CA:FALSE", .twice = true }, "csr.extension");
	refuse(&(struct request){ .constraints = "CA:FALSE", .two_lists = true }, "csr.extension");
}

static void test_weak(void **state)
{
	AUTO(EVP_PKEY) *seven = weak_ec_key("prime256v1", "07");
	AUTO(EVP_PKEY) *rfc6979 = weak_ec_key("prime256v1",
	    "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");

	(void)state;
	refuse(&(struct request){ .key = seven }, "csr.weak");
	refuse(&(struct request){ .key = rfc6979 }, "csr.weak");
}

static int open_kit(void **state)
{
	(void)state;
	kit_open(&kit);
	return 0;
}

static int close_kit(void **state)
{
	(void)state;
	kit_close(&kit);
	return 0;
}

static void test_ecdsa_r(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{ "\x30\x03\x02\x01\x05", 5 },
		{ "\x30\x06\x02\x01\x00\x02\x01\x05", 8 },
		{ "\x30\x06\x02\x01\x05\x02\x01\x05\x00", 9 },
		{ NULL, 0 },
	};
	AUTO_STRUCT(buf) r = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(judge_ecdsa_r((const uint8_t *)"\x30\x07\x02\x02\x00\x81\x02\x01\x05", 9, &r, &e),
	    &e);
	assert_int_equal(r.len, 1);
	assert_int_equal(r.data[0], 0x81);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_err(judge_ecdsa_r((const uint8_t *)bad[i].bytes, bad[i].len, &r, &e), &e,
		    "csr.der");
}

/* Requests that a modem made, with NULL where ecdsa-with-SHA256 has no parameters: all is well with
 * them but their names. */
static void test_modem(void **state)
{
	static const char *const files[] = { "nordic/keygen-csr-with-null.body.bin",
		"nordic/keygen-csr-uuid-subject.body.bin",
		"nordic/keygen-csr-imei-subject.body.bin",
		"nordic/keygen-csr-without-null.body.bin",
		"nordic/keygen-csr-with-null.null-removed.der" };

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_STRUCT(csr_facts) facts = { 0 };
		AUTO_STRUCT(buf) der = { 0 };
		struct err e = { 0 };

		if (testing_vector(files[i]) == NULL)
			testing_skip("the vectors");
		testing_read(testing_vector(files[i]), &der);
		assert_err(judge(&der, &facts, &e), &e, "csr.subject");
	}
}

/* What libspdm answers to GET_CSR: 13 6D, 2 bytes, le16 length, 2 bytes, the request. */
static void test_spdm(void **state)
{
	const char *path = testing_vector("spdm/flow_13_p256_sha256.json");
	AUTO(json_t) *vector = NULL;
	const json_t *message;
	size_t i, found = 0;

	(void)state;
	if (path == NULL)
		testing_skip("the vectors");
	vector = testing_json(path);
	json_array_foreach(json_object_get(vector, "exchange"), i, message)
	{
		const char *hex = json_string_value(json_object_get(message, "spdm"));
		AUTO_STRUCT(csr_facts) facts = { 0 };
		AUTO_STRUCT(buf) der = { 0 };
		struct err e = { 0 };

		if (hex == NULL || strncmp(hex, "136d", 4) != 0)
			continue;
		testing_hex(hex, &der);
		buf_drop(&der, 8);
		assert_err(judge(&der, &facts, &e), &e, "csr.subject");
		found++;
	}
	assert_true(found > 0);
}

static void test_vectors(void **state)
{
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	(void)state;
	if (testing_vector("est/altered/request.der") == NULL)
		testing_skip("the vectors");
	testing_read(testing_vector("est/altered/request.der"), &der);
	assert_ok(judge(&der, &facts, &e), &e);
	testing_read(testing_vector("est/csr/p256-bad-signature.der"), &der);
	assert_err(judge(&der, &facts, &e), &e, "csr.pop");
	testing_read(testing_vector("est/csr/rsa3072.der"), &der);
	assert_err(judge(&der, &facts, &e), &e, "csr.key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_ber),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_pop),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_other_algorithms),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_weak),
		cmocka_unit_test(test_ecdsa_r),
		cmocka_unit_test(test_modem),
		cmocka_unit_test(test_spdm),
		cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests(tests, open_kit, close_kit);
}
