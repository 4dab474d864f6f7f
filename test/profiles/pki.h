/* A software PKI for tests: keys, certificates, and statements signed as the signer does. */
#ifndef KILN_TEST_PKI_H
#define KILN_TEST_PKI_H

#include <openssl/x509v3.h>

#include "json.h"
#include "jws.h"
#include "oids.h"
#include "testing.h"
#include "x509.h"

#define PKI_FN __attribute__((unused)) static

/* Certificates are valid from 2026-01-01 for a year. */
enum { PKI_NOT_BEFORE = 1767225600, PKI_NOT_AFTER = 1798761600, PKI_DURING = 1780000000 };

/* "P-256", "P-384", "P-521", "RSA" (2048), "RSA-1024". */
PKI_FN EVP_PKEY *pki_key(const char *name)
{
	EVP_PKEY *key;

	if (strncmp(name, "RSA", 3) == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA",
		    (size_t)(strcmp(name, "RSA") == 0 ? 2048 : 1024));
	else
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", name);
	assert_non_null(key);
	return key;
}

struct pki_spec {
	const char *name;
	EVP_PKEY *key;
	X509 *issuer; /* NULL: self-signed */
	EVP_PKEY *issuer_key;
	const char *constraints; /* OpenSSL's text of the extensions; NULL: none */
	const char *usage;
	const char *extended;
};

PKI_FN void pki_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension;

	if (value == NULL)
		return;
	extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

PKI_FN X509 *pki_cert(const struct pki_spec *spec)
{
	EVP_PKEY *signs = spec->issuer != NULL ? spec->issuer_key : spec->key;
	AUTO(X509_NAME) *name = X509_NAME_new();
	X509 *cert = X509_new();

	assert_true(cert != NULL && name != NULL);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), 77), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			     (const unsigned char *)spec->name, -1, -1, 0),
	    1);
	assert_int_equal(X509_set_subject_name(cert, name), 1);
	assert_int_equal(X509_set_issuer_name(cert,
			     spec->issuer != NULL ? X509_get_subject_name(spec->issuer) : name),
	    1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), PKI_NOT_BEFORE));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), PKI_NOT_AFTER));
	assert_int_equal(X509_set_pubkey(cert, spec->key), 1);
	pki_extension(cert, NID_basic_constraints, spec->constraints);
	pki_extension(cert, NID_key_usage, spec->usage);
	pki_extension(cert, NID_ext_key_usage, spec->extended);
	assert_true(X509_sign(cert, signs, EVP_sha256()) > 0);
	return cert;
}

/* Root, issuing CA, and a leaf that may attest. */
struct pki {
	EVP_PKEY *root_key, *ca_key, *key;
	X509 *root, *ca, *leaf;
	X509_STACK *trust; /* root */
	X509_STACK *chain; /* ca */
};

PKI_FN X509_STACK *pki_stack(X509 *cert)
{
	X509_STACK *stack = sk_X509_new_null();

	assert_non_null(stack);
	assert_int_equal(X509_up_ref(cert), 1);
	assert_int_equal(sk_X509_push(stack, cert), 1);
	return stack;
}

/* key: the leaf's, taken over. usage and extended: the leaf's; NULL leaves the extension out. */
PKI_FN struct pki pki_make(EVP_PKEY *key, const char *usage, const char *extended)
{
	struct pki p = { .root_key = pki_key("P-256"), .ca_key = pki_key("P-256"), .key = key };

	p.root = pki_cert(&(struct pki_spec){ .name = "root",
	    .key = p.root_key,
	    .constraints = "critical,CA:TRUE",
	    .usage = "critical,keyCertSign" });
	p.ca = pki_cert(&(struct pki_spec){ .name = "issuing",
	    .key = p.ca_key,
	    .issuer = p.root,
	    .issuer_key = p.root_key,
	    .constraints = "critical,CA:TRUE",
	    .usage = "critical,keyCertSign" });
	p.leaf = pki_cert(&(struct pki_spec){ .name = "station 7",
	    .key = p.key,
	    .issuer = p.ca,
	    .issuer_key = p.ca_key,
	    .usage = usage,
	    .extended = extended });
	p.trust = pki_stack(p.root);
	p.chain = pki_stack(p.ca);
	return p;
}

