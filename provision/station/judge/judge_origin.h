/* Does the chip itself say that it made this key? Pure, no I/O. */
#ifndef KILN_JUDGE_ORIGIN_H
#define KILN_JUDGE_ORIGIN_H

#include <openssl/evp.h>

#include "family.h"

/*
 * The evidence that came with a CSR (driver.h, `origin`; empty: none came), under the roots of the profile's
 * trust.attestation. key is the CSR's that was judged; at is wall clock, seconds since the epoch. Where the
 * profile configures no roots nothing is asked: ret->scheme is "" then. Errors, all DEVICE:
 *   origin.missing     the profile asks for evidence and none came
 *   origin.malformed   and others of the family's check_origin
 *   origin.chain       as judge_origin_claims
 *   origin.key
 *   origin.serial
 *   origin.firmware
 */
must_check int judge_origin(const struct profile *p, const struct identity *i,
    const struct buf *evidence, EVP_PKEY *key, int64_t at, struct origin_claims *ret,
    struct err *e);

/*
 * The same of evidence that the family has read. Errors:
 *   DEVICE origin.chain    no chain from the evidence to one of the roots: a signature or a name that does not
 *                          fit, a date, a weak digest or key, a certificate between that may not sign others;
 *                          or the evidence is a root itself, so that nobody vouches for it
 *   DEVICE origin.key      it is about another key
 *   DEVICE origin.serial   it names another unit
 *   DEVICE origin.firmware it names another firmware than the device, which may name none
 *   CONFIG profile         the roots are not loaded
 *
 * What a root may do is not asked of the root (basicConstraints, key usage): the profile names it for this one
 * use, and chips that make their attestation certificate themselves leave these out. Of what stands between
 * it is: whoever has a device can have its attested key sign anything, and with a certificate for a key of his
 * own, signed so, everything else would fit. An attested key's certificate is no CA's; that alone tells it from
 * the attester's. Purposes (extended key usage) say nothing of attestation and are not asked of anyone.
 */
must_check int judge_origin_claims(const struct profile *p, const struct identity *i,
    const struct origin_claims *claims, EVP_PKEY *key, int64_t at, struct err *e);

#endif
