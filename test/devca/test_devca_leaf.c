#include "leaf.h"

#include <string.h>

#include "clock.h"
#include "oids.h"
#include "request.h"

static const struct request_extension asked[] = {
	{ NID_subject_alt_name, "otherName:1.3.6.1.5.5.7.8.4;UTF8:SN0001,URI:urn:x" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "clientAuth" },
	{ NID_certificate_policies, "1.3.6.1.4.1.32473.1" },
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_netscape_comment, "not for a certificate" },
	{ 0, NULL },
};

struct fixture {
	struct ca *ca;
	EVP_PKEY *key;
	X509_REQ *request;
};

static void begin(struct fixture *f, const struct ca_options *options)
{
	struct err e = { 0 };

	assert_ok(ca_new(&f->ca, options, &e), &e);
	assert_ok(cert_new_key(&f->key, &e), &e);
	f->request = request_new(f->key, "SN0001", asked);
}

static int setup(void **state)
{
	static struct fixture f;

	begin(&f, &(const struct ca_options){ .hours = 24 });
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ca_free(f->ca);
	X509_REQ_free(f->request);
	EVP_PKEY_free(f->key);
	return 0;
}

static X509 *issue(const struct fixture *f, unsigned flaws)
{
	struct err e = { 0 };
	X509 *leaf = NULL;

	assert_ok(leaf_issue(f->ca, f->request, flaws, &leaf, &e), &e);
	return leaf;
}

/* The one extension of this OID, or NULL. */
static X509_EXTENSION *extension_of(const X509 *cert, const char *oid)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	int at = X509_get_ext_by_OBJ(cert, object, -1);

	if (at >= 0)
		assert_int_equal(X509_get_ext_by_OBJ(cert, object, at), -1);
	ASN1_OBJECT_free(object);
	return at >= 0 ? X509_get_ext(cert, at) : NULL;
}

static bool verifies(const struct fixture *f, X509 *leaf)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	STACK_OF(X509) *between = sk_X509_new_null();
	bool good;

	assert_int_equal(X509_STORE_add_cert(store, f->ca->root.cert), 1);
	assert_true(sk_X509_push(between, f->ca->issuing.cert) > 0);
	assert_int_equal(X509_STORE_CTX_init(context, store, leaf, between), 1);
	X509_STORE_CTX_set_flags(context, X509_V_FLAG_X509_STRICT);
	good = X509_verify_cert(context) == 1;
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	sk_X509_free(between);
	return good;
}

static void test_as_asked(void **state)
{
	struct fixture *f = *state;
	AUTO(X509) *leaf = issue(f, 0);
	STACK_OF(X509_EXTENSION) *wanted = X509_REQ_get_extensions(f->request);

	assert_true(verifies(f, leaf));
	assert_int_equal(X509_get_version(leaf), X509_VERSION_3);
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(leaf),
			     X509_REQ_get_subject_name(f->request)),
	    0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), f->key), 1);
	for (int i = 0; i < 4; i++) {
		X509_EXTENSION *want = sk_X509_EXTENSION_value(wanted, i);
		int at = X509_get_ext_by_OBJ(leaf, X509_EXTENSION_get_object(want), -1);

		assert_true(at >= 0);
		assert_int_equal(ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(want),
				     X509_EXTENSION_get_data(X509_get_ext(leaf, at))),
		    0);
		assert_int_equal(X509_EXTENSION_get_critical(want),
		    X509_EXTENSION_get_critical(X509_get_ext(leaf, at)));
	}
	assert_int_equal(X509_get_ext_by_NID(leaf, NID_netscape_comment, -1), -1);
	assert_int_equal(X509_get_ext_count(leaf), 8); /* four as asked, BC, SKI, AKI, the mark */
	sk_X509_EXTENSION_pop_free(wanted, X509_EXTENSION_free);
}

