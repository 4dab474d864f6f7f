/*
 * The flash chip of an emulated device: two banks that are written in turn, each with one record that has a
 * number and a check sum. A write that is torn spoils only the older bank, and start-up takes the newest record
 * that is whole: the device then has its old content (none, after its first write) or the complete new one.
 */
#ifndef KILN_TWIN_BANK_H
#define KILN_TWIN_BANK_H

#include "buf.h"

enum { TWIN_BANK_LEN = 1 << 20 };

/* What a bank that lost its power in the middle of a write holds behind the part that was written. */
enum twin_rest { TWIN_REST_OLD, TWIN_REST_ERASED, TWIN_REST_GARBAGE, TWIN_RESTS };

/* A write that the power leaves after a fraction of 256 of its bytes (256: all of them). */
struct twin_tear {
	unsigned fraction;
	enum twin_rest rest;
};

/* The newest whole record; number 0 and empty where there is none and one bank was never written. Two
 * spoilt banks: DEVICE "twin.flash". */
must_check int twin_bank_load(const char *path, struct buf *ret, uint32_t *ret_number,
    struct err *e);
/* Writes the record with this number, which counts up from 1; as torn where tear is not NULL. */
must_check int twin_bank_store(const char *path, uint32_t number, const struct buf *content,
    const struct twin_tear *tear, struct err *e);

#endif
