/* A command APDU (ISO 7816-4 5.1) as a card reads it, in short and in extended form. */
#ifndef KILN_TWIN_APDU_H
#define KILN_TWIN_APDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TWIN_APDU_CHAINED = 0x10, TWIN_APDU_SHORT_MAX = 5 + 255 + 1 };

struct twin_apdu {
	uint8_t cla, ins, p1, p2;
	const uint8_t *data; /* borrowed from the bytes */
	size_t len;
	size_t expected; /* Le; as much as the form allows where it is absent or 0 */
	bool extended;
};

/* False: its lengths do not agree (6700). */
bool twin_apdu_parse(const uint8_t *bytes, size_t len, struct twin_apdu *ret);

#endif
