#include "container.h"

#include <string.h>

#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "peer.h"
#include "warning.h"

static struct peer_identity device;
static struct buf der; /* of the certificate */

static struct buf text(const char *s)
{
	return (struct buf){ .data = (uint8_t *)(uintptr_t)s, .len = strlen(s) }; /* only read */
}

static void expect_refused(const struct buf *body, const char *code)
{
	X509_STACK *certs = NULL;
	unsigned warnings = 0;
	struct err e = { 0 };

	assert_err(container_certificates(body, &certs, &warnings, &e), &e, code);
	assert_null(certs);
	assert_int_equal(warnings, 0);
	assert_int_equal(e.domain, ERR_CA);
}

static void expect_certificates(const struct buf *body, int count, unsigned warnings)
{
	AUTO(X509_STACK) *certs = NULL;
	unsigned got = 0;
	struct err e = { 0 };

	assert_ok(container_certificates(body, &certs, &got, &e), &e);
	assert_int_equal(sk_X509_num(certs), count);
	assert_int_equal(got, warnings);
}

/* A certs-only PKCS#7 of count copies, DER. */
static void add_pkcs7(int count, struct buf *ret)
{
	PKCS7 *p7 = PKCS7_new();
	struct err e = { 0 };
	uint8_t *data = NULL;
	int len;

	assert_int_equal(PKCS7_set_type(p7, NID_pkcs7_signed), 1);
	assert_int_equal(PKCS7_content_new(p7, NID_pkcs7_data), 1);
	assert_int_equal(PKCS7_set_detached(p7, 1), 1);
	for (int i = 0; i < count; i++)
		assert_int_equal(PKCS7_add_certificate(p7, device.cert), 1);
	len = i2d_PKCS7(p7, &data);
	assert_true(len > 0);
	assert_ok(buf_add(ret, data, (size_t)len, &e), &e);
	OPENSSL_free(data);
	PKCS7_free(p7);
}

static void takes_base64_in_any_wrapping(void **state)
{
	AUTO_STRUCT(buf) p7 = { 0 };
	AUTO_STRUCT(buf) line = { 0 };
	AUTO_STRUCT(buf) wild = { 0 };
	struct err e = { 0 };

	(void)state;
	add_pkcs7(1, &p7);
	assert_ok(base64_encode(p7.data, p7.len, &line, &e), &e);
	expect_certificates(&line, 1, 0);
	assert_ok(buf_add_str(&wild, " \t\r\n", &e), &e);
	for (size_t i = 0; i < line.len; i++) {
		assert_ok(buf_add_u8(&wild, line.data[i], &e), &e);
		assert_ok(buf_add_str(&wild, i % 5 == 0 ? "\r\n \t" : "", &e), &e);
	}
	expect_certificates(&wild, 1, 0);
	assert_ok(buf_add(&wild, "\n\0\0", 3, &e), &e);
	expect_certificates(&wild, 1, WARN_TRAILING_NUL);
	expect_certificates(&p7, 1, WARN_NOT_BASE64);
}

