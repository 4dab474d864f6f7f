/* BER-TLV as cards use it (ISO 7816-4 5.2.2): tags of one or two bytes, lengths of up to three. */
#ifndef KILN_PIV_TLV_H
#define KILN_PIV_TLV_H

#include "buf.h"

struct tlv {
	unsigned tag;
	const uint8_t *value; /* borrowed */
	size_t len;
};

/* The element at *at; *at moves behind it. False where there is none that ends within len. */
must_check bool tlv_next(const uint8_t *data, size_t len, size_t *at, struct tlv *ret);

/* The first element of that tag; false where there is none, or what is before it is no TLV. */
must_check bool tlv_find(const uint8_t *data, size_t len, unsigned tag, struct tlv *ret);

/* The bytes are one element of that tag, and nothing else. */
must_check bool tlv_is(const uint8_t *data, size_t len, unsigned tag, struct tlv *ret);

/* Appends one; len is at most 65535. */
must_check int tlv_add(struct buf *ret, unsigned tag, const void *value, size_t len, struct err *e);

#endif
