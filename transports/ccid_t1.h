/* The block protocol T=1 (ISO 7816-3, 11) for readers that carry its blocks as they are. Private to
 * ccid*.c. */
#ifndef KILN_CCID_T1_H
#define KILN_CCID_T1_H

#include "ccid.h"

/*
 * What the answer to reset says of protocols: the first one it offers, and T=1's block size. Errors: LINK
 * "ccid.reader" (neither T=0 nor T=1, or T=1 with a CRC), DEVICE "ccid.mute" (it makes no sense).
 */
must_check int ccid_read_atr(struct ccid *c, uint8_t *ret_protocol, struct err *e);

/* As ccid_transmit. */
must_check int ccid_t1_transmit(struct ccid *c, const struct buf *apdu, struct buf *ret,
    int64_t deadline, struct err *e);

#endif
