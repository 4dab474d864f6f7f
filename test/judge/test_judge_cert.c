#include "judge_cert.h"

#include "judge_cert_kit.h"
#include "oids.h"

static void test_good(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(NULL);
	AUTO_STRUCT(buf) want = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(judge(cert, false, &report, &e), &e);
	assert_int_equal(report.count, 0);
	assert_int_equal(report.chain_length, 3);
	assert_ok(x509_add_der(cert, &want, &e), &e);
	assert_ok(x509_add_der(kit.ca, &want, &e), &e);
	assert_ok(x509_add_der(kit.root, &want, &e), &e);
	assert_true(buf_equal(&report.chain, &want));
}

static void test_der(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509) *cert = make(NULL);
	struct cert_question q = { .leaf = &der, .key = kit.unit_key, .at = KIT_NOW };
	struct err e = { 0 };

	(void)state;
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.der");
	kit_der(cert, &der);
	assert_ok(buf_add_u8(&der, 0, &e), &e);
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.der");
	der.len -= 2;
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.der");
	assert_ok(buf_set(&der, "\x30\x03\x02\x01\x01", 5, &e), &e);
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.der");
	assert_int_equal(report.count, 1);
}

/* The same certificate with its length in one byte too many is not DER; OpenSSL reads it. */
static void test_ber(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) ber = { 0 };
	AUTO(X509) *cert = make(NULL);
	AUTO(X509) *parsed = NULL;
	struct cert_question q = { .leaf = &ber, .key = kit.unit_key, .at = KIT_NOW };
	struct err e = { 0 };

	(void)state;
	kit_der(cert, &der);
	assert_int_equal(der.data[1], 0x82);
	assert_ok(buf_set(&ber, "\x30\x83\x00", 3, &e), &e);
	assert_ok(buf_add(&ber, der.data + 2, der.len - 2, &e), &e);
	assert_ok(x509_parse(ber.data, ber.len, &parsed, ERR_CERT, &e), &e);
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.der");
}

static void other_key(X509 *cert)
{
	AUTO(EVP_PKEY) *key = kit_key("P-256");

	X509_set_pubkey(cert, key);
}

static void version1(X509 *cert)
{
	X509_set_version(cert, X509_VERSION_1);
}

static void test_key_and_version(void **state)
{
	(void)state;
	refuse(other_key, "cert.spki", "another public key");
	refuse(version1, "cert.version", "version 1");
}

static void not_yet(X509 *cert)
{
	kit_dates(cert, 1, 2000);
}

static void expired(X509 *cert)
{
	kit_dates(cert, -2500, -100);
}

static void too_short(X509 *cert)
{
	kit_dates(cert, -1, 1800);
}

static void too_long(X509 *cert)
{
	kit_dates(cert, -1, 3670);
}

static void forever(X509 *cert)
{
	ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z");
}

static void general_early(X509 *cert)
{
	ASN1_TIME_set_string(X509_getm_notAfter(cert), "20320514183000Z");
}

/* A minute ahead of the station's clock, which is within the skew. */
static void clock_ahead(X509 *cert)
{
	time_t now = KIT_NOW;

	assert_non_null(X509_time_adj_ex(X509_getm_notBefore(cert), 0, 60, &now));
}

static void test_validity(void **state)
{
	(void)state;
	refuse(not_yet, "cert.validity", "not valid yet");
	refuse(expired, "cert.validity", "expired");
	refuse(too_short, "cert.validity", "valid for 1801.00 days, the least is 1825");
	refuse(too_long, "cert.validity", "valid for 3671.00 days, the most is 3660");
	refuse(forever, "cert.validity", "never expires");
	refuse(general_early, "cert.validity", "GeneralizedTime");
	accept(clock_ahead);
}

static void outlives(X509 *cert)
{
	kit_dates(cert, -1, 3600);
}

static void test_issuer_validity(void **state)
{
	AUTO(X509) *old = kit.ca;

	(void)state;
	kit.ca = kit_ca("Test Issuing", kit.ca_key, kit.root, kit.root_key, -400, 3000);
	kit_trust(&kit, kit.root, kit.ca);
	refuse(outlives, "cert.validity", "outlives its issuer");
	kit.profile->outlives_issuer = true;
	accept(outlives);
	kit.profile->outlives_issuer = false;
	X509_free(kit.ca);
	kit.ca = steal(&old);
	kit_trust(&kit, kit.root, kit.ca);
}

static void test_no_expiry(void **state)
{
	(void)state;
	kit.profile->no_expiry = kit.profile->outlives_issuer = true;
	accept(forever);
	refuse(NULL, "cert.validity", "it expires");
	kit.profile->outlives_issuer = false;
	refuse(forever, "cert.validity", "outlives its issuer");
	kit.profile->no_expiry = false;
}

