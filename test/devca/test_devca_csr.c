#include "csr.h"

#include <string.h>

#include "container.h"
#include "request.h"

struct fixture {
	EVP_PKEY *key;
	X509_REQ *request;
	struct buf der;
};

static int setup(void **state)
{
	static struct fixture f;
	struct err e = { 0 };

	f = (struct fixture){ 0 };
	assert_ok(cert_new_key(&f.key, &e), &e);
	f.request = request_new(f.key, "SN0001", NULL);
	request_der(f.request, &f.der);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	X509_REQ_free(f->request);
	EVP_PKEY_free(f->key);
	buf_free(&f->der);
	return 0;
}

static void decodes_to(const struct buf *body, const struct buf *expected)
{
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	assert_ok(csr_decode(body->data, body->len, &got, &e), &e);
	assert_true(buf_equal(&got, expected));
}

static void test_forms(void **state)
{
	static const struct {
		const char *before;
		size_t width;
		const char *end;
		const char *after;
	} forms[] = {
		{ "", 64, "\n", "" },
		{ "", 64, "\r\n", "" },
		{ "", 76, "\r\n", "\r\n" },
		{ "", 0, "", "" },
		{ " \n", 1, "\t", "\n\n" },
		{ "-----BEGIN CERTIFICATE REQUEST-----\n", 64, "\n",
		    "-----END CERTIFICATE REQUEST-----\n" },
		{ "-----BEGIN NEW CERTIFICATE REQUEST-----\r\n", 64, "\r\n",
		    "-----END NEW CERTIFICATE REQUEST-----\r\n" },
		{ "text\n-----BEGIN CERTIFICATE REQUEST-----\n", 0, "",
		    "\n-----END CERTIFICATE REQUEST-----" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(forms); i++) {
		AUTO_STRUCT(buf) body = { 0 };
		struct err e = { 0 };

		assert_ok(buf_add_str(&body, forms[i].before, &e), &e);
		assert_ok(container_base64(&f->der, forms[i].width, forms[i].end, &body, &e), &e);
		assert_ok(buf_add_str(&body, forms[i].after, &e), &e);
		decodes_to(&body, &f->der);
	}
	decodes_to(&f->der, &f->der);
}

static void test_not_a_form(void **state)
{
	static const char *const bodies[] = { "", "   \n", "MII", "MII!",
		"M===", "{\"csr\":\"MIIB\"}", "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n",
		"-----BEGIN CERTIFICATE REQUEST-----",
		"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n" };
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		assert_err(csr_decode((const uint8_t *)bodies[i], strlen(bodies[i]), &got, &e), &e,
		    "csr.form");
		assert_int_equal(e.domain, ERR_DEVICE);
	}
	assert_err(csr_decode(NULL, 0, &got, &e), &e, "csr.form");
}

static void test_size(void **state)
{
	AUTO_STRUCT(buf) body = { 0 };
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };
	uint8_t *room = buf_room(&body, CSR_BODY_MAX + 1, &e);

	(void)state;
	assert_non_null(room);
	memset(room, 0x30, CSR_BODY_MAX + 1);
	assert_ok(csr_decode(room, CSR_BODY_MAX, &got, &e), &e);
	assert_err(csr_decode(room, CSR_BODY_MAX + 1, &got, &e), &e, "csr.form");
}

static void test_proof_of_possession(void **state)
{
	struct fixture *f = *state;
	AUTO(X509_REQ) *forged = NULL;
	struct err e = { 0 };

	assert_ok(csr_check(f->request, &e), &e);
	f->der.data[f->der.len - 1] ^= 1;
	assert_ok(x509_parse_request(f->der.data, f->der.len, &forged, ERR_DEVICE, &e), &e);
	assert_err(csr_check(forged, &e), &e, "csr.pop");
	assert_int_equal(e.domain, ERR_DEVICE);
}

static void test_weak_key(void **state)
{
	AUTO(EVP_PKEY) *weak = EVP_RSA_gen(1024);
	AUTO(X509_REQ) *request = request_new(weak, "SN0001", NULL);
	struct err e = { 0 };

	(void)state;
	assert_err(csr_check(request, &e), &e, "csr.key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
		cmocka_unit_test(test_not_a_form),
		cmocka_unit_test(test_size),
		cmocka_unit_test_setup_teardown(test_proof_of_possession, setup, teardown),
		cmocka_unit_test(test_weak_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
