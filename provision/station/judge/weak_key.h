/*
 * Public keys that somebody else can compute the private half of, found in about a millisecond: the
 * ways in which key generation on a factory floor has really gone wrong. Pure, no I/O.
 */
#ifndef KILN_WEAK_KEY_H
#define KILN_WEAK_KEY_H

#include <stdbool.h>

#include <openssl/bn.h>
#include <openssl/evp.h>

#include "buf.h"
#include "err.h"
#include "own.h"

OWNED(BIGNUM, BN_free)
OWNED(BN_CTX, BN_CTX_free)

/* spki: SHA-256 over its SubjectPublicKeyInfo. DEVICE "csr.weak". */
must_check int weak_key_check(EVP_PKEY *key, const uint8_t spki[static SHA256_LEN], struct err *e);

/* The parts. n is a modulus; e an exponent. */
must_check int weak_rsa_check(const BIGNUM *n, const BIGNUM *exponent, struct err *e);
must_check int weak_ec_check(EVP_PKEY *key, struct err *e);

/* n has the form of CVE-2017-15361 (ROCA): every residue is a power of 65537. */
bool weak_rsa_is_roca(const BIGNUM *n);
/* n = p * q with p and q so close that Fermat's method splits it in 100 rounds. */
must_check int weak_rsa_is_fermat(const BIGNUM *n, bool *ret, struct err *e);

#endif
