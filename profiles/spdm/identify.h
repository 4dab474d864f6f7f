/* Who an SPDM device is, by the way that the profile says. */
#ifndef KILN_SPDM_IDENTIFY_H
#define KILN_SPDM_IDENTIFY_H

#include "connection.h"

/*
 * Over a fresh connection. The device's own otherName (OID_SPDM_DEVICE_INFO) is what `certificate` and
 * `csr` read. Errors: as spdm_exchange; DEVICE "device.identity" (it says nothing, or two things).
 */
must_check int spdm_identify(struct spdm_connection *c, struct identity *ret, struct err *e);

#endif
