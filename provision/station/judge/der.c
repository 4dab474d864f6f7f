#include "der.h"

enum { DER_DEPTH_MAX = 24 };

/* The length octets behind the tag; false unless they are the shortest form (X.690 10.1). */
static bool take_length(struct der *in, size_t *ret)
{
	size_t octets, value = 0;

	if (in->len == 0)
		return false;
	octets = in->p[0];
	in->p++;
	in->len--;
	if (octets < 0x80) {
		*ret = octets;
		return true;
	}
	octets &= 0x7f;
	if (octets == 0 || octets > 4 || octets > in->len || in->p[0] == 0)
		return false;
	for (size_t i = 0; i < octets; i++)
		value = value << 8 | in->p[i];
	in->p += octets;
	in->len -= octets;
	*ret = value;
	return value >= 0x80;
}

bool der_next(struct der *in, uint8_t *ret_tag, struct der *ret_value)
{
	struct der rest = *in;
	size_t len;
	uint8_t tag;

	if (rest.len < 2 || (rest.p[0] & 0x1f) == 0x1f)
		return false;
	tag = rest.p[0];
	rest.p++;
	rest.len--;
	if (!take_length(&rest, &len) || len > rest.len)
		return false;
	*ret_tag = tag;
	*ret_value = (struct der){ rest.p, len };
	*in = (struct der){ rest.p + len, rest.len - len };
	return true;
}

bool der_take(struct der *in, uint8_t tag, struct der *ret_value)
{
	struct der rest = *in, value;
	uint8_t got;

	if (!der_next(&rest, &got, &value) || got != tag)
		return false;
	*ret_value = value;
	*in = rest;
	return true;
}

/* The contents that DER restricts further than BER (X.690 8.3.2, 11.1, 11.2.1). */
static bool is_strict_primitive(uint8_t tag, const struct der *v)
{
	switch (tag) {
	case DER_BOOLEAN:
		return v->len == 1 && (v->p[0] == 0x00 || v->p[0] == 0xff);
	case DER_INTEGER:
		if (v->len == 0)
			return false;
		return v->len == 1 || !((v->p[0] == 0x00 && (v->p[1] & 0x80) == 0) ||
					  (v->p[0] == 0xff && (v->p[1] & 0x80) != 0));
	case DER_BIT_STRING:
		if (v->len == 0 || v->p[0] > 7 || (v->len == 1 && v->p[0] != 0))
			return false;
		return (v->p[v->len - 1] & ((1U << v->p[0]) - 1)) == 0 || v->len == 1;
	default:
		return true;
	}
}

bool der_is_strict(const uint8_t *data, size_t len)
{
	struct der stack[DER_DEPTH_MAX] = { { data, len } };
	size_t depth = 1, tops = 0;

	while (depth > 0) {
		struct der *in = &stack[depth - 1];
		struct der value;
		uint8_t tag;

		if (in->len == 0) {
			depth--;
			continue;
		}
		if (!der_next(in, &tag, &value))
			return false;
		if (depth == 1 && ++tops > 1)
			return false;
		if ((tag & 0x20) == 0) {
			if (!is_strict_primitive(tag, &value))
				return false;
			continue;
		}
		if (depth == DER_DEPTH_MAX)
			return false;
		stack[depth++] = value;
	}
	return tops == 1;
}
