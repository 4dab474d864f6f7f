/* What an EST answer carries: certificates in a certs-only PKCS#7 (RFC 7030 4.1.3), in base64. */
#ifndef KILN_CONTAINER_H
#define KILN_CONTAINER_H

#include "x509.h"

/* DER of a SignedData without signer whose certificates are certs in their order. Appended. */
must_check int container_pkcs7(const X509_STACK *certs, struct buf *ret, struct err *e);

/* Base64 in lines of width characters, each ended by end; width 0: one line without end. Appended. */
must_check int container_base64(const struct buf *der, size_t width, const char *end,
    struct buf *ret, struct err *e);

#endif
