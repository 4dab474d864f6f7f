#include "container.h"

#include <string.h>

#include <openssl/pkcs7.h>

#include "ca.h"
#include "testing.h"

static void base64_is(const char *bytes, size_t width, const char *end, const char *expected)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add_str(&der, bytes, &e), &e);
	assert_ok(container_base64(&der, width, end, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), expected);
}

static void test_base64(void **state)
{
	(void)state;
	base64_is("abcdef", 0, "", "YWJjZGVm");
	base64_is("abcdef", 4, "\n", "YWJj\nZGVm\n");
	base64_is("abcdef", 5, "\r\n", "YWJjZ\r\nGVm\r\n");
	base64_is("abcdef", 8, "\n", "YWJjZGVm\n");
	base64_is("abcdef", 64, "\n", "YWJjZGVm\n");
	base64_is("", 64, "\n", "");
}

/* A certs-only SignedData: no signer, no digest algorithm, no content, the certificates in order. */
static void test_pkcs7(void **state)
{
	AUTO_STRUCT(buf) der = { 0 };
	struct ca *ca = NULL;
	struct err e = { 0 };
	STACK_OF(X509) *certs = sk_X509_new_null();
	const uint8_t *p;
	PKCS7 *p7;

	(void)state;
	assert_ok(ca_new(&ca, &(const struct ca_options){ .hours = 1 }, &e), &e);
	assert_true(sk_X509_push(certs, ca->tls.cert) > 0);
	assert_true(sk_X509_push(certs, ca->root.cert) > 0);
	assert_ok(container_pkcs7(certs, &der, &e), &e);
	p = der.data;
	p7 = d2i_PKCS7(NULL, &p, (long)der.len);
	assert_non_null(p7);
	assert_ptr_equal(p, der.data + der.len);
	assert_true(PKCS7_type_is_signed(p7));
	assert_int_equal(sk_PKCS7_SIGNER_INFO_num(p7->d.sign->signer_info), 0);
	assert_int_equal(sk_X509_ALGOR_num(p7->d.sign->md_algs), 0);
	assert_true(PKCS7_type_is_data(p7->d.sign->contents));
	assert_null(p7->d.sign->contents->d.data);
	assert_int_equal(sk_X509_num(p7->d.sign->cert), 2);
	assert_int_equal(X509_cmp(sk_X509_value(p7->d.sign->cert, 0), ca->tls.cert), 0);
	assert_int_equal(X509_cmp(sk_X509_value(p7->d.sign->cert, 1), ca->root.cert), 0);
	PKCS7_free(p7);
	sk_X509_free(certs);
	ca_free(ca);
}

static void test_pkcs7_without_certificate(void **state)
{
	AUTO_STRUCT(buf) der = { 0 };
	STACK_OF(X509) *none = sk_X509_new_null();
	struct err e = { 0 };
	const uint8_t *p;
	PKCS7 *p7;

	(void)state;
	assert_ok(container_pkcs7(none, &der, &e), &e);
	p = der.data;
	p7 = d2i_PKCS7(NULL, &p, (long)der.len);
	assert_non_null(p7);
	assert_true(sk_X509_num(p7->d.sign->cert) <= 0);
	PKCS7_free(p7);
	sk_X509_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_pkcs7),
		cmocka_unit_test(test_pkcs7_without_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
