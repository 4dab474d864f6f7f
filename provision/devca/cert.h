/*
 * Making one certificate. Whatever this program signs starts in cert_start, which marks it as not
 * for production: there is no other way to a certificate here.
 */
#ifndef KILN_CERT_H
#define KILN_CERT_H

#include <stdint.h>

#include "x509.h"

/* A certificate and the key that belongs to it. { 0 } is empty. */
struct cert_pair {
	X509 *cert;
	EVP_PKEY *key;
};
void cert_pair_free(struct cert_pair *p);

/* notAfter 99991231235959Z (RFC 5280 4.1.2.5): no expiry. */
#define CERT_NO_EXPIRY INT64_MAX

struct cert_plan {
	const X509_NAME *subject;
	EVP_PKEY *key;      /* whose public half is certified */
	const X509 *issuer; /* NULL: the certificate issues itself */
	int64_t not_before; /* seconds since the epoch */
	int64_t not_after;  /* the same, or CERT_NO_EXPIRY */
};

/* Unsigned, version 3, with a random 128-bit serial number and the mark. */
must_check int cert_start(const struct cert_plan *plan, X509 **ret, struct err *e);

/* One extension from OpenSSL's text form (x509v3_config(5)). issuer NULL: self-issued. */
must_check int cert_add(X509 *cert, const X509 *issuer, int nid, const char *value, struct err *e);

/* One extension of any OID from its DER value. */
must_check int cert_add_raw(X509 *cert, const char *oid, bool critical, const uint8_t *der,
    size_t len, struct err *e);

/* Signs with SHA-256, or with no digest where the key's algorithm takes none. */
must_check int cert_sign(X509 *cert, EVP_PKEY *issuer_key, struct err *e);

must_check int cert_set_not_after(X509 *cert, int64_t not_after, struct err *e);
must_check int cert_set_not_before(X509 *cert, int64_t not_before, struct err *e);

/* A fresh P-256 key. */
must_check int cert_new_key(EVP_PKEY **ret, struct err *e);

#endif
