/* GET_CSR, and the RequesterInfo that tells a device what to put into its CSR. */
#ifndef KILN_SPDM_CSR_H
#define KILN_SPDM_CSR_H

#include "connection.h"
#include "subject.h"

/*
 * GET_CSR with this RequesterInfo (may be empty) and tracking tag (0: a new request). Errors: as
 * spdm_exchange; peer.error_code ResetRequired means: reset, then the same with the tag in
 * peer.error_data.
 */
must_check int spdm_get_csr(struct spdm_connection *c, const struct buf *info, uint8_t tag,
    struct buf *ret, struct err *e);

/* CertificationRequestInfo (RFC 2986) for that key (spdm_key_of), with the alternative names if with_san. */
must_check int spdm_requester_info(const struct subject *subject, const struct buf *key,
    bool with_san, struct buf *ret, struct err *e);

/*
 * The key of a CSR as SubjectPublicKeyInfo: of that algorithm by its form. It goes back to the device it came
 * from, and is what the device says until the station has judged the CSR: to decode it here would cost more than
 * all else that is done for a unit. Errors: DEVICE "x509" (no CSR), DEVICE "device.key".
 */
must_check int spdm_key_of(const struct spdm_algorithm *a, const struct buf *csr, struct buf *ret,
    struct err *e);

/* That key as a compressed point (SEC 1 2.3.3), appended; and back. Errors: DEVICE "device.key". */
enum { SPDM_POINT_MAX = 1 + 48 };
must_check int spdm_key_compress(const struct spdm_algorithm *a, const struct buf *key,
    struct buf *ret, struct err *e);
must_check int spdm_key_expand(const struct spdm_algorithm *a, const uint8_t *point, size_t len,
    struct buf *ret, struct err *e);

#endif
