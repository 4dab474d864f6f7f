/* Certificate slot 0 of an SPDM device. */
#ifndef KILN_SPDM_CERTIFICATE_H
#define KILN_SPDM_CERTIFICATE_H

#include "connection.h"

/* GET_DIGESTS: the hash of slot 0's chain into ret (the algorithm's hash_len); *ret_present is false
 * where the slot is empty. */
must_check int spdm_get_digest(struct spdm_connection *c, uint8_t ret[static SPDM_HASH_MAX],
    bool *ret_present, struct err *e);

/*
 * GET_CERTIFICATE: slot 0's chain structure into ret (replaced). A CHALLENGE on the same connection is over
 * what was read. Errors: DEVICE "device.empty" (no chain).
 */
must_check int spdm_get_chain(struct spdm_connection *c, struct buf *ret, struct err *e);

/* SET_CERTIFICATE. *ret_reset: stored, and in effect after a reset. */
must_check int spdm_set_chain(struct spdm_connection *c, const struct buf *chain, bool *ret_reset,
    struct err *e);

#endif
