/*
 * Reading an attestation: CMS SignedData with CAdES-BES attributes (RFC 5652, RFC 5126), and a JWS over
 * the same bytes. Pure OpenSSL, offline.
 */
#ifndef KILN_ATTESTATION_H
#define KILN_ATTESTATION_H

#include "x509.h"

/*
 * A certificate that may sign statements: its key usage allows digitalSignature, its extended key usage
 * is OID_KILN_EKU_ATTESTATION, and its key is P-256, P-384 or RSA of 2048 bits or more.
 * Error: code "attestation.certificate", domain as given.
 */
must_check int attestation_check_certificate(X509 *cert, enum err_domain domain, struct err *e);

/*
 * Verifies both forms. The chain must end in one of trust and be valid at `at` (seconds since the
 * epoch: when the statement was recorded, so that an old statement stays valid). The CMS holds one
 * signer, its certificate, the statement as OID_KILN_STATEMENT, and the signing certificate attribute.
 * The statement's claims are not looked at (statement.h). ret_signer: owned by the caller; both outputs
 * are untouched on failure. Errors: RECORDS "attestation.form", "attestation.signature",
 * "attestation.certificate", "jws.*".
 */
must_check int attestation_verify(const struct buf *cms, const char *jws, X509_STACK *trust,
    int64_t at, struct buf *ret_statement, X509 **ret_signer, struct err *e);

#endif
