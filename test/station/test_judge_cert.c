#include "judge_cert.h"

#include "judge_kit.h"
#include "oids.h"

static struct kit kit;

static int judge(X509 *cert, bool accept_test_ca, struct cert_report *report, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	kit_der(cert, &der);
	return judge_cert(kit.profile, &kit.unit,
	    &(struct cert_question){ .leaf = &der,
		.key = kit.unit_key,
		.at = KIT_NOW,
		.accept_test_ca = accept_test_ca },
	    report, e);
}

static bool has(const struct cert_report *r, const char *id, const char *words)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->findings[i].id, id) == 0 &&
		    strstr(r->findings[i].message, words) != NULL)
			return true;
	return false;
}

static void print(const struct cert_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		print_message("  %s %s: %s\n", r->findings[i].is_error ? "error" : "warning",
		    r->findings[i].id, r->findings[i].message);
}

/* A good leaf, changed, signed by the CA. */
static X509 *make(void (*change)(X509 *))
{
	X509 *cert = kit_unsigned_leaf(&kit);

	if (change != NULL)
		change(cert);
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha256()) > 0);
	return cert;
}

static void refuse(void (*change)(X509 *), const char *id, const char *words)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(change);
	struct err e = { 0 };

	assert_err(judge(cert, false, &report, &e), &e, id);
	assert_int_equal(e.domain, ERR_CERT);
	if (has(&report, id, words))
		return;
	print(&report);
	fail_msg("no finding %s with \"%s\"", id, words);
}

static void accept(void (*change)(X509 *))
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(change);
	struct err e = { 0 };

	assert_ok(judge(cert, false, &report, &e), &e);
}

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

static void set_subject(X509 *cert, const char *const parts[][2], int string)
{
	AUTO(X509_NAME) *name = X509_NAME_new();

	for (size_t i = 0; parts[i][0] != NULL; i++)
		assert_int_equal(X509_NAME_add_entry_by_txt(name, parts[i][0],
				     strcmp(parts[i][0], "serialNumber") == 0
					 ? V_ASN1_PRINTABLESTRING
					 : string,
				     (const unsigned char *)parts[i][1], -1, -1, 0),
		    1);
	X509_set_subject_name(cert, name);
}

