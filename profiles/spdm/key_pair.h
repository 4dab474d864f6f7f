/* Key pairs of an SPDM 1.3 device. */
#ifndef KILN_SPDM_KEY_PAIR_H
#define KILN_SPDM_KEY_PAIR_H

#include "connection.h"

/* The profile's key pair exists. A device that can not tell has its key from the start: true. */
must_check int spdm_key_present(struct spdm_connection *c, bool *ret, struct err *e);

/*
 * Makes the profile's key pair, after erasing one that is there where replace says so; else that one
 * is kept. Errors: DEVICE "device.unsupported", "device.key".
 */
must_check int spdm_key_make(struct spdm_connection *c, bool replace, struct err *e);

#endif
