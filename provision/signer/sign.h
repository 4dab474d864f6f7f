/* The two forms of an attestation, made with a key of the token. profiles/attestation.h reads them. */
#ifndef KILN_SIGN_H
#define KILN_SIGN_H

#include "x509.h"

/*
 * CMS SignedData (DER, appended) over the statement: encapsulated, type OID_KILN_STATEMENT, one signer
 * with CAdES-BES attributes, leaf and chain included. Errors: HSM (hsm.h).
 */
must_check int sign_cms(EVP_PKEY *key, X509 *leaf, X509_STACK *chain, const struct buf *statement,
    struct buf *ret, struct err *e);
/* JWS in compact form, appended as text. */
must_check int sign_jws(EVP_PKEY *key, X509 *leaf, const struct buf *statement, struct buf *ret,
    struct err *e);

#endif
