#include "ca.h"

#include <string.h>
#include <unistd.h>

#include "file.h"
#include "oids.h"
#include "request.h"

static int setup(void **state)
{
	struct err e = { 0 };
	struct ca *ca = NULL;

	assert_ok(ca_new(&ca, &(const struct ca_options){ .hours = 24 }, &e), &e);
	*state = ca;
	return 0;
}

static int teardown(void **state)
{
	ca_free(*state);
	return 0;
}

static void test_hierarchy(void **state)
{
	struct ca *ca = *state;

	assert_true(x509_is_self_signed(ca->root.cert));
	assert_true(x509_is_self_signed(ca->tls_root.cert));
	assert_int_equal(X509_verify(ca->issuing.cert, ca->root.key), 1);
	assert_int_equal(X509_verify(ca->tls.cert, ca->tls_root.key), 1);
	assert_int_equal(X509_check_issued(ca->root.cert, ca->issuing.cert), X509_V_OK);
	assert_int_equal(X509_get_pathlen(ca->issuing.cert), 0);
	assert_int_equal(X509_get_key_usage(ca->root.cert), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_int_equal(X509_check_ip_asc(ca->tls.cert, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_host(ca->tls.cert, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_private_key(ca->tls.cert, ca->tls.key), 1);
	/* The two hierarchies have nothing in common. */
	assert_int_not_equal(X509_verify(ca->tls.cert, ca->root.key), 1);
	assert_int_not_equal(X509_verify(ca->tls.cert, ca->issuing.key), 1);
}

static void test_names(void **state)
{
	struct ca *ca = *state;
	struct ca *another = NULL;
	struct err e = { 0 };
	X509 *const certs[] = { ca->root.cert, ca->issuing.cert, ca->tls_root.cert, ca->tls.cert };

	for (size_t i = 0; i < COUNT(certs); i++) {
		AUTO_STRUCT(buf) name = { 0 };

		assert_ok(x509_add_subject(certs[i], &name, &e), &e);
		assert_non_null(strstr(buf_str(&name, &e), "DRY RUN NOT FOR PRODUCTION"));
	}
	assert_ok(ca_new(&another, &(const struct ca_options){ .hours = 24 }, &e), &e);
	assert_int_not_equal(X509_NAME_cmp(X509_get_subject_name(ca->root.cert),
				 X509_get_subject_name(another->root.cert)),
	    0);
	ca_free(another);
}

static void test_files(void **state)
{
	static const struct {
		const char *name;
		int count;
	} files[] = { { "root.pem", 1 }, { "issuing.pem", 1 }, { "chain.pem", 2 },
		{ "tls-anchor.pem", 1 } };
	struct ca *ca = *state;
	char *folder = testing_folder();
	struct err e = { 0 };

	assert_ok(ca_write(ca, folder, &e), &e);
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_STRUCT(buf) path = { 0 };
		AUTO_STRUCT(buf) pem = { 0 };
		AUTO(X509_STACK) *certs = NULL;

		assert_ok(buf_printf(&path, &e, "%s/%s", folder, files[i].name), &e);
		testing_read(buf_str(&path, &e), &pem);
		assert_ok(x509_parse_pem(files[i].name, &pem, &certs, ERR_CONFIG, &e), &e);
		assert_int_equal(sk_X509_num(certs), files[i].count);
		assert_null(memmem(pem.data, pem.len, "PRIVATE", 7));
	}
	testing_folder_remove(folder);
}

static void test_files_nowhere(void **state)
{
	struct err e = { 0 };

	assert_err(ca_write(*state, "/dev/null/folder", &e), &e, "file");
}

static void station(const struct ca *ca, enum ca_station_use use, const char *eku)
{
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(X509_REQ) *request = NULL;
	AUTO(X509) *cert = NULL;
	AUTO_STRUCT(buf) name = { 0 };
	struct err e = { 0 };
	EXTENDED_KEY_USAGE *usages;
	char oid[128];

	assert_ok(cert_new_key(&key, &e), &e);
	request = request_new(key, "a station", NULL);
	assert_ok(ca_sign_station(ca, request, use, &cert, &e), &e);
	assert_int_equal(X509_verify(cert, ca->issuing.key), 1);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), key), 1);
	assert_ok(x509_add_subject(cert, &name, &e), &e);
	assert_string_equal(buf_str(&name, &e), "CN=a station");
	assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE);
	assert_true((X509_get_extension_flags(cert) & EXFLAG_CA) == 0);
	usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	(void)OBJ_obj2txt(oid, sizeof(oid),
	    sk_ASN1_OBJECT_value(usages, sk_ASN1_OBJECT_num(usages) - 1), 1);
	assert_string_equal(oid, eku);
	EXTENDED_KEY_USAGE_free(usages);
}

static void test_station_certificates(void **state)
{
	station(*state, CA_STATION_RA, OID_CMC_RA);
	station(*state, CA_STATION_ATTESTATION, OID_KILN_EKU_ATTESTATION);
}

/* The request's extensions do not count: the station gets what its role needs. */
static void test_station_request_decides_nothing_more(void **state)
{
	static const struct request_extension greedy[] = { { NID_basic_constraints, "CA:TRUE" },
		{ 0, NULL } };
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(X509_REQ) *request = NULL;
	AUTO(X509) *cert = NULL;
	struct err e = { 0 };

	assert_ok(cert_new_key(&key, &e), &e);
	request = request_new(key, "a station", greedy);
	assert_ok(ca_sign_station(*state, request, CA_STATION_RA, &cert, &e), &e);
	assert_true((X509_get_extension_flags(cert) & EXFLAG_CA) == 0);
}

static void test_station_without_proof_of_possession(void **state)
{
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(EVP_PKEY) *other = NULL;
	AUTO(X509_REQ) *request = NULL;
	AUTO(X509) *cert = NULL;
	struct err e = { 0 };

	assert_ok(cert_new_key(&key, &e), &e);
	assert_ok(cert_new_key(&other, &e), &e);
	request = request_new(key, "a station", NULL);
	assert_int_equal(X509_REQ_set_pubkey(request, other), 1);
	assert_err(ca_sign_station(*state, request, CA_STATION_RA, &cert, &e), &e, "csr.pop");
	assert_null(cert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hierarchy),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_nowhere),
		cmocka_unit_test(test_station_certificates),
		cmocka_unit_test(test_station_request_decides_nothing_more),
		cmocka_unit_test(test_station_without_proof_of_possession),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
