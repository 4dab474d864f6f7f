/* Which of an answer's certificates is ours. A certs-only SET has no order: only the key tells. */
#ifndef KILN_LEAF_H
#define KILN_LEAF_H

#include "x509.h"

/*
 * The certificate with this public key. The CA certificates that came along go to ret_others.
 * Errors, domain CA: "est.other-key" (none with the key, somebody else's instead), "est.no-leaf"
 * (only CA certificates), "est.two-leaves" (two different ones with the key).
 */
must_check int leaf_select(const X509_STACK *certs, const EVP_PKEY *key, X509 **ret,
    X509_STACK **ret_others, unsigned *warnings, struct err *e);

enum { LEAF_KEPT_MAX = 8, LEAF_KEPT_BYTES = 64 * 1024 };

/*
 * What must not be lost of an answer that leaf_select refuses: the certificates with this key first (they
 * exist, and nobody has them), then those of other end entities; each once, at most LEAF_KEPT_MAX with
 * LEAF_KEPT_BYTES of DER together. *ret_left_out: how many more there were.
 */
must_check int leaf_keep(const X509_STACK *certs, const EVP_PKEY *key, X509_STACK **ret,
    size_t *ret_left_out, struct err *e);

/* True where each of others is above leaf: signed it, or signed what is above it, with the help of
 * issuers (the configured CA certificates). */
bool leaf_has_only_ancestors(X509 *leaf, const X509_STACK *others, const X509_STACK *issuers);

#endif
