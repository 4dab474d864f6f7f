/* A unit, its profile and a CA in memory, and certificates that differ from a good one in one thing. */
#ifndef KILN_TEST_JUDGE_KIT_H
#define KILN_TEST_JUDGE_KIT_H

#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "profile.h"
#include "subject.h"
#include "testing.h"
#include "x509.h"

#define KIT_FN __attribute__((unused)) static

/* 2026-11-22T18:30:00Z */
enum { KIT_NOW = 1795372200, KIT_DAY = 86400 };

#define KIT_SHA "0000000000000000000000000000000000000000000000000000000000000000"

static const char kit_profile[] =
    "product: test pump\n"
    "version: \"1\"\n"
    "driver: spdm\n"
    "spdm: { identity: vendor, vendor_pen: 32473, reset: manual }\n"
    "identity:\n"
    "  model: { pattern: \"TP-[A-Z]\", example: TP-A }\n"
    "  serial: { pattern: \"SN[0-9]{4}\", example: SN0001 }\n"
    "key: { algorithm: EC:P-256, existing: reuse }\n"
    "subject:\n"
    "  - { type: CN, value: \"{serial}\" }\n"
    "  - { type: serialNumber, value: \"{serial}\", string: printable }\n"
    "  - { type: O, value: Example Medical }\n"
    "san:\n"
    "  critical: false\n"
    "  names:\n"
    "    - hardware_module: { type: 1.3.6.1.4.1.32473.1, serial: \"{serial}\" }\n"
    "    - uri: \"urn:uuid:6f0e5c0a-7b1d-4f4e-9f0a-0d6c3c1b2a11\"\n"
    "certificate:\n"
    "  key_usage: [digitalSignature]\n"
    "  extended_key_usage: [clientAuth]\n"
    "  signatures: [ecdsa-with-SHA256, ecdsa-with-SHA384]\n"
    "  validity: { min_days: 1825, max_days: 3660 }\n"
    "  basic_constraints: required\n"
    "  subject_key_id: required\n"
    "  authority_key_id: required\n"
    "  max_chain: 3\n"
    "trust:\n"
    "  issuer: { file: root.pem, sha256: \"" KIT_SHA "\" }\n"
    "  intermediates: { file: issuing.pem, sha256: \"" KIT_SHA "\" }\n"
    "install: [chain]\n";

struct kit {
	struct profile *profile;
	struct identity unit;
	struct subject subject;
	EVP_PKEY *unit_key, *root_key, *ca_key;
	X509 *root, *ca;
};

KIT_FN EVP_PKEY *kit_key(const char *curve)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);

	assert_non_null(key);
	return key;
}

KIT_FN void kit_extension(X509 *cert, const char *oid, bool critical, const void *der, size_t len)
{
	ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	assert_int_equal(ASN1_OCTET_STRING_set(value, der, (int)len), 1);
	extension = X509_EXTENSION_create_by_OBJ(NULL, type, critical, value);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(type);
}

/* In OpenSSL's configuration language. */
KIT_FN void kit_extension_text(X509 *cert, X509 *issuer, const char *name, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_nconf(NULL, &ctx, name, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

KIT_FN void kit_drop(X509 *cert, const char *oid)
{
	ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
	int at = X509_get_ext_by_OBJ(cert, type, -1);

	assert_true(at >= 0);
	X509_EXTENSION_free(X509_delete_ext(cert, at));
	ASN1_OBJECT_free(type);
}

KIT_FN void kit_serial(X509 *cert, const char *decimal)
{
	BIGNUM *number = NULL;

	assert_true(BN_dec2bn(&number, decimal) > 0);
	assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)));
	BN_free(number);
}

/* From and to in days from KIT_NOW. */
KIT_FN void kit_dates(X509 *cert, int from, int to)
{
	time_t now = KIT_NOW;

	assert_non_null(X509_time_adj_ex(X509_getm_notBefore(cert), from, 0, &now));
	assert_non_null(X509_time_adj_ex(X509_getm_notAfter(cert), to, 0, &now));
}

