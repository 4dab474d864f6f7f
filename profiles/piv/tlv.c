#include "tlv.h"

enum { TAG_GOES_ON = 0x1f, LENGTH_MAX = 0xffff };

static bool read_tag(const uint8_t *data, size_t len, size_t *at, unsigned *ret)
{
	if (*at == len)
		return false;
	*ret = data[(*at)++];
	if ((*ret & TAG_GOES_ON) != TAG_GOES_ON)
		return true;
	if (*at == len || data[*at] >= 0x80)
		return false;
	*ret = *ret << 8 | data[(*at)++];
	return true;
}

static bool read_length(const uint8_t *data, size_t len, size_t *at, size_t *ret)
{
	size_t bytes;

	if (*at == len)
		return false;
	*ret = data[(*at)++];
	if (*ret < 0x80)
		return true;
	bytes = *ret & 0x7f;
	if (bytes == 0 || bytes > 2 || len - *at < bytes)
		return false;
	*ret = 0;
	while (bytes-- > 0)
		*ret = *ret << 8 | data[(*at)++];
	return true;
}

bool tlv_next(const uint8_t *data, size_t len, size_t *at, struct tlv *ret)
{
	if (!read_tag(data, len, at, &ret->tag) || !read_length(data, len, at, &ret->len) ||
	    ret->len > len - *at)
		return false;
	ret->value = data + *at;
	*at += ret->len;
	return true;
}

bool tlv_find(const uint8_t *data, size_t len, unsigned tag, struct tlv *ret)
{
	size_t at = 0;

	while (tlv_next(data, len, &at, ret))
		if (ret->tag == tag)
			return true;
	return false;
}

bool tlv_is(const uint8_t *data, size_t len, unsigned tag, struct tlv *ret)
{
	size_t at = 0;

	return tlv_next(data, len, &at, ret) && ret->tag == tag && at == len;
}

int tlv_add(struct buf *ret, unsigned tag, const void *value, size_t len, struct err *e)
{
	uint8_t header[5];
	size_t n = 0;

	if (len > LENGTH_MAX)
		return err_set(e, ERR_CONFIG, "piv.size", "%zu bytes do not fit into an object",
		    len);
	if (tag > 0xff)
		header[n++] = (uint8_t)(tag >> 8);
	header[n++] = (uint8_t)tag;
	if (len > 0xff)
		header[n++] = 0x82;
	else if (len >= 0x80)
		header[n++] = 0x81;
	if (len > 0xff)
		header[n++] = (uint8_t)(len >> 8);
	header[n++] = (uint8_t)len;
	if (buf_add(ret, header, n, e) != 0)
		return -1;
	return buf_add(ret, value, len, e);
}