static void test_mark(void **state)
{
	struct fixture *f = *state;
	X509 *const ours[] = { f->ca->root.cert, f->ca->issuing.cert, f->ca->tls_root.cert,
		f->ca->tls.cert };

	for (size_t i = 0; i < COUNT(ours); i++)
		assert_non_null(extension_of(ours[i], OID_KILN_NOT_FOR_PRODUCTION));
	for (unsigned flaw = 0; flaw < 15; flaw++) {
		AUTO(X509) *leaf = issue(f, flaw == 0 ? 0 : 1U << (flaw - 1));
		X509_EXTENSION *mark = extension_of(leaf, OID_KILN_NOT_FOR_PRODUCTION);

		assert_non_null(mark);
		assert_int_equal(X509_EXTENSION_get_critical(mark), 0);
		assert_memory_equal(ASN1_STRING_get0_data(X509_EXTENSION_get_data(mark)),
		    "\x05\x00", 2);
	}
}

/* SKI by method 1 of RFC 5280 4.2.1.2: SHA-1 of the key's bits. */
static void test_key_identifiers(void **state)
{
	struct fixture *f = *state;
	AUTO(X509) *leaf = issue(f, 0);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len;
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(leaf);

	assert_int_equal(X509_pubkey_digest(leaf, EVP_sha1(), digest, &len), 1);
	assert_int_equal(ASN1_STRING_length(ski), len);
	assert_memory_equal(ASN1_STRING_get0_data(ski), digest, len);
	assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf),
			     X509_get0_subject_key_id(f->ca->issuing.cert)),
	    0);
}

static void test_serial(void **state)
{
	struct fixture *f = *state;
	AUTO(X509) *a = issue(f, 0);
	AUTO(X509) *b = issue(f, 0);

	assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(a)), 16);
	assert_int_equal(X509_get0_serialNumber(a)->type, V_ASN1_INTEGER); /* positive */
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a), X509_get0_serialNumber(b)),
	    0);
}

static void test_default_key_usage(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };
	AUTO(X509_REQ) *bare = request_new(f->key, "SN0002", NULL);
	AUTO(X509) *leaf = NULL;

	assert_ok(leaf_issue(f->ca, bare, 0, &leaf, &e), &e);
	assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_get_ext_by_NID(leaf, NID_ext_key_usage, -1), -1);
	assert_int_equal(X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1), -1);
}

static void test_refused_extensions(void **state)
{
	static const struct request_extension refused[][2] = {
		{ { NID_basic_constraints, "CA:TRUE" } },
		{ { NID_key_usage, "keyCertSign" } },
		{ { NID_key_usage, "cRLSign" } },
		{ { NID_ext_key_usage, "clientAuth,anyExtendedKeyUsage" } },
		{ { NID_ext_key_usage, "clientAuth," OID_CMC_RA } },
		{ { NID_ext_key_usage, "OCSPSigning" } },
		{ { NID_ext_key_usage, OID_KILN_EKU_ATTESTATION } },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(refused); i++) {
		AUTO(X509_REQ) *request = request_new(f->key, "SN0001", refused[i]);
		AUTO(X509) *leaf = NULL;
		struct err e = { 0 };

		assert_err(leaf_issue(f->ca, request, 0, &leaf, &e), &e, "csr.extension");
		assert_int_equal(e.domain, ERR_DEVICE);
		assert_null(leaf);
	}
}

static void test_twice_the_same_extension(void **state)
{
	static const struct request_extension twice[] = {
		{ NID_ext_key_usage, "clientAuth" },
		{ NID_ext_key_usage, "clientAuth" },
		{ 0, NULL },
	};
	struct fixture *f = *state;
	AUTO(X509_REQ) *request = request_new(f->key, "SN0001", twice);
	AUTO(X509) *leaf = NULL;
	struct err e = { 0 };

	assert_err(leaf_issue(f->ca, request, 0, &leaf, &e), &e, "csr.extension");
	assert_non_null(strstr(e.message, "twice"));
}

static int64_t seconds(const ASN1_TIME *time)
{
	struct tm tm;

	assert_int_equal(ASN1_TIME_to_tm(time, &tm), 1);
	return timegm(&tm);
}

static void lives(const struct ca_options *options, int64_t from_now)
{
	struct fixture f = { 0 };
	struct fixture *p = &f;
	X509 *leaf;

	begin(&f, options);
	leaf = issue(&f, 0);
	assert_true(
	    llabs(seconds(X509_get0_notBefore(leaf)) + CA_BACKDATE_S - clock_wall_s()) <= 2);
	assert_true(llabs(seconds(X509_get0_notAfter(leaf)) - clock_wall_s() - from_now) <= 2);
	assert_true(verifies(&f, leaf));
	X509_free(leaf);
	(void)teardown((void **)&p);
}

