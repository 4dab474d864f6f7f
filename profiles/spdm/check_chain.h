/*
 * SPDM's certificate chain structure (DSP0274): le16 length, le16 0, hash of the root certificate,
 * then the certificates, root first and leaf last. Elsewhere in kiln a chain is DERs, leaf first.
 */
#ifndef KILN_SPDM_CHAIN_H
#define KILN_SPDM_CHAIN_H

#include "check_options.h"

enum { SPDM_CHAIN_CERTIFICATES_MAX = 10 };

/* ders: leaf first, root last. Appended to ret. Errors: CERT "chain". */
must_check int spdm_chain_build(const struct spdm_algorithm *a, const struct buf *ders,
    struct buf *ret, struct err *e);

/*
 * The other way, from a device: every length and the root's hash are checked; what the certificates
 * say is not, nor their signatures. ret (DERs, leaf first) is replaced. Errors: DEVICE with this code.
 */
must_check int spdm_chain_read(const struct spdm_algorithm *a, const struct buf *chain,
    const char *code, struct buf *ret, struct err *e);

/* The first certificate of DERs (the leaf) as bytes of its own: borrowed from ders, which is not
 * empty and came from spdm_chain_read. */
size_t spdm_chain_leaf_len(const struct buf *ders);

#endif