static void test_signature(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = kit_unsigned_leaf(&kit);
	AUTO(EVP_PKEY) *other = kit_key("P-256");
	struct err e = { 0 };

	(void)state;
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha512()) > 0);
	assert_err(judge(cert, false, &report, &e), &e, "cert.signature");
	assert_true(has(&report, "cert.signature", "ecdsa-with-SHA512"));
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha384()) > 0);
	assert_ok(judge(cert, false, &report, &e), &e);

	assert_true(X509_sign(cert, other, EVP_sha256()) > 0);
	assert_err(judge(cert, false, &report, &e), &e, "cert.signature");
	assert_true(has(&report, "cert.signature", "does not verify"));
	assert_int_equal(report.chain_length, 0);

	kit.profile->signatures[0] = "ecdsa-with-SHA1";
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha1()) > 0);
	assert_err(judge(cert, false, &report, &e), &e, "cert.signature");
	assert_true(has(&report, "cert.signature", "bits of security"));
	kit.profile->signatures[0] = "ecdsa-with-SHA256";
}

static void zero_serial(X509 *cert)
{
	kit_serial(cert, "0");
}

static void negative_serial(X509 *cert)
{
	kit_serial(cert, "-5");
}

static void short_serial(X509 *cert)
{
	kit_serial(cert, "17");
}

static void long_serial(X509 *cert)
{
	kit_serial(cert, "3507477894543281749875432817548743957483957483957483");
}

static void test_serial(void **state)
{
	(void)state;
	refuse(zero_serial, "cert.serial", "not positive");
	refuse(negative_serial, "cert.serial", "not positive");
	refuse(short_serial, "cert.serial", "5 bits");
	refuse(long_serial, "cert.serial", "20 octets");
}

static void test_chain(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) none = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509) *cert = make(NULL);
	AUTO(X509_STACK) *others = sk_X509_new_null();
	struct cert_question q = { .leaf = &der,
		.others = others,
		.key = kit.unit_key,
		.at = KIT_NOW };
	struct err e = { 0 };

	(void)state;
	kit_der(cert, &der);
	kit_trust(&kit, kit.root, NULL);
	assert_err(judge(cert, false, &report, &e), &e, "cert.chain");
	assert_int_equal(X509_up_ref(kit.ca), 1);
	assert_true(sk_X509_push(others, kit.ca) > 0);
	assert_ok(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e);

	kit.profile->max_chain = 2;
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.chain-length");
	kit_trust(&kit, kit.ca, NULL);
	assert_ok(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e);
	assert_int_equal(report.chain_length, 2);
	kit.profile->max_chain = 3;

	assert_ok(profile_anchors_take(&kit.profile->issuer, &none, &e), &e);
	assert_err(judge(cert, false, &report, &e), &e, "cert.chain");
	kit_trust(&kit, kit.root, kit.ca);
}

/* What came with the answer never becomes an anchor. */
static void test_brought_root(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_STACK) *others = sk_X509_new_null();
	AUTO(EVP_PKEY) *key = kit_key("P-256");
	X509 *root = kit_ca("Test Root", key, NULL, key, -400, 7000);
	X509 *ca = kit_ca("Test Issuing", kit.ca_key, root, key, -400, 5000);
	AUTO(X509) *cert = make(NULL);
	struct cert_question q = { .leaf = &der,
		.others = others,
		.key = kit.unit_key,
		.at = KIT_NOW };
	struct err e = { 0 };

	(void)state;
	kit_trust(&kit, kit.root, NULL);
	kit_der(cert, &der);
	assert_true(sk_X509_push(others, root) > 0 && sk_X509_push(others, ca) > 0);
	assert_err(judge_cert(kit.profile, &kit.unit, &q, &report, &e), &e, "cert.chain");
	kit_trust(&kit, kit.root, kit.ca);
}

static void mark(X509 *cert)
{
	kit_extension(cert, OID_KILN_NOT_FOR_PRODUCTION, false, "\x05\x00", 2);
}

static void test_test_ca(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *marked_leaf = make(mark);
	AUTO(X509) *leaf = make(NULL);
	AUTO(X509) *root = kit_ca("Test Root", kit.root_key, NULL, kit.root_key, -400, 7000);
	struct err e = { 0 };

	(void)state;
	refuse(mark, "cert.test-ca", "throw-away");
	assert_ok(judge(marked_leaf, true, &report, &e), &e);

	mark(root);
	assert_true(X509_sign(root, kit.root_key, EVP_sha256()) > 0);
	kit_trust(&kit, root, kit.ca);
	assert_err(judge(leaf, false, &report, &e), &e, "cert.test-ca");
	assert_ok(judge(leaf, true, &report, &e), &e);
	kit_trust(&kit, kit.root, kit.ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_ber),
		cmocka_unit_test(test_key_and_version),
		cmocka_unit_test(test_validity),
		cmocka_unit_test(test_issuer_validity),
		cmocka_unit_test(test_no_expiry),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_brought_root),
		cmocka_unit_test(test_test_ca),
	};

	return cmocka_run_group_tests(tests, open_kit, close_kit);
}