KIT_FN X509 *kit_ca(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, int from,
    int to)
{
	X509 *cert = X509_new();

	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	kit_serial(cert, "81985529216486895");
	kit_dates(cert, from, to);
	assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
			     (const unsigned char *)name, -1, -1, 0),
	    1);
	assert_int_equal(X509_set_issuer_name(cert,
			     X509_get_subject_name(issuer != NULL ? issuer : cert)),
	    1);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	kit_extension_text(cert, cert, "basicConstraints", "critical,CA:TRUE");
	kit_extension_text(cert, cert, "keyUsage", "critical,keyCertSign,cRLSign");
	kit_extension_text(cert, cert, "subjectKeyIdentifier", "hash");
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

/* A good leaf, not signed yet. */
KIT_FN X509 *kit_unsigned_leaf(struct kit *k)
{
	const uint8_t *name = k->subject.name.data;
	X509 *cert = X509_new();
	X509_NAME *subject = d2i_X509_NAME(NULL, &name, (long)k->subject.name.len);

	assert_true(cert != NULL && subject != NULL);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	kit_serial(cert, "1311768467463790320123456789");
	kit_dates(cert, -1, 2000);
	assert_int_equal(X509_set_subject_name(cert, subject), 1);
	assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(k->ca)), 1);
	assert_int_equal(X509_set_pubkey(cert, k->unit_key), 1);
	kit_extension(cert, "2.5.29.17", false, k->subject.san.data, k->subject.san.len);
	kit_extension_text(cert, k->ca, "keyUsage", "critical,digitalSignature");
	kit_extension_text(cert, k->ca, "extendedKeyUsage", "clientAuth");
	kit_extension_text(cert, k->ca, "basicConstraints", "critical,CA:FALSE");
	kit_extension_text(cert, k->ca, "subjectKeyIdentifier", "hash");
	kit_extension_text(cert, k->ca, "authorityKeyIdentifier", "keyid:always");
	X509_NAME_free(subject);
	return cert;
}

KIT_FN void kit_der(const X509 *cert, struct buf *ret)
{
	struct err e = { 0 };

	buf_clear(ret);
	assert_ok(x509_add_der(cert, ret, &e), &e);
}

/* The profile's anchors are those certificates from now on. */
KIT_FN void kit_trust(struct kit *k, X509 *anchor, X509 *intermediate)
{
	AUTO_STRUCT(buf) issuer = { 0 }, intermediates = { 0 };
	struct err e = { 0 };

	kit_der(anchor, &issuer);
	if (intermediate != NULL)
		kit_der(intermediate, &intermediates);
	assert_ok(profile_anchors_take(&k->profile->issuer, &issuer, &e), &e);
	assert_ok(profile_anchors_take(&k->profile->intermediates, &intermediates, &e), &e);
}

KIT_FN struct profile *kit_parse(const char *text)
{
	struct profile *p = NULL;
	struct err e = { 0 };

	assert_ok(profile_parse(&p, "test.yaml", text, strlen(text), &e), &e);
	return p;
}

KIT_FN void kit_open(struct kit *k)
{
	struct err e = { 0 };

	*k = (struct kit){ .unit = { .model = "TP-A", .serial = "SN0001" } };
	k->profile = kit_parse(kit_profile);
	assert_ok(subject_render(&k->subject, k->profile, &k->unit, &e), &e);
	k->unit_key = kit_key("P-256");
	k->root_key = kit_key("P-256");
	k->ca_key = kit_key("P-256");
	k->root = kit_ca("Test Root", k->root_key, NULL, k->root_key, -400, 7000);
	k->ca = kit_ca("Test Issuing", k->ca_key, k->root, k->root_key, -400, 5000);
	kit_trust(k, k->root, k->ca);
}

KIT_FN void kit_close(struct kit *k)
{
	X509_free(k->root);
	X509_free(k->ca);
	EVP_PKEY_free(k->unit_key);
	EVP_PKEY_free(k->root_key);
	EVP_PKEY_free(k->ca_key);
	subject_free(&k->subject);
	profile_free(k->profile);
}

#endif
