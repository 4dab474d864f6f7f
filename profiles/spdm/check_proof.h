/*
 * What the family's proof says. Scheme SPDM_PROOF_SCHEME: preimage = every message of one connection
 * from GET_VERSION to CHALLENGE_AUTH without its signature (M1 of DSP0274: A, B, C), in which slot 0
 * was read as a whole; signature = r and s as CHALLENGE_AUTH carries them.
 */
#ifndef KILN_SPDM_PROOF_H
#define KILN_SPDM_PROOF_H

#include "check_options.h"
#include "family.h"

#define SPDM_PROOF_SCHEME "spdm-challenge"

/* family.check_proof. Errors: DEVICE "proof.scheme", "proof.layout", "proof.version",
 * "proof.algorithm", "proof.chain", "proof.challenge", "proof.signature". */
must_check int spdm_check_proof(const struct profile *p, const struct proof *proof,
    struct proof_claims *ret, struct err *e);
must_check int spdm_proof_read(const struct spdm_options *o, const struct proof *proof,
    struct proof_claims *ret, struct err *e);

/* The bytes that a CHALLENGE_AUTH signature is over: combined prefix and hash of the transcript.
 * Appended to ret. version is SPDM_VERSION_12 or SPDM_VERSION_13. */
must_check int spdm_proof_message(const struct spdm_algorithm *a, uint8_t version,
    const struct buf *transcript, struct buf *ret, struct err *e);
/* r || s as ECDSA-Sig-Value (RFC 3279 2.2.3). Appended to ret. */
must_check int spdm_proof_signature(const struct buf *raw, struct buf *ret, struct err *e);

#endif
