#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "hsm_csr.h"
#include "oids.h"
#include "testing.h"
#include "x509.h"

static EVP_PKEY *key(const char *curve)
{
	EVP_PKEY *made = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);

	assert_non_null(made);
	return made;
}

static X509_REQ *request(EVP_PKEY *with, const char *subject, enum hsm_purpose purpose)
{
	AUTO_STRUCT(buf) der = { 0 };
	X509_REQ *parsed = NULL;
	struct err e = { 0 };

	assert_ok(hsm_csr(with, subject, purpose, &der, &e), &e);
	assert_ok(x509_parse_request(der.data, der.len, &parsed, ERR_CONFIG, &e), &e);
	assert_int_equal(X509_REQ_verify(parsed, with), 1);
	return parsed;
}

static void subject_is(const char *subject, const char *rfc2253)
{
	AUTO(EVP_PKEY) *with = key("P-256");
	AUTO(X509_REQ) *r = request(with, subject, HSM_PURPOSE_PLAIN);
	AUTO(BIO) *out = BIO_new(BIO_s_mem());
	char *text;
	long len;

	assert_true(X509_NAME_print_ex(out, X509_REQ_get_subject_name(r), 0, XN_FLAG_RFC2253) > 0);
	len = BIO_get_mem_data(out, &text);
	if ((size_t)len != strlen(rfc2253) || memcmp(text, rfc2253, (size_t)len) != 0)
		fail_msg("%s: %.*s, not %s", subject, (int)len, text, rfc2253);
}

static void subjects_in_both_notations(void **state)
{
	(void)state;
	subject_is("/CN=station 7", "CN=station 7");
	subject_is("/O=Example/OU=Line 7/CN=station 7", "CN=station 7,OU=Line 7,O=Example");
	subject_is("CN=station 7,OU=Line 7,O=Example", "CN=station 7,OU=Line 7,O=Example");
	subject_is("CN=station 7, O=Example", "CN=station 7,O=Example");
	subject_is("/CN=a\\/b,c=d", "CN=a/b\\,c=d");
	subject_is("CN=a\\,b/c,O=x\\\\y", "CN=a\\,b/c,O=x\\\\y");
	subject_is("CN=Z\\C3\\BCrich", "CN=Z\\C3\\BCrich");
	subject_is("/serialNumber=77/2.5.4.3=dotted", "CN=dotted,serialNumber=77");
}

static void other_subjects_are_refused(void **state)
{
	static const char *const wrong[] = { "", "/", "station 7", "/CN", "/CN=", "/=x", "/CN=a/",
		"/CN=a//O=b", "CN=a,", "/Colour=red", "/C=Germany", "/CN=\\C3\\28" };
	AUTO(EVP_PKEY) *with = key("P-256");
	AUTO_STRUCT(buf) der = { 0 };
	char big[400] = "/CN=";
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(hsm_csr(with, wrong[i], HSM_PURPOSE_PLAIN, &der, &e), &e, "hsm.subject");
	memset(big + 4, 'x', 300);
	assert_err(hsm_csr(with, big, HSM_PURPOSE_PLAIN, &der, &e), &e, "hsm.subject");
	assert_int_equal(der.len, 0);
	assert_int_equal(ERR_peek_error(), 0);
}

static bool asks_for(X509_REQ *r, int nid, const char *value)
{
	STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(r);
	X509_EXTENSION *wanted = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int at = X509v3_get_ext_by_NID(asked, nid, -1);
	X509_EXTENSION *found = at >= 0 ? sk_X509_EXTENSION_value(asked, at) : NULL;
	bool equal = found != NULL &&
		     ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(found),
			 X509_EXTENSION_get_data(wanted)) == 0 &&
		     X509_EXTENSION_get_critical(found) == X509_EXTENSION_get_critical(wanted);

	X509_EXTENSION_free(wanted);
	sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
	return equal;
}

static void each_purpose_asks_for_its_usage(void **state)
{
	static const char *const usages[] = {
		[HSM_PURPOSE_RA] = "clientAuth," OID_CMC_RA,
		[HSM_PURPOSE_ATTESTATION] = OID_KILN_EKU_ATTESTATION,
	};
	AUTO(EVP_PKEY) *with = key("P-256");
	AUTO(X509_REQ) *plain = request(with, "/CN=a", HSM_PURPOSE_PLAIN);

	(void)state;
	assert_int_equal(X509_REQ_get_attr_count(plain), 0);
	for (size_t i = HSM_PURPOSE_RA; i < COUNT(usages); i++) {
		AUTO(X509_REQ) *r = request(with, "/CN=a", (enum hsm_purpose)i);

		assert_true(asks_for(r, NID_key_usage, "critical,digitalSignature"));
		assert_true(asks_for(r, NID_ext_key_usage, usages[i]));
		assert_false(asks_for(r, NID_ext_key_usage, "clientAuth"));
	}
}

static void the_digest_fits_the_key(void **state)
{
	AUTO(EVP_PKEY) *with = key("P-384");
	AUTO(X509_REQ) *r = request(with, "/CN=a", HSM_PURPOSE_PLAIN);

	(void)state;
	assert_int_equal(X509_REQ_get_signature_nid(r), NID_ecdsa_with_SHA384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects_in_both_notations),
		cmocka_unit_test(other_subjects_are_refused),
		cmocka_unit_test(each_purpose_asks_for_its_usage),
		cmocka_unit_test(the_digest_fits_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
