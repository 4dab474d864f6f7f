/* The CSR of a unit: what to ask of a device, and what to settle for. */
#ifndef KILN_SPDM_REQUEST_H
#define KILN_SPDM_REQUEST_H

#include "connection.h"
#include "subject.h"

/*
 * The best CSR that the device gives, best first: with subject and alternative names, with the
 * subject, its own. resume is device->resume (driver.h). *ret_reset: the device must be reset, and
 * resume says what comes then. Errors: as spdm_exchange; DEVICE "device.key".
 */
must_check int spdm_request_csr(struct spdm_connection *c, const struct subject *subject,
    struct buf *resume, struct buf *ret, bool *ret_reset, struct err *e);

#endif
