/* The emulated device's keys: made, kept and used by OpenSSL where a device has a crypto engine. */
#ifndef KILN_TWIN_KEY_H
#define KILN_TWIN_KEY_H

#include <stdbool.h>

#include "buf.h"
#include "x509.h"

/* One of the algorithms that the twin can do, by its bits in three different fields of SPDM. */
struct twin_curve {
	const char *name;         /* OpenSSL's: "P-256" */
	uint32_t base_asym;       /* BaseAsymAlgo */
	uint32_t key_asym;        /* AsymAlgo of key pairs */
	size_t width;             /* of r and of s */
	const uint8_t *algorithm; /* DER AlgorithmIdentifier of the public key */
	size_t algorithm_len;
};
/* NULL where bits is none of them or several. */
const struct twin_curve *twin_curve_of_base(uint32_t bits);
const struct twin_curve *twin_curve_of_key(uint32_t bits);

struct twin_hash {
	const char *name;     /* OpenSSL's: "SHA256" */
	uint32_t base;        /* BaseHashAlgo */
	uint32_t measurement; /* MeasurementHashAlgo */
	size_t len;
};
const struct twin_hash *twin_hash_of_base(uint32_t bits);

must_check int twin_key_make(const struct twin_curve *curve, EVP_PKEY **ret, struct err *e);
/* The private key for the flash file, and back. */
must_check int twin_key_store(EVP_PKEY *key, struct buf *ret, struct err *e);
must_check int twin_key_restore(const struct buf *stored, EVP_PKEY **ret, struct err *e);

/* Appends the digest. */
must_check int twin_hash(const struct twin_hash *hash, const void *data, size_t len,
    struct buf *ret, struct err *e);

/*
 * SPDM 1.2 signing (DSP0274 15): combined prefix with the context, then the transcript's hash. minor
 * is the connection's. twin_sign appends r || s.
 */
must_check int twin_signed_message(uint8_t version, const char *context,
    const struct twin_hash *hash, const struct buf *transcript, struct buf *ret, struct err *e);
must_check int twin_sign(EVP_PKEY *key, const struct twin_curve *curve,
    const struct twin_hash *hash, const struct buf *message, struct buf *ret, struct err *e);

#endif
