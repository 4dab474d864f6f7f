/* Did the device prove that it holds the key of the certificate it stores? Pure, no I/O. */
#ifndef KILN_JUDGE_PROOF_H
#define KILN_JUDGE_PROOF_H

#include "family.h"
#include "x509.h"

/*
 * leaf is the certificate as it was read back from the device. Errors, all DEVICE:
 *   proof.nonce        the proof answers another nonce
 *   proof.certificate  the proof is about another certificate
 *   proof.signature    the signature does not verify under that certificate's key
 */
must_check int judge_proof(const struct proof_claims *claims, const uint8_t nonce[static 32],
    X509 *leaf, struct err *e);

/* The object that the device stores is the one it was sent. Error: DEVICE "readback.differs". */
must_check int judge_readback(enum object object, const struct buf *sent,
    const struct stored *stored, struct err *e);

#endif
