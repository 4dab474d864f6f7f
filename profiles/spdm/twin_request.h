/* The PKCS#10 that a device makes over its key, from what the requester wants in it. */
#ifndef KILN_TWIN_REQUEST_H
#define KILN_TWIN_REQUEST_H

#include "twin_key.h"

/*
 * A CertificationRequestInfo (RFC 2986 4.1) as the requester sent it, read into a request without a
 * signature. Errors: DEVICE "twin.info": malformed, or over another key than this.
 */
must_check int twin_request_parse(const uint8_t *info, size_t len, EVP_PKEY *key, X509_REQ **ret,
    struct err *e);

/*
 * Subject and attributes of wanted (NULL: the common name is serial), and in its extensionRequest the
 * device's own DMTF otherName, "manufacturer:model:serial", and what an SPDM leaf needs.
 */
must_check int twin_request_make(X509_REQ *wanted, const char *model, const char *serial,
    EVP_PKEY *key, const struct twin_hash *hash, struct buf *ret, struct err *e);

#endif
