#include "x509.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "testing.h"

struct fixture {
	EVP_PKEY *key;
	X509 *root; /* self-signed */
	X509 *leaf; /* issued by root, same key */
	struct buf root_der, leaf_der, request_der;
};

static X509 *make(EVP_PKEY *key, const char *subject, const char *issuer, uint64_t serial)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
			     (const uint8_t *)"Ex\xc3\xa9,mple", -1, -1, 0),
	    1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			     (const uint8_t *)subject, -1, -1, 0),
	    1);
	name = X509_get_issuer_name(cert);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
			     (const uint8_t *)"Ex\xc3\xa9,mple", -1, -1, 0),
	    1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			     (const uint8_t *)issuer, -1, -1, 0),
	    1);
	assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), 0));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), 4000000000));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	return cert;
}

static void make_request(EVP_PKEY *key, struct buf *ret)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	struct err e = { 0 };
	uint8_t *der = NULL;
	int len;

	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, &der);
	assert_ok(buf_add(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
}

static int setup(void **state)
{
	static struct fixture f;
	struct err e = { 0 };

	f.key = EVP_EC_gen("P-256");
	f.root = make(f.key, "root", "root", 1);
	f.leaf = make(f.key, "leaf", "root", 0xfedcba9876543210);
	assert_ok(x509_add_der(f.root, &f.root_der, &e), &e);
	assert_ok(x509_add_der(f.leaf, &f.leaf_der, &e), &e);
	make_request(f.key, &f.request_der);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	X509_free(f->root);
	X509_free(f->leaf);
	EVP_PKEY_free(f->key);
	buf_free(&f->root_der);
	buf_free(&f->leaf_der);
	buf_free(&f->request_der);
	return 0;
}

static void test_parse(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509) *cert = NULL;
	AUTO(X509_REQ) *request = NULL;
	AUTO_STRUCT(buf) again = { 0 };
	struct err e = { 0 };

	assert_ok(x509_parse(f->leaf_der.data, f->leaf_der.len, &cert, ERR_CA, &e), &e);
	assert_ok(x509_add_der(cert, &again, &e), &e);
	assert_true(buf_equal(&again, &f->leaf_der));
	assert_ok(x509_parse_request(f->request_der.data, f->request_der.len, &request, ERR_DEVICE,
		      &e),
	    &e);
	assert_int_equal(EVP_PKEY_eq(X509_REQ_get0_pubkey(request), f->key), 1);
}

/* Every truncation, a byte too many, nothing, and the other kind of object. */
static void test_not_a_certificate(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509) *cert = NULL;
	AUTO(X509_REQ) *request = NULL;
	AUTO_STRUCT(buf) longer = { 0 };
	struct err e = { 0 };

	for (size_t len = 0; len < f->leaf_der.len; len++)
		assert_err(x509_parse(f->leaf_der.data, len, &cert, ERR_CA, &e), &e, "x509");
	for (size_t len = 0; len < f->request_der.len; len++)
		assert_err(x509_parse_request(f->request_der.data, len, &request, ERR_CA, &e), &e,
		    "x509");
	assert_err(x509_parse(NULL, 0, &cert, ERR_CA, &e), &e, "x509");
	assert_err(x509_parse(f->request_der.data, f->request_der.len, &cert, ERR_CA, &e), &e,
	    "x509");
	assert_err(x509_parse_request(f->leaf_der.data, f->leaf_der.len, &request, ERR_CA, &e), &e,
	    "x509");
	assert_ok(buf_add(&longer, f->leaf_der.data, f->leaf_der.len, &e), &e);
	assert_ok(buf_add_u8(&longer, 0, &e), &e);
	assert_err(x509_parse(longer.data, longer.len, &cert, ERR_CA, &e), &e, "x509");
	assert_non_null(strstr(e.message, "1 bytes behind its end"));
	assert_ok(buf_set(&longer, f->request_der.data, f->request_der.len, &e), &e);
	assert_ok(buf_add_u8(&longer, 0, &e), &e);
	assert_err(x509_parse_request(longer.data, longer.len, &request, ERR_CA, &e), &e, "x509");
	assert_int_equal(e.domain, ERR_CA);
	assert_null(cert);
	assert_null(request);
	assert_int_equal(ERR_peek_error(), 0); /* the queue is left empty */
}

