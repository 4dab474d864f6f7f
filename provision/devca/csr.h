/* A certification request as it arrives, in every form that some EST server in the field accepts. */
#ifndef KILN_CSR_H
#define KILN_CSR_H

#include "x509.h"

enum { CSR_BODY_MAX = 64 * 1024 };

/*
 * The DER of the request in body: base64 in lines of any length with LF or CRLF, the same in PEM
 * armour, or DER itself (the Content-Transfer-Encoding says nothing, RFC 8951 2.1). Replaces ret.
 * Errors are the sender's: domain DEVICE, "csr.form".
 */
must_check int csr_decode(const uint8_t *body, size_t len, struct buf *ret, struct err *e);

/* The request's own signature verifies (proof of possession) and its key is not weak: 112 bits of
 * security or more. Errors: DEVICE "csr.pop", "csr.key". */
must_check int csr_check(X509_REQ *request, struct err *e);

#endif
