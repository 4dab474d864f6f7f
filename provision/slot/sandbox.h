/*
 * The fence around a slot: once its device is open, the process can read, write and wait on what it
 * holds, and nothing else. Anything else ends it at once: a slot that tries has been taken over.
 */
#ifndef KILN_SANDBOX_H
#define KILN_SANDBOX_H

#include "buf.h"

/* What takes its time: the filter's program, for any process forked from this one, and all that libcrypto
 * and jansson fetch at first use, from files too. Errors: CONFIG "slot.sandbox". */
must_check int sandbox_prepare(struct buf *ret_filter, struct err *e);

/* For this process and for good. Errors: CONFIG "slot.sandbox"; the process is then as it was before,
 * and must not talk to a device. */
must_check int sandbox_enter(const struct buf *filter, struct err *e);

#endif
