/* A YubiKey's attestation, as certificates. */
#ifndef KILN_PIV_CHECK_ORIGIN_H
#define KILN_PIV_CHECK_ORIGIN_H

#include "check_options.h"
#include "family.h"

#define PIV_ORIGIN_SCHEME "piv-attestation"

/*
 * The length of the SEQUENCE at der, as its header says, or 0 where it is none or does not end within
 * len: a card may send less than it announces and call that success.
 */
size_t piv_der_length(const uint8_t *der, size_t len);

/*
 * As family.h's check_origin, for these options. Errors, all DEVICE: "origin.der" (bytes that are no
 * certificates), "origin.extension" (one of Yubico's that makes no sense, or is there twice),
 * "origin.key", "origin.policy" (another PIN or touch policy than the profile's).
 */
must_check int piv_origin_read(const struct piv_options *o, const struct buf *ders,
    struct origin_claims *ret, struct err *e);

#endif
