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

/* True where each of others is above leaf: signed it, or signed what is above it, with the help of
 * issuers (the configured CA certificates). */
bool leaf_has_only_ancestors(X509 *leaf, const X509_STACK *others, const X509_STACK *issuers);

#endif
