/* A device's certificate: what its request asks for within this CA's rules, or wrong on purpose. */
#ifndef KILN_LEAF_H
#define KILN_LEAF_H

#include "ca.h"

/* How the certificate differs from a right one. */
enum leaf_flaw {
	LEAF_OTHER_KEY = 1 << 0,
	LEAF_OTHER_SUBJECT = 1 << 1,
	LEAF_NO_SAN = 1 << 2,
	LEAF_OTHER_KU = 1 << 3,
	LEAF_OTHER_EKU = 1 << 4,
	LEAF_IS_CA = 1 << 5,
	LEAF_NO_SKI = 1 << 6,
	LEAF_NO_AKI = 1 << 7,
	LEAF_SAME_SERIAL = 1 << 8,  /* one number for all */
	LEAF_SHORT_SERIAL = 1 << 9, /* one octet */
	LEAF_SHORT_LIFE = 1 << 10,  /* ten minutes */
	LEAF_EXPIRED = 1 << 11,
	LEAF_NOT_YET = 1 << 12, /* from tomorrow on */
	LEAF_EXTRA_CRITICAL = 1 << 13,
	LEAF_BAD_SIGNATURE = 1 << 14, /* by another key than the issuer's */
};

/*
 * Subject and key of the request; subjectAltName, keyUsage (digitalSignature where none is asked),
 * extendedKeyUsage, policies, MUD URL and the SPDM extension as asked; the rest is this CA's. flaws:
 * LEAF_ values. Refused, as domain DEVICE: "csr.pop", "csr.key", and "csr.extension" for what would
 * make the device an authority.
 */
must_check int leaf_issue(const struct ca *ca, X509_REQ *request, unsigned flaws, X509 **ret,
    struct err *e);

#endif
