#include "twin_apdu.h"

#include <string.h>

static size_t be16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Behind the header: Lc, data, Le of one byte each. */
static bool parse_short(const uint8_t *p, size_t len, struct twin_apdu *a)
{
	a->expected = 256;
	if (len == 1) {
		a->expected = p[0] != 0 ? p[0] : 256;
		return true;
	}
	a->len = p[0];
	a->data = p + 1;
	if (a->len == 0 || (len != 1 + a->len && len != 2 + a->len))
		return false;
	if (len == 2 + a->len && p[len - 1] != 0)
		a->expected = p[len - 1];
	return true;
}

/* Behind the header: a zero, then Lc and Le of two bytes each. */
static bool parse_extended(const uint8_t *p, size_t len, struct twin_apdu *a)
{
	a->extended = true;
	a->expected = 65536;
	if (len == 3) {
		a->expected = be16(p + 1) != 0 ? be16(p + 1) : 65536;
		return true;
	}
	a->len = be16(p + 1);
	a->data = p + 3;
	if (a->len == 0 || (len != 3 + a->len && len != 5 + a->len))
		return false;
	if (len == 5 + a->len && be16(p + len - 2) != 0)
		a->expected = be16(p + len - 2);
	return true;
}

bool twin_apdu_parse(const uint8_t *bytes, size_t len, struct twin_apdu *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (len < 4)
		return false;
	ret->cla = bytes[0];
	ret->ins = bytes[1];
	ret->p1 = bytes[2];
	ret->p2 = bytes[3];
	ret->expected = 256;
	if (len == 4)
		return true;
	if (len >= 7 && bytes[4] == 0)
		return parse_extended(bytes + 4, len - 4, ret);
	return parse_short(bytes + 4, len - 4, ret);
}
