/*
 * A family whose chips attest their keys, in place of the build's own: the program that includes this has no
 * other one. Its evidence is a list of certificates; the first one is for the device's key, and its common
 * name is the serial.
 */
#ifndef KILN_TEST_ORIGIN_KIT_H
#define KILN_TEST_ORIGIN_KIT_H

#include <string.h>

#include "family.h"
#include "x509.h"

#define ORIGIN_SCHEME "fake-attestation"
#define ORIGIN_SHA    "0000000000000000000000000000000000000000000000000000000000000000"

/* A profile of the family without the roots, and the line that asks for evidence. */
#define ORIGIN_PROFILE                                                                             \
	"product: test token\n"                                                                    \
	"version: \"1\"\n"                                                                         \
	"driver: fake\n"                                                                           \
	"identity:\n"                                                                              \
	"  model: { pattern: \"TP-[A-Z]\", example: TP-A }\n"                                      \
	"  serial: { pattern: \"SN[0-9]{4}\", example: SN0001 }\n"                                 \
	"key: { algorithm: EC:P-256 }\n"                                                           \
	"subject:\n"                                                                               \
	"  - { type: CN, value: \"{serial}\" }\n"                                                  \
	"certificate:\n"                                                                           \
	"  key_usage: [digitalSignature]\n"                                                        \
	"  extended_key_usage: [clientAuth]\n"                                                     \
	"  signatures: [ecdsa-with-SHA256]\n"                                                      \
	"  validity: { min_days: 1, max_days: 3660 }\n"                                            \
	"  authority_key_id: optional\n"                                                           \
	"install: [leaf]\n"                                                                        \
	"trust:\n"                                                                                 \
	"  issuer: { file: root.pem, sha256: \"" ORIGIN_SHA "\" }\n"
#define ORIGIN_ASKED "  attestation: { file: chips.pem, sha256: \"" ORIGIN_SHA "\" }\n"

static int origin_check_proof(const struct profile *p, const struct proof *proof,
    struct proof_claims *ret, struct err *e)
{
	size_t head = sizeof(ret->nonce) + sizeof(ret->leaf_sha256);

	(void)p;
	if (proof->preimage.len != head)
		return err_set(e, ERR_DEVICE, "proof.malformed", "%zu bytes", proof->preimage.len);
	memcpy(ret->nonce, proof->preimage.data, sizeof(ret->nonce));
	memcpy(ret->leaf_sha256, proof->preimage.data + sizeof(ret->nonce),
	    sizeof(ret->leaf_sha256));
	memcpy(ret->digest, "SHA256", sizeof("SHA256"));
	if (buf_set(&ret->message, proof->preimage.data, head, e) != 0)
		return -1;
	return buf_set(&ret->signature, proof->signature.data, proof->signature.len, e);
}

static int origin_check(const struct profile *p, const struct buf *ders, struct origin_claims *ret,
    struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	struct err why = { 0 };
	uint8_t *spki = NULL;
	X509 *first;
	int len, rc;

	(void)p;
	if (x509_parse_list(ders->data, ders->len, &certs, ERR_DEVICE, &why) != 0)
		return err_set(e, ERR_DEVICE, "origin.malformed", "%s", why.message);
	first = sk_X509_value(certs, 0);
	memcpy(ret->scheme, ORIGIN_SCHEME, sizeof(ORIGIN_SCHEME));
	(void)X509_NAME_get_text_by_NID(X509_get_subject_name(first), NID_commonName, ret->serial,
	    sizeof(ret->serial)); /* without one it names no serial */
	len = i2d_PUBKEY(X509_get0_pubkey(first), &spki);
	rc = buf_set(&ret->spki, spki, len > 0 ? (size_t)len : 0, e);
	OPENSSL_free(spki);
	return rc == 0 ? buf_set(&ret->chain, ders->data, ders->len, e) : -1;
}

static const struct family origin_family = {
	.name = "fake",
	.keygen = true,
	.identity_before_key = true,
	.objects = 1U << OBJECT_LEAF | 1U << OBJECT_CHAIN,
	.links = 1U << LINK_SERIAL,
	.check_proof = origin_check_proof,
	.check_origin = origin_check,
};

const struct family *family_find(const char *name)
{
	return strcmp(name, origin_family.name) == 0 ? &origin_family : NULL;
}

const struct family *family_at(size_t i)
{
	return i == 0 ? &origin_family : NULL;
}

#endif
