/*
 * PKCS#10 (RFC 2986) for devices that make keys and sign, and build no request of their own: the driver
 * builds it around the device's public key, the device signs it. Subject and names are the profile's,
 * byte for byte.
 */
#ifndef KILN_PKCS10_H
#define KILN_PKCS10_H

#include "subject.h"

/*
 * CertificationRequestInfo as DER: what is to be signed. spki is the device's SubjectPublicKeyInfo, DER;
 * the names go into an extensionRequest (RFC 2985 5.4.2), without names there is none. Errors: DEVICE
 * "csr.key" (spki is no public key in DER).
 */
must_check int pkcs10_info(const struct subject *subject, const struct buf *spki, struct buf *ret,
    struct err *e);
/* As pkcs10_info, around whatever bytes of a key. */
must_check int pkcs10_info_around(const struct subject *subject, const struct buf *spki,
    struct buf *ret, struct err *e);

/* The digest that the key's algorithm signs with ("EC:P-256" -> "SHA256"; key_algorithm.h); NULL where it
 * signs the message itself (ED25519), and for a name that is none. */
const char *pkcs10_digest(const char *key_algorithm);

/*
 * info, the algorithm identifier (RSA is PKCS#1 v1.5) and the signature (ECDSA-Sig-Value, or RSA's or
 * Ed25519's octets) as one request. The signature is not verified. Errors: CONFIG "csr.algorithm".
 */
must_check int pkcs10_assemble(const struct buf *info, const char *key_algorithm,
    const struct buf *signature, struct buf *ret_csr, struct err *e);

#endif