static void refuses_what_is_no_container(void **state)
{
	static const struct {
		const char *body, *code;
	} cases[] = {
		{ "", "est.empty" },
		{ " \r\n\t\n", "est.empty" },
		{ "<html>", "est.html" },
		{ "{\"crt\":\"-----BEGIN CERTIFICATE-----\"}", "est.json" },
		{ "[1]", "est.json" },
		{ "Internal error.", "est.base64" },
		{ "MIIB", "est.container" },
		{ "MIIB=", "est.base64" },
		{ "TWFu", "est.container" },
		{ "MAA=", "est.container" },
		{ "MAA=MAA=", "est.base64" },
		{ "MI_B", "est.base64" },
		{ "0", "est.container" },
		{ "-----BEGIN CERTIFICATE-----", "est.container" },
		{ "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
		    "est.container" },
		{ "-----BEGIN CERTIFICATE-----\nMAA=\n-----END PKCS7-----\n", "est.container" },
		{ "-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n",
		    "est.container" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf body = text(cases[i].body);

		expect_refused(&body, cases[i].code);
	}
}

static void refuses_bytes_behind_the_end(void **state)
{
	AUTO_STRUCT(buf) p7 = { 0 };
	AUTO_STRUCT(buf) cert = { 0 };
	struct err e = { 0 };

	(void)state;
	add_pkcs7(1, &p7);
	assert_ok(buf_add_u8(&p7, 0, &e), &e);
	expect_refused(&p7, "est.container");
	assert_ok(buf_add(&cert, der.data, der.len, &e), &e);
	expect_certificates(&cert, 1, WARN_NOT_BASE64 | WARN_BARE_CERTIFICATE);
	assert_ok(buf_add_u8(&cert, 0, &e), &e);
	expect_refused(&cert, "est.container");
}

static void refuses_each_prefix(void **state)
{
	AUTO_STRUCT(buf) p7 = { 0 };

	(void)state;
	add_pkcs7(1, &p7);
	while (p7.len-- > 1)
		expect_refused(&p7, "est.container");
}

static void refuses_none_and_too_many(void **state)
{
	AUTO_STRUCT(buf) none = { 0 };
	AUTO_STRUCT(buf) most = { 0 };
	AUTO_STRUCT(buf) more = { 0 };

	(void)state;
	add_pkcs7(0, &none);
	expect_refused(&none, "est.no-certificate");
	add_pkcs7(CONTAINER_CERTS_MAX, &most);
	expect_certificates(&most, CONTAINER_CERTS_MAX, WARN_NOT_BASE64);
	add_pkcs7(CONTAINER_CERTS_MAX + 1, &more);
	expect_refused(&more, "est.too-many");
}

/* What comes back fits into one line to the station. */
static void refuses_a_giant_certificate(void **state)
{
	static char name[100000];
	AUTO_STRUCT(buf) pem = { 0 };
	X509 *giant;
	struct err e = { 0 };

	(void)state;
	(void)snprintf(name, sizeof(name), "DNS:%099000d", 1);
	giant = peer_certify(device.key, "giant", name, false, NULL, 3600);
	assert_ok(x509_add_pem(giant, &pem, &e), &e);
	expect_certificates(&pem, 1, WARN_PEM_ARMOUR | WARN_BARE_CERTIFICATE);
	assert_ok(x509_add_pem(giant, &pem, &e), &e);
	expect_refused(&pem, "est.too-many");
	X509_free(giant);
}

static void shows_the_first_line(void **state)
{
	struct buf body = text("the CSR has a \"bad\" subject \x1b[2J\nmore");
	X509_STACK *certs = NULL;
	unsigned warnings = 0;
	struct err e = { 0 };

	(void)state;
	assert_err(container_certificates(&body, &certs, &warnings, &e), &e, "est.base64");
	assert_non_null(strstr(e.message, "the CSR has a \"bad\" subject ?[2J\""));
}

static void counts_attributes(void **state)
{
	static const struct {
		const char *file;
		size_t count;
		unsigned warnings;
	} vectors[] = {
		{ "globalsign-csrattrs", 0, 0 },
		{ "globalsign-csrattrs-label", 4, 0 },
		{ "libest-csrattrs", 4, WARN_TRAILING_NUL },
	};

	(void)state;
	if (testing_vector("est/index.json") == NULL)
		testing_skip("the EST vectors ($KILN_VECTORS)");
	for (size_t i = 0; i < COUNT(vectors); i++) {
		AUTO_STRUCT(buf) http = { 0 };
		char path[128];
		uint8_t *body;
		unsigned warnings = 0;
		size_t count = 99;
		struct err e = { 0 };

		(void)snprintf(path, sizeof(path), "est/answers/%s.http", vectors[i].file);
		testing_read(testing_vector(path), &http);
		body = memmem(http.data, http.len, "\r\n\r\n", 4);
		buf_drop(&http, (size_t)(body - http.data) + 4);
		assert_ok(container_attributes(&http, &count, &warnings, &e), &e);
		assert_int_equal(count, vectors[i].count);
		assert_int_equal(warnings, vectors[i].warnings);
	}
}

static void refuses_bad_attributes(void **state)
{
	static const char *const bad[] = { "", "MAA", "MAAA", "AgEB", "<html>" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct buf body = text(bad[i]);
		unsigned warnings = 0;
		size_t count = 99;
		struct err e = { 0 };

		assert_int_equal(container_attributes(&body, &count, &warnings, &e), -1);
		assert_int_equal(e.domain, ERR_CA);
		assert_int_equal(count, 99);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_base64_in_any_wrapping),
		cmocka_unit_test(refuses_what_is_no_container),
		cmocka_unit_test(refuses_bytes_behind_the_end),
		cmocka_unit_test(refuses_each_prefix),
		cmocka_unit_test(refuses_none_and_too_many),
		cmocka_unit_test(refuses_a_giant_certificate),
		cmocka_unit_test(shows_the_first_line),
		cmocka_unit_test(counts_attributes),
		cmocka_unit_test(refuses_bad_attributes),
	};
	struct err e = { 0 };
	int rc;

	device = peer_identity("device", "DNS:d", NULL, 3600);
	if (x509_add_der(device.cert, &der, &e) != 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&der);
	peer_identity_free(&device);
	return rc;
}