/* The key of a request, found without decoding it; not in a truncation, a longer one or another object. */
static void test_request_key(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(buf) longer = { 0 };
	AUTO_STRUCT(buf) want = { 0 };
	const uint8_t *key = NULL;
	struct err e = { 0 };
	size_t len = x509_cut_request_key(f->request_der.data, f->request_der.len, &key);

	assert_ok(x509_add_spki(f->key, &want, &e), &e);
	assert_int_equal(len, want.len);
	assert_memory_equal(key, want.data, len);
	for (len = 0; len < f->request_der.len; len++) {
		assert_ok(buf_set(&longer, f->request_der.data, len, &e), &e);
		assert_int_equal(x509_cut_request_key(longer.data, len, &key), 0);
	}
	assert_int_equal(x509_cut_request_key(f->leaf_der.data, f->leaf_der.len, &key), 0);
	assert_ok(buf_set(&longer, f->request_der.data, f->request_der.len, &e), &e);
	assert_ok(buf_add_u8(&longer, 0, &e), &e);
	assert_int_equal(x509_cut_request_key(longer.data, longer.len, &key), 0);
	/* each length in it too long, or too short for what is inside */
	for (size_t i = 0; i < 64; i++) {
		assert_ok(buf_set(&longer, f->request_der.data, f->request_der.len, &e), &e);
		for (int byte = 0; byte < 256; byte++) {
			longer.data[i] = (uint8_t)byte;
			len = x509_cut_request_key(longer.data, longer.len, &key);
			assert_true(
			    len == 0 ||
			    (key > longer.data && len < longer.len - (size_t)(key - longer.data)));
		}
	}
	assert_int_equal(ERR_peek_error(), 0); /* the queue is left empty */
}

static void test_list(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509_STACK) *list = NULL;
	AUTO(X509_STACK) *one = NULL;
	AUTO_STRUCT(buf) ders = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add(&ders, f->leaf_der.data, f->leaf_der.len, &e), &e);
	assert_ok(buf_add(&ders, f->root_der.data, f->root_der.len, &e), &e);
	assert_ok(x509_parse_list(ders.data, ders.len, &list, ERR_CA, &e), &e);
	assert_int_equal(sk_X509_num(list), 2);
	assert_int_equal(X509_cmp(sk_X509_value(list, 0), f->leaf), 0);
	assert_int_equal(X509_cmp(sk_X509_value(list, 1), f->root), 0);
	assert_ok(x509_parse_list(f->root_der.data, f->root_der.len, &one, ERR_CA, &e), &e);
	assert_int_equal(sk_X509_num(one), 1);
}

static void test_cut(void **state)
{
	static const uint8_t indefinite[] = { 0x30, 0x80, 0x05, 0x00, 0x00, 0x00 };
	static const uint8_t set[] = { 0x31, 0x02, 0x05, 0x00 };
	const struct fixture *f = *state;
	AUTO_STRUCT(buf) ders = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add(&ders, f->leaf_der.data, f->leaf_der.len, &e), &e);
	assert_ok(buf_add(&ders, f->root_der.data, f->root_der.len, &e), &e);
	assert_int_equal(x509_cut(ders.data, ders.len), f->leaf_der.len);
	assert_int_equal(x509_cut(f->root_der.data, f->root_der.len), f->root_der.len);
	assert_int_equal(x509_cut(f->root_der.data, f->root_der.len - 1), 0);
	assert_int_equal(x509_cut(f->root_der.data, 1), 0);
	assert_int_equal(x509_cut(NULL, 0), 0);
	assert_int_equal(x509_cut(indefinite, sizeof(indefinite)), 0);
	assert_int_equal(x509_cut(set, sizeof(set)), 0);
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_is(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509) *leaf = NULL;
	const struct buf *der = &f->leaf_der;
	struct err e = { 0 };

	assert_ok(x509_parse(der->data, der->len, &leaf, ERR_CA, &e), &e);
	assert_true(x509_is(leaf, der->data, der->len));
	assert_false(x509_is(leaf, der->data, der->len - 1));
	assert_false(x509_is(leaf, der->data, 0));
	assert_false(x509_is(leaf, f->root_der.data, f->root_der.len));
	assert_false(x509_is(NULL, der->data, der->len));
	assert_false(x509_is(NULL, NULL, 0));
}

static void test_not_a_list(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509_STACK) *list = NULL;
	AUTO_STRUCT(buf) ders = { 0 };
	struct err e = { 0 };

	assert_err(x509_parse_list(NULL, 0, &list, ERR_CA, &e), &e, "x509");
	assert_ok(buf_add(&ders, f->leaf_der.data, f->leaf_der.len, &e), &e);
	assert_ok(buf_add(&ders, f->root_der.data, f->root_der.len - 1, &e), &e);
	assert_err(x509_parse_list(ders.data, ders.len, &list, ERR_CA, &e), &e, "x509");
	assert_non_null(strstr(e.message, "certificate 2 "));
	assert_null(list);
}

static void test_pem(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509_STACK) *list = NULL;
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add_str(&pem, "a comment\n", &e), &e);
	assert_ok(x509_add_pem(f->leaf, &pem, &e), &e);
	assert_ok(buf_add_str(&pem, "\nanother\r\n", &e), &e);
	assert_ok(x509_add_pem(f->root, &pem, &e), &e);
	assert_ok(buf_add_str(&pem, "an end", &e), &e);
	assert_ok(x509_parse_pem("f", &pem, &list, ERR_CONFIG, &e), &e);
	assert_int_equal(sk_X509_num(list), 2);
	assert_int_equal(X509_cmp(sk_X509_value(list, 0), f->leaf), 0);
	assert_int_equal(X509_cmp(sk_X509_value(list, 1), f->root), 0);
	assert_int_equal(ERR_peek_error(), 0);
}

