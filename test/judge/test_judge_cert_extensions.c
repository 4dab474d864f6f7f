/* Every other extension against the profile's rules. */
#include "judge_cert_kit.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_basic_constraints),
		cmocka_unit_test(test_key_ids),
		cmocka_unit_test(test_other_extensions),
		cmocka_unit_test(test_presence),
	};

	return cmocka_run_group_tests(tests, open_kit, close_kit);
}