static void subject_missing(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_added(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { "OU", "More" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_twice(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { "CN", "SN0002" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_value(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0002" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_order(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "O", "Example Medical" }, { "CN", "SN0001" },
		{ "serialNumber", "SN0001" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_string(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { NULL, NULL } },
	    V_ASN1_PRINTABLESTRING);
}

/* CN and serialNumber in one RDN: the same attributes, another name. */
static void subject_multivalued(X509 *cert)
{
	AUTO(X509_NAME) *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING, (const unsigned char *)"SN0001",
	    -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "serialNumber", V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"SN0001", -1, -1, -1);
	X509_NAME_add_entry_by_txt(name, "O", V_ASN1_UTF8STRING,
	    (const unsigned char *)"Example Medical", -1, -1, 0);
	X509_set_subject_name(cert, name);
}

static void test_subject(void **state)
{
	(void)state;
	refuse(subject_missing, "cert.subject", "O=Example Medical is missing");
	refuse(subject_added, "cert.subject", "OU was added");
	refuse(subject_twice, "cert.subject", "CN was added");
	refuse(subject_value, "cert.subject", "CN is \"SN0002\" instead of \"SN0001\"");
	refuse(subject_order, "cert.subject", "another order");
	refuse(subject_string, "cert.subject", "CN is a PRINTABLESTRING instead of a UTF8STRING");
	refuse(subject_multivalued, "cert.subject", "encoded in another way");
}

static void no_san(X509 *cert)
{
	kit_drop(cert, "2.5.29.17");
}

static void critical_san(X509 *cert)
{
	no_san(cert);
	kit_extension(cert, "2.5.29.17", true, kit.subject.san.data, kit.subject.san.len);
}

static void broken_san(X509 *cert)
{
	no_san(cert);
	kit_extension(cert, "2.5.29.17", false, "\x30\x02\x82\x05", 4);
}

/* The good names and one more. */
static void add_to_san(X509 *cert, const char *der, size_t len)
{
	AUTO_STRUCT(buf) san = { 0 };
	struct err e = { 0 };

	no_san(cert);
	assert_ok(buf_add(&san, kit.subject.san.data, kit.subject.san.len, &e), &e);
	assert_ok(buf_add(&san, der, len, &e), &e);
	assert_true(san.data[1] + len < 0x80);
	san.data[1] = (uint8_t)(san.data[1] + len);
	kit_extension(cert, "2.5.29.17", false, san.data, san.len);
}

static void added_dns(X509 *cert)
{
	add_to_san(cert,
	    "\x82\x05"
	    "a.b.c",
	    7);
}

#define DEVICE_INFO "\x06\x0a\x2b\x06\x01\x04\x01\x83\x1c\x82\x12\x01"

static void own_device_info(X509 *cert)
{
	add_to_san(cert,
	    "\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
	    "AC:WI:SN0001",
	    30);
}

static void foreign_device_info(X509 *cert)
{
	add_to_san(cert,
	    "\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
	    "AC:WI:SN0002",
	    30);
}

static void other_serial_san(X509 *cert)
{
	AUTO_STRUCT(subject) other = { 0 };
	struct identity unit = kit.unit;
	struct err e = { 0 };

	memcpy(unit.serial, "SN0002", 7);
	assert_ok(subject_render(&other, kit.profile, &unit, &e), &e);
	no_san(cert);
	kit_extension(cert, "2.5.29.17", false, other.san.data, other.san.len);
}

static void test_san(void **state)
{
	(void)state;
	refuse(no_san, "cert.san", "no subjectAltName");
	refuse(critical_san, "cert.san", "is critical");
	refuse(broken_san, "cert.san", "malformed");
	refuse(added_dns, "cert.san", "dns a.b.c was added");
	refuse(other_serial_san, "cert.san", "hardwareModuleName serial SN0002 was added");
	refuse(foreign_device_info, "cert.san", "AC:WI:SN0002 was added");
	accept(own_device_info);
}

static void no_ku(X509 *cert)
{
	kit_drop(cert, "2.5.29.15");
}

static void more_ku(X509 *cert)
{
	no_ku(cert);
	kit_extension_text(cert, kit.ca, "keyUsage", "critical,digitalSignature,keyEncipherment");
}

static void other_ku(X509 *cert)
{
	no_ku(cert);
	kit_extension_text(cert, kit.ca, "keyUsage", "critical,keyAgreement");
}

static void soft_ku(X509 *cert)
{
	no_ku(cert);
	kit_extension_text(cert, kit.ca, "keyUsage", "digitalSignature");
}

static void no_eku(X509 *cert)
{
	kit_drop(cert, "2.5.29.37");
}

static void more_eku(X509 *cert)
{
	no_eku(cert);
	kit_extension_text(cert, kit.ca, "extendedKeyUsage", "clientAuth,serverAuth");
}

static void other_eku(X509 *cert)
{
	no_eku(cert);
	kit_extension_text(cert, kit.ca, "extendedKeyUsage", "1.3.6.1.4.1.32473.9");
}

static void critical_eku(X509 *cert)
{
	no_eku(cert);
	kit_extension_text(cert, kit.ca, "extendedKeyUsage", "critical,clientAuth");
}

static void test_usage(void **state)
{
	(void)state;
	refuse(no_ku, "cert.ku", "no keyUsage");
	refuse(more_ku, "cert.ku", "keyEncipherment was added");
	refuse(other_ku, "cert.ku", "digitalSignature is missing");
	refuse(soft_ku, "cert.ku", "not critical");
	refuse(no_eku, "cert.eku", "no extendedKeyUsage");
	refuse(more_eku, "cert.eku", "serverAuth was added");
	refuse(other_eku, "cert.eku", "clientAuth is missing");
	refuse(critical_eku, "cert.critical", "2.5.29.37 is critical");
}

static void no_bc(X509 *cert)
{
	kit_drop(cert, "2.5.29.19");
}

static void ca_bc(X509 *cert)
{
	no_bc(cert);
	kit_extension_text(cert, kit.ca, "basicConstraints", "critical,CA:TRUE");
}

static void path_bc(X509 *cert)
{
	no_bc(cert);
	kit_extension_text(cert, kit.ca, "basicConstraints", "critical,CA:FALSE,pathlen:1");
}

static void soft_bc(X509 *cert)
{
	no_bc(cert);
	kit_extension_text(cert, kit.ca, "basicConstraints", "CA:FALSE");
}

static void test_basic_constraints(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(soft_bc);
	struct err e = { 0 };

	(void)state;
	refuse(no_bc, "cert.bc", "no basicConstraints");
	refuse(ca_bc, "cert.bc", "CA certificate");
	refuse(path_bc, "cert.bc", "path length");
	assert_ok(judge(cert, false, &report, &e), &e);
	assert_int_equal(report.count, 1);
	assert_false(report.findings[0].is_error);
	assert_true(has(&report, "cert.bc", "not critical"));
}

static void no_ski(X509 *cert)
{
	kit_drop(cert, "2.5.29.14");
}

static void other_ski(X509 *cert)
{
	no_ski(cert);
	kit_extension(cert, "2.5.29.14", false, "\x04\x02\x01\x02", 4);
}

static void no_aki(X509 *cert)
{
	kit_drop(cert, "2.5.29.35");
}

static void other_aki(X509 *cert)
{
	no_aki(cert);
	kit_extension(cert, "2.5.29.35", false, "\x30\x04\x80\x02\x01\x02", 6);
}

static void test_key_ids(void **state)
{
	AUTO_STRUCT(cert_report) report = { 0 };
	AUTO(X509) *cert = make(other_ski);
	struct err e = { 0 };

	(void)state;
	refuse(no_ski, "cert.ski", "no subjectKeyIdentifier");
	refuse(no_aki, "cert.aki", "no authorityKeyIdentifier");
	refuse(other_aki, "cert.aki", "not its issuer's");
	assert_ok(judge(cert, false, &report, &e), &e);
	assert_true(has(&report, "cert.ski", "method 1"));
}

static void policy(X509 *cert)
{
	kit_extension(cert, "2.5.29.32", false,
	    "\x30\x0d\x30\x0b\x06\x09\x2b\x06\x01\x04\x01\x81\xfd\x59\x05", 15);
}

static void aia(X509 *cert)
{
	kit_extension_text(cert, kit.ca, "authorityInfoAccess", "OCSP;URI:http://a.example/");
}

static void crldp(X509 *cert)
{
	kit_extension_text(cert, kit.ca, "crlDistributionPoints", "URI:http://a.example/crl");
}

static void mud(X509 *cert)
{
	kit_extension(cert, "1.3.6.1.5.5.7.1.25", false, "\x16\x11https://a.example", 19);
}

static void extra(X509 *cert)
{
	kit_extension(cert, "1.3.6.1.4.1.32473.7", false, "\x05\x00", 2);
}

static void critical_extra(X509 *cert)
{
	kit_extension(cert, "1.3.6.1.4.1.32473.7", true, "\x05\x00", 2);
}

static void twice(X509 *cert)
{
	kit_extension_text(cert, kit.ca, "extendedKeyUsage", "clientAuth");
}

static void test_other_extensions(void **state)
{
	struct profile *p = kit.profile;

	(void)state;
	refuse(policy, "cert.policies", "1.3.6.1.4.1.32473.5 was added");
	refuse(aia, "cert.aia", "was added");
	refuse(crldp, "cert.crldp", "was added");
	refuse(mud, "cert.mud", "was added");
	refuse(extra, "cert.extra", "1.3.6.1.4.1.32473.7 was added");
	refuse(twice, "cert.extra", "twice");

	p->policies[0] = "1.3.6.1.4.1.32473.5";
	refuse(NULL, "cert.policies", "no certificatePolicies");
	accept(policy);
	p->policies[0] = NULL;

	p->extra_extensions[0] = "1.3.6.1.4.1.32473.7";
	accept(extra);
	refuse(critical_extra, "cert.critical", "1.3.6.1.4.1.32473.7 is critical");
	p->extra_extensions[0] = NULL;
}

static void test_presence(void **state)
{
	struct profile *p = kit.profile;

	(void)state;
	p->aia = PRESENCE_REQUIRED;
	refuse(NULL, "cert.aia", "no authorityInfoAccess");
	accept(aia);
	p->aia = PRESENCE_FORBIDDEN;
	p->crl_distribution_points = PRESENCE_REQUIRED;
	refuse(NULL, "cert.crldp", "no cRLDistributionPoints");
	accept(crldp);
	p->crl_distribution_points = PRESENCE_FORBIDDEN;
	p->mud_url = PRESENCE_REQUIRED;
	refuse(NULL, "cert.mud", "no MUD URL");
	accept(mud);
	p->mud_url = PRESENCE_OPTIONAL;
	accept(NULL);
	accept(mud);
	p->mud_url = PRESENCE_FORBIDDEN;
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

	buf_clear(&kit.profile->issuer.ders);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_key_and_version),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_san),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_basic_constraints),
		cmocka_unit_test(test_key_ids),
		cmocka_unit_test(test_other_extensions),
		cmocka_unit_test(test_presence),
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
