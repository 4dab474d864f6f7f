/* PKCS#10 requests for the station's own certificates, signed in the token. */
#ifndef KILN_HSM_CSR_H
#define KILN_HSM_CSR_H

#include "hsm.h"

/* What the station wants the certificate for: exactly one. Never one key for both (the program that
 * faces the network must not be able to attest). */
enum hsm_purpose {
	HSM_PURPOSE_PLAIN,       /* no extensions asked for */
	HSM_PURPOSE_RA,          /* TLS client and registration authority (RFC 6402 2.10) */
	HSM_PURPOSE_ATTESTATION, /* kiln's statements (oids.h) */
};

/*
 * Appends the DER of a request. subject is "/CN=a/O=b" or RFC 2253 text ("O=b,CN=a" reversed: its
 * first is the most specific); backslash escapes one character or is followed by two hex digits.
 * Errors: CONFIG "hsm.subject", HSM.
 */
must_check int hsm_csr(EVP_PKEY *key, const char *subject, enum hsm_purpose purpose,
    struct buf *ret, struct err *e);

#endif
