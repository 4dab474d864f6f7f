/* OpenSSL's X.509 types with kiln's ownership, and the few readings that every program needs. */
#ifndef KILN_X509_H
#define KILN_X509_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "buf.h"
#include "err.h"
#include "own.h"

OWNED(X509, X509_free)
OWNED(X509_REQ, X509_REQ_free)
OWNED(X509_NAME, X509_NAME_free)
OWNED(EVP_PKEY, EVP_PKEY_free)
OWNED(BIO, BIO_free_all)

static inline void x509_stack_free(STACK_OF(X509) * s)
{
	sk_X509_pop_free(s, X509_free);
}
typedef STACK_OF(X509) X509_STACK;
OWNED(X509_STACK, x509_stack_free)

/* One certificate / request, DER, no trailing bytes. domain is the one blamed. */
must_check int x509_parse(const uint8_t *der, size_t len, X509 **ret, enum err_domain domain,
    struct err *e);
must_check int x509_parse_request(const uint8_t *der, size_t len, X509_REQ **ret,
    enum err_domain domain, struct err *e);
/* Concatenated DER certificates, at least one, in their order. */
must_check int x509_parse_list(const uint8_t *der, size_t len, X509_STACK **ret,
    enum err_domain domain, struct err *e);
/*
 * Length of the first of concatenated DER certificates, by its outermost SEQUENCE alone; 0 where there is none.
 * OpenSSL decodes the key of whatever it parses, and that is most of a certificate's price: who only needs to
 * know where one ends does not pay it.
 */
size_t x509_cut(const uint8_t *der, size_t len);
/* Likewise of the SubjectPublicKeyInfo in a PKCS#10 request, which begins at *ret. What it holds is not looked at. */
size_t x509_cut_request_key(const uint8_t *der, size_t len, const uint8_t **ret);
/* The certificate, which is all of the bytes, has the same name as issuer and as subject, octet by octet. */
bool x509_cut_is_self_issued(const uint8_t *der, size_t len);

/* The certificates of a PEM text, at least one. name is what errors call it. */
must_check int x509_parse_pem(const char *name, const struct buf *pem, X509_STACK **ret,
    enum err_domain domain, struct err *e);
/* Appends the DER / PEM of one certificate. */
must_check int x509_add_der(const X509 *cert, struct buf *ret, struct err *e);
must_check int x509_add_pem(const X509 *cert, struct buf *ret, struct err *e);

/* cert, which may be NULL, is what these bytes decode to. */
bool x509_is(const X509 *cert, const uint8_t *der, size_t len);

/* Appends the SubjectPublicKeyInfo of a key as DER. */
must_check int x509_add_spki(EVP_PKEY *key, struct buf *ret, struct err *e);

/* SHA-256 over the certificate's DER; over the SubjectPublicKeyInfo's DER. */
must_check int x509_digest(const X509 *cert, uint8_t ret[static SHA256_LEN], struct err *e);
must_check int x509_spki_digest(EVP_PKEY *key, uint8_t ret[static SHA256_LEN], struct err *e);
/* Subject as RFC 2253 text; serial number as lower-case hex. Appended as text. */
must_check int x509_add_subject(const X509 *cert, struct buf *ret, struct err *e);
must_check int x509_add_issuer(const X509 *cert, struct buf *ret, struct err *e);
must_check int x509_add_serial(const X509 *cert, struct buf *ret, struct err *e);
/* True where subject and issuer are one name and the certificate verifies under its own key. */
bool x509_is_self_signed(X509 *cert);

#endif
