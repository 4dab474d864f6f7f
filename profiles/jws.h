/*
 * JSON Web Signature, compact form (RFC 7515), over a statement: the secondary form of an attestation,
 * for readers without CMS. Exactly one protected header is written and accepted:
 * {"alg", "typ": "kiln-statement+jws", "x5t#S256"}.
 */
#ifndef KILN_JWS_H
#define KILN_JWS_H

#include "x509.h"

/* Appends header and payload, ready to be signed with jws_digest(key): "<header>.<payload>". */
must_check int jws_begin(EVP_PKEY *key, const X509 *signer, const struct buf *payload,
    struct buf *ret, struct err *e);
/* OpenSSL's name of the digest that belongs to the key's algorithm (RFC 7518 3.1); NULL where the key
 * has none: not P-256, P-384 or RSA. */
const char *jws_digest(const EVP_PKEY *key);
/* Appends ".<signature>"; signature as OpenSSL makes it (ECDSA: DER). */
must_check int jws_end(EVP_PKEY *key, const struct buf *signature, struct buf *ret, struct err *e);

/*
 * The signature is the signer certificate's, over exactly this payload. Errors: RECORDS "jws.form",
 * "jws.header", "jws.payload", "jws.signature".
 */
must_check int jws_verify(const char *jws, X509 *signer, const struct buf *payload, struct err *e);

#endif
