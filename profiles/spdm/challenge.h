/* CHALLENGE: the device proves that it holds the key of the certificate in slot 0. */
#ifndef KILN_SPDM_CHALLENGE_H
#define KILN_SPDM_CHALLENGE_H

#include "connection.h"
#include "family.h"

/* On a fresh connection: reads slot 0, then challenges it. What the proof says is check_proof's to
 * judge. */
must_check int spdm_prove(struct spdm_connection *c, const uint8_t nonce[static SPDM_NONCE_LEN],
    struct proof *ret, struct err *e);

#endif