static void test_life(void **state)
{
	(void)state;
	lives(&(const struct ca_options){ .hours = 24 }, 24 * 3600);
	lives(&(const struct ca_options){ .hours = 1 }, 3600);
	lives(&(const struct ca_options){ .hours = 24, .leaf_days = 3650 },
	    3650LL * 86400 - CA_BACKDATE_S);
	lives(&(const struct ca_options){ .hours = 24, .leaf_days = 1 }, 86400 - CA_BACKDATE_S);
}

static void test_no_expiry(void **state)
{
	struct fixture f = { 0 };
	struct fixture *p = &f;
	X509 *leaf;

	(void)state;
	begin(&f, &(const struct ca_options){ .hours = 24, .no_expiry = true });
	leaf = issue(&f, 0);
	assert_int_equal(X509_get0_notAfter(leaf)->type, V_ASN1_GENERALIZEDTIME);
	assert_string_equal((const char *)ASN1_STRING_get0_data(X509_get0_notAfter(leaf)),
	    "99991231235959Z");
	X509_free(leaf);
	(void)teardown((void **)&p);
}

/* Each flaw changes what it says and lets the chain verify or not. */
static void test_flaws(void **state)
{
	struct fixture *f = *state;
	AUTO(X509) *key = issue(f, LEAF_OTHER_KEY);
	AUTO(X509) *subject = issue(f, LEAF_OTHER_SUBJECT);
	AUTO(X509) *bare = issue(f, LEAF_NO_SAN | LEAF_NO_SKI | LEAF_NO_AKI);
	AUTO(X509) *usage = issue(f, LEAF_OTHER_KU | LEAF_OTHER_EKU);
	AUTO(X509) *authority = issue(f, LEAF_IS_CA);
	AUTO(X509) *small = issue(f, LEAF_SHORT_SERIAL);
	AUTO(X509) *same = issue(f, LEAF_SAME_SERIAL);
	AUTO(X509) *same2 = issue(f, LEAF_SAME_SERIAL);

	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(key), f->key), 0);
	assert_int_not_equal(X509_NAME_cmp(X509_get_subject_name(subject),
				 X509_REQ_get_subject_name(f->request)),
	    0);
	assert_int_equal(X509_get_ext_by_NID(bare, NID_subject_alt_name, -1), -1);
	assert_null(X509_get0_subject_key_id(bare));
	assert_null(X509_get0_authority_key_id(bare));
	assert_int_equal(X509_get_key_usage(usage), KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT);
	assert_int_equal(X509_get_extended_key_usage(usage), XKU_SSL_SERVER);
	assert_true((X509_get_extension_flags(authority) & EXFLAG_CA) != 0);
	assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(small)), 1);
	assert_int_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(same),
			     X509_get0_serialNumber(same2)),
	    0);
}

static void test_flaws_that_break_the_chain(void **state)
{
	static const unsigned broken[] = { LEAF_EXPIRED, LEAF_NOT_YET, LEAF_EXTRA_CRITICAL,
		LEAF_BAD_SIGNATURE };
	static const unsigned whole[] = { LEAF_OTHER_KEY, LEAF_OTHER_SUBJECT, LEAF_NO_SAN,
		LEAF_OTHER_KU, LEAF_OTHER_EKU, LEAF_SAME_SERIAL, LEAF_SHORT_SERIAL,
		LEAF_SHORT_LIFE };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(broken); i++) {
		AUTO(X509) *leaf = issue(f, broken[i]);

		assert_false(verifies(f, leaf));
	}
	for (size_t i = 0; i < COUNT(whole); i++) {
		AUTO(X509) *leaf = issue(f, whole[i]);

		assert_true(verifies(f, leaf));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_asked),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_key_identifiers),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_default_key_usage),
		cmocka_unit_test(test_refused_extensions),
		cmocka_unit_test(test_twice_the_same_extension),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_no_expiry),
		cmocka_unit_test(test_flaws),
		cmocka_unit_test(test_flaws_that_break_the_chain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
