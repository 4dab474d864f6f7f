/* Certificate chains as a device looks at them. */
#ifndef KILN_TWIN_CHAIN_H
#define KILN_TWIN_CHAIN_H

#include "twin_key.h"

/*
 * What SET_CERTIFICATE checks of certificates (root first; list: the same, parsed): each verifies under
 * the one before it, the first is a root with this digest, the leaf is a device certificate over key. strict: the rules
 * of SPDM 1.3 for basicConstraints. Errors: DEVICE "twin.chain".
 */
must_check int twin_chain_check(const struct buf *certificates, X509_STACK *list,
    const struct twin_hash *hash, const uint8_t *root_hash, EVP_PKEY *key, bool strict,
    struct err *e);

/* Appends the digest of the first certificate. */
must_check int twin_chain_root(const struct buf *certificates, const struct twin_hash *hash,
    struct buf *ret, struct err *e);

/*
 * Another chain that is sound in itself: the leaf of certificates, with its names and its key, issued
 * again by a root made here.
 */
must_check int twin_chain_forge(const struct buf *certificates, struct buf *ret, struct err *e);

#endif
