/* BER-TLV (ISO 7816-4 5.2.2) as the card reads and writes it. */
#ifndef KILN_TWIN_TLV_H
#define KILN_TWIN_TLV_H

#include <stdbool.h>

#include "buf.h"

struct twin_tlv {
	uint32_t tag; /* its bytes as a number: 0x7f49 */
	const uint8_t *value;
	size_t len;
};

/* Takes one off the front of *data; false: malformed, or nothing is left. */
bool twin_tlv_next(const uint8_t **data, size_t *len, struct twin_tlv *ret);
/* The first of that tag among those at the top; false: none, or one is malformed. */
bool twin_tlv_find(const uint8_t *data, size_t len, uint32_t tag, struct twin_tlv *ret);

/* Appends with the shortest length. */
must_check int twin_tlv_add(struct buf *b, uint32_t tag, const void *value, size_t len,
    struct err *e);
must_check int twin_tlv_add_u8(struct buf *b, uint32_t tag, uint8_t value, struct err *e);

#endif
