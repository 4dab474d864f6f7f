#include "twin_tlv.h"

enum { TAG_BYTES = 3, LENGTH_BYTES = 2, MORE = 0x1f };

static bool take(const uint8_t **data, size_t *len, uint8_t *ret)
{
	if (*len == 0)
		return false;
	*ret = **data;
	(*data)++;
	(*len)--;
	return true;
}

static bool take_tag(const uint8_t **data, size_t *len, uint32_t *ret)
{
	uint8_t byte;

	if (!take(data, len, &byte))
		return false;
	*ret = byte;
	if ((byte & MORE) != MORE)
		return true;
	for (int i = 1; i < TAG_BYTES; i++) {
		if (!take(data, len, &byte))
			return false;
		*ret = *ret << 8 | byte;
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

static bool take_length(const uint8_t **data, size_t *len, size_t *ret)
{
	uint8_t byte;
	int count;

	if (!take(data, len, &byte))
		return false;
	*ret = byte;
	if (byte < 0x80)
		return true;
	count = byte & 0x7f;
	if (count == 0 || count > LENGTH_BYTES)
		return false;
	*ret = 0;
	while (count-- > 0) {
		if (!take(data, len, &byte))
			return false;
		*ret = *ret << 8 | byte;
	}
	return true;
}

bool twin_tlv_next(const uint8_t **data, size_t *len, struct twin_tlv *ret)
{
	if (!take_tag(data, len, &ret->tag) || !take_length(data, len, &ret->len) ||
	    ret->len > *len)
		return false;
	ret->value = *data;
	*data += ret->len;
	*len -= ret->len;
	return true;
}

bool twin_tlv_find(const uint8_t *data, size_t len, uint32_t tag, struct twin_tlv *ret)
{
	struct twin_tlv t;
	bool found = false;

	while (len > 0) {
		if (!twin_tlv_next(&data, &len, &t))
			return false;
		if (t.tag == tag && !found)
			*ret = t;
		found = found || t.tag == tag;
	}
	return found;
}

static int add_length(struct buf *b, size_t len, struct err *e)
{
	if (len > UINT16_MAX)
		return err_set(e, ERR_DEVICE, "twin.tlv", "%zu bytes are too many", len);
	if (len > UINT8_MAX)
		return buf_add(b, (const uint8_t[]){ 0x82, (uint8_t)(len >> 8), (uint8_t)len }, 3,
		    e);
	if (len >= 0x80 && buf_add_u8(b, 0x81, e) != 0)
		return -1;
	return buf_add_u8(b, (uint8_t)len, e);
}

int twin_tlv_add(struct buf *b, uint32_t tag, const void *value, size_t len, struct err *e)
{
	for (int shift = 8 * (TAG_BYTES - 1); shift >= 0; shift -= 8)
		if ((tag >> shift != 0 || shift == 0) &&
		    buf_add_u8(b, (uint8_t)(tag >> shift), e) != 0)
			return -1;
	if (add_length(b, len, e) != 0)
		return -1;
	return buf_add(b, value, len, e);
}

int twin_tlv_add_u8(struct buf *b, uint32_t tag, uint8_t value, struct err *e)
{
	return twin_tlv_add(b, tag, &value, 1, e);
}
