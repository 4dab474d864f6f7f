/* GET_CSR, and the RequesterInfo that tells a device what to put into its CSR. */
#ifndef KILN_SPDM_CSR_H
#define KILN_SPDM_CSR_H

#include <openssl/x509.h>

#include "connection.h"
#include "subject.h"

/*
 * GET_CSR with this RequesterInfo (may be empty) and tracking tag (0: a new request). Errors: as
 * spdm_exchange; peer.error_code ResetRequired means: reset, then the same with the tag in
 * peer.error_data.
 */
must_check int spdm_get_csr(struct spdm_connection *c, const struct buf *info, uint8_t tag,
    struct buf *ret, struct err *e);

/* CertificationRequestInfo (RFC 2986) for that key, with the alternative names if with_san. Appended
 * to ret. */
must_check int spdm_requester_info(const struct subject *subject, EVP_PKEY *key, bool with_san,
    struct buf *ret, struct err *e);

/* The key of a CSR as a compressed point (SEC 1 2.3.3), and back. Errors: DEVICE "device.key". */
enum { SPDM_POINT_MAX = 1 + 48 };
must_check int spdm_key_compress(const struct spdm_algorithm *a, EVP_PKEY *key, struct buf *ret,
    struct err *e);
must_check int spdm_key_expand(const struct spdm_algorithm *a, const uint8_t *point, size_t len,
    EVP_PKEY **ret, struct err *e);

#endif