static void not_pem(const char *text, const char *reason)
{
	AUTO(X509_STACK) *list = NULL;
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add_str(&pem, text, &e), &e);
	assert_err(x509_parse_pem("anchors.pem", &pem, &list, ERR_CONFIG, &e), &e, "x509");
	assert_int_equal(strncmp(e.message, "anchors.pem: ", 13), 0);
	assert_non_null(strstr(e.message, reason));
	assert_int_equal(ERR_peek_error(), 0);
	assert_null(list);
}

static void test_not_pem(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	not_pem("", "no PEM certificate");
	not_pem("nothing here\n", "certificate 1");
	not_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1");
	not_pem("-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate 1");
	assert_ok(x509_add_pem(f->leaf, &pem, &e), &e);
	assert_ok(buf_add_str(&pem,
		      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &e),
	    &e);
	not_pem(buf_str(&pem, &e), "certificate 2");
	pem.data[pem.len - 30] = '!';
	not_pem(buf_str(&pem, &e), "certificate 2");
}

static void test_digests(void **state)
{
	const struct fixture *f = *state;
	uint8_t digest[SHA256_LEN], expected[SHA256_LEN], raw[SHA256_LEN];
	struct err e = { 0 };
	uint8_t *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(f->leaf), &der);

	sha256(f->leaf_der.data, f->leaf_der.len, expected);
	assert_ok(x509_digest(f->leaf, digest, &e), &e);
	assert_memory_equal(digest, expected, SHA256_LEN);
	sha256(der, (size_t)len, raw);
	assert_ok(x509_spki_digest(f->key, digest, &e), &e);
	assert_memory_equal(digest, raw,
	    SHA256_LEN); /* the SubjectPublicKeyInfo, not the bare key */
	OPENSSL_free(der);
}

static void test_texts(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	assert_ok(x509_add_subject(f->leaf, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "CN=leaf,O=Ex\\C3\\A9\\,mple");
	buf_clear(&text);
	assert_ok(x509_add_issuer(f->leaf, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "CN=root,O=Ex\\C3\\A9\\,mple");
	buf_clear(&text);
	assert_ok(x509_add_serial(f->leaf, &text, &e), &e); /* no sign octet */
	assert_string_equal(buf_str(&text, &e), "fedcba9876543210");
	assert_ok(x509_add_serial(f->root, &text, &e), &e); /* appended */
	assert_string_equal(buf_str(&text, &e), "fedcba987654321001");
}

static void test_self_signed(void **state)
{
	const struct fixture *f = *state;
	AUTO(EVP_PKEY) *other = EVP_EC_gen("P-256");
	AUTO(X509) *fake = make(f->key, "root", "root", 1);

	assert_true(x509_is_self_signed(f->root));
	assert_false(x509_is_self_signed(f->leaf));
	assert_true(
	    X509_sign(fake, other, EVP_sha256()) > 0); /* same names, signed by another key */
	assert_false(x509_is_self_signed(fake));
	assert_int_equal(ERR_peek_error(), 0);
}

/* Without decoding: of version 3 and of 1, not in a truncation, a longer one or another object. */
static void test_self_issued(void **state)
{
	const struct fixture *f = *state;
	AUTO(X509) *old = make(f->key, "root", "root", 1);
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	assert_true(x509_cut_is_self_issued(f->root_der.data, f->root_der.len));
	assert_false(x509_cut_is_self_issued(f->leaf_der.data, f->leaf_der.len));
	assert_false(x509_cut_is_self_issued(f->request_der.data, f->request_der.len));
	for (size_t len = 0; len < f->root_der.len; len++) {
		assert_ok(buf_set(&der, f->root_der.data, len, &e), &e);
		assert_false(x509_cut_is_self_issued(der.data, len));
	}
	assert_ok(buf_set(&der, f->root_der.data, f->root_der.len, &e), &e);
	assert_ok(buf_add_u8(&der, 0, &e), &e);
	assert_false(x509_cut_is_self_issued(der.data, der.len));
	assert_true(
	    X509_set_version(old, X509_VERSION_1) == 1 && X509_sign(old, f->key, EVP_sha256()) > 0);
	buf_clear(&der);
	assert_ok(x509_add_der(old, &der, &e), &e);
	assert_true(x509_cut_is_self_issued(der.data, der.len));
	assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_not_a_certificate),
		cmocka_unit_test(test_request_key),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_not_a_list),
		cmocka_unit_test(test_pem),
		cmocka_unit_test(test_not_pem),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_self_signed),
		cmocka_unit_test(test_self_issued),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
