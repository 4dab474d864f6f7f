/* Key pairs in a card's slots: made, read, used. */
#ifndef KILN_PIV_KEY_H
#define KILN_PIV_KEY_H

#include "card.h"
#include "check_options.h"

/* There is a key in the slot, as the card's metadata says, else its attestation, else because there is a
 * certificate for one. */
must_check int piv_key_present(struct piv_card *c, const struct piv_options *o, bool *ret,
    struct err *e);

/* Makes one in place of what is there; its SubjectPublicKeyInfo, DER. Needs the management key. Errors:
 * DEVICE "piv.key" (what comes back is no such key), as piv_call. */
must_check int piv_generate(struct piv_card *c, const struct piv_options *o, struct buf *ret_spki,
    struct err *e);

/* The public key of a key that is there: from metadata, attestation or the slot's certificate. DEVICE
 * "piv.key" (of another algorithm), "piv.public-key" (no way to read it). */
must_check int piv_read_key(struct piv_card *c, const struct piv_options *o, struct buf *ret_spki,
    struct err *e);

/* The public key in a card's own form (7F49's content). DEVICE "piv.key". */
must_check int piv_public_key(const struct piv_algorithm *a, const uint8_t *data, size_t len,
    struct buf *ret_spki, struct err *e);

/* Signs the message with its algorithm's digest: ECDSA-Sig-Value, or RSA PKCS#1 v1.5. */
must_check int piv_sign(struct piv_card *c, const struct piv_options *o, const struct buf *message,
    struct buf *ret_signature, struct err *e);

/*
 * The card's attestation for the slot (one DER, whole) and the certificate it is signed with, one behind
 * the other; ret is empty where the card knows no attestation. DEVICE "origin.der" where the card sends
 * less than it announces.
 */
must_check int piv_attest(struct piv_card *c, const struct piv_options *o, struct buf *ret_ders,
    struct err *e);

#endif
