/* Reading DER strictly (X.690 8 and 10): what OpenSSL forgives is not forgiven here. */
#ifndef KILN_DER_H
#define KILN_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_0 = 0xa0, /* [0], constructed */
};

/* A run of bytes that is read from the front. Borrowed. */
struct der {
	const uint8_t *p;
	size_t len;
};

/* Takes one element off the front: its tag, and its content in *ret_value. False, with *in as it was,
 * where there is none, its length is not the shortest form, or its tag is not one byte. */
bool der_next(struct der *in, uint8_t *ret_tag, struct der *ret_value);
/* der_next that also wants this tag. */
bool der_take(struct der *in, uint8_t tag, struct der *ret_value);
/* The bytes are exactly one element, strict all the way down. */
bool der_is_strict(const uint8_t *data, size_t len);

#endif
