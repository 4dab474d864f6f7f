/* "scheme:WHERE?key=value&key=value": where a transport opens what, as text. */
#ifndef KILN_ADDRESS_H
#define KILN_ADDRESS_H

#include "err.h"
#include "own.h"

enum { ADDRESS_WHERE_MAX = 255, ADDRESS_KEYS_MAX = 2, ADDRESS_VALUE_MAX = 31 };

struct address {
	char where[ADDRESS_WHERE_MAX + 1];
	char values[ADDRESS_KEYS_MAX][ADDRESS_VALUE_MAX + 1]; /* "" where not given */
};

/*
 * keys: the settings that are known, NULL behind the last if fewer than ADDRESS_KEYS_MAX; values come
 * in their order. Errors: LINK "link.address": an unknown key, one twice, one without a value.
 */
must_check int address_parse(const char *text, const char *const keys[static ADDRESS_KEYS_MAX],
    struct address *ret, struct err *e);

/* A number from min to max, spelled in digits; text is for the error. */
must_check int address_number(const char *text, const char *key, const char *value, long min,
    long max, long *ret, struct err *e);

#endif