PKI_FN struct pki pki_attester(const char *key)
{
	return pki_make(pki_key(key), "critical,digitalSignature", OID_KILN_EKU_ATTESTATION);
}

PKI_FN void pki_free(struct pki *p)
{
	EVP_PKEY_free(p->root_key);
	EVP_PKEY_free(p->ca_key);
	EVP_PKEY_free(p->key);
	X509_free(p->root);
	X509_free(p->ca);
	X509_free(p->leaf);
	x509_stack_free(p->trust);
	x509_stack_free(p->chain);
}

/* What kiln-signer does, with a key of this process. Appended as text. */
PKI_FN void pki_jws(const struct pki *p, const struct buf *payload, struct buf *ret)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	AUTO_STRUCT(buf) signature = { 0 };
	uint8_t octets[1024];
	size_t len = sizeof(octets);
	struct err e = { 0 };

	assert_ok(jws_begin(p->key, p->leaf, payload, ret, &e), &e);
	assert_int_equal(EVP_DigestSignInit_ex(context, NULL, jws_digest(p->key), NULL, NULL,
			     p->key, NULL),
	    1);
	assert_int_equal(EVP_DigestSign(context, octets, &len, ret->data, ret->len), 1);
	assert_ok(buf_add(&signature, octets, len, &e), &e);
	assert_ok(jws_end(p->key, &signature, ret, &e), &e);
	assert_non_null(buf_str(ret, &e));
	EVP_MD_CTX_free(context);
}

#define PKI_DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* A statement as the station asks for it. The caller owns it. */
PKI_FN json_t *pki_statement(int64_t seq)
{
	static const char text[] =
	    "{\"typ\":\"kiln-statement\",\"ver\":1,\"iat\":1780000000,"
	    "\"device\":{\"serial\":\"IP-000001\",\"model\":\"IP-4\",\"firmware\":\"1.2.3\","
	    "\"lifecycle\":\"manufacturing\"},"
	    "\"key\":{\"alg\":\"EC:P-256\",\"spki_sha256\":\"" PKI_DIGEST
	    "\",\"origin\":\"on-chip\","
	    "\"origin_evidence\":\"tool-asserted\",\"pop_verified\":true},"
	    "\"csr_sha256\":\"" PKI_DIGEST "\","
	    "\"certificate\":{\"sha256\":\"" PKI_DIGEST "\",\"issuer\":\"CN=issuing\","
	    "\"number\":\"01ff\"},"
	    "\"anchors_sha256\":\"" PKI_DIGEST "\",\"readback_ok\":true,"
	    "\"proof\":{\"scheme\":\"spdm-challenge\",\"nonce\":\"" PKI_DIGEST "\","
	    "\"preimage_sha256\":\"" PKI_DIGEST "\",\"signature_sha256\":\"" PKI_DIGEST "\"},"
	    "\"outcome\":\"passed\","
	    "\"profile\":{\"product\":\"pump\",\"version\":\"3\",\"sha256\":\"" PKI_DIGEST "\"},"
	    "\"tool\":{\"version\":\"0.1.0\",\"build\":\"abc\"},"
	    "\"station\":{\"id\":\"line-7\",\"slot\":\"1\",\"line\":\"7\",\"site\":\"north\"},"
	    "\"order\":{\"id\":\"WO-1\",\"ordinal\":1,\"quantity\":8},"
	    "\"operator\":\"op-3\","
	    "\"chain\":{\"station\":\"line-7\",\"seq\":1,\"head\":\"" PKI_DIGEST "\"},"
	    "\"time_source\":\"ntp\"}";
	json_t *statement = NULL;
	struct err e = { 0 };

	assert_ok(json_parse(text, strlen(text), &statement, ERR_CONFIG, &e), &e);
	assert_ok(json_set_int(json_object_get(statement, "chain"), "seq", seq, &e), &e);
	return statement;
}

#endif
