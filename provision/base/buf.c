#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

uint8_t *buf_room(struct buf *b, size_t len, struct err *e)
{
	size_t cap = b->cap < 64 ? 64 : b->cap;
	uint8_t *grown;

	if (len > SIZE_MAX / 4 - b->len) {
		(void)err_nomem(e);
		return NULL;
	}
	if (b->data != NULL && b->len + len <= b->cap)
		return b->data + b->len;
	while (cap < b->len + len)
		cap *= 2;
	grown = malloc(cap);
	if (grown == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	if (b->data != NULL) {
		memcpy(grown, b->data, b->len);
		explicit_bzero(b->data, b->cap);
		free(b->data);
	}
	b->data = grown;
	b->cap = cap;
	return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t len, struct err *e)
{
	uint8_t *room = buf_room(b, len, e);

	if (room == NULL)
		return -1;
	if (len > 0)
		memcpy(room, data, len);
	b->len += len;
	return 0;
}

int buf_add_str(struct buf *b, const char *s, struct err *e)
{
	return buf_add(b, s, strlen(s), e);
}

int buf_add_u8(struct buf *b, uint8_t v, struct err *e)
{
	return buf_add(b, &v, 1, e);
}

int buf_add_u16le(struct buf *b, uint16_t v, struct err *e)
{
	const uint8_t le[] = { (uint8_t)v, (uint8_t)(v >> 8) };

	return buf_add(b, le, sizeof(le), e);
}

int buf_add_u32le(struct buf *b, uint32_t v, struct err *e)
{
	const uint8_t le[] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
		(uint8_t)(v >> 24) };

	return buf_add(b, le, sizeof(le), e);
}

int buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
{
	uint8_t *room;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return err_nomem(e);
	room = buf_room(b, (size_t)len + 1, e);
	if (room == NULL)
		return -1;
	va_start(ap, fmt);
	len = vsnprintf((char *)room, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
	return 0;
}

int buf_set(struct buf *b, const void *data, size_t len, struct err *e)
{
	buf_clear(b);
	return buf_add(b, data, len, e);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	explicit_bzero(b->data + b->len, n); /* a copy of the end stayed behind it */
}

void buf_clear(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	b->len = 0;
}

void buf_free(struct buf *b)
{
	buf_clear(b);
	free(b->data);
	*b = (struct buf){ 0 };
}

bool buf_equal(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

struct buf buf_steal(struct buf *b)
{
	struct buf moved = *b;

	*b = (struct buf){ 0 };
	return moved;
}

const char *buf_str(struct buf *b, struct err *e)
{
	uint8_t *room = buf_room(b, 1, e);

	if (room == NULL)
		return NULL;
	*room = '\0';
	return (const char *)b->data;
}

void hex_encode(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[data[i] >> 4];
		ret[2 * i + 1] = digits[data[i] & 15];
	}
	ret[2 * len] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(const char *hex, uint8_t *ret, size_t len)
{
	if (strlen(hex) != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(hex[2 * i]);
		int low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

int base64_encode(const uint8_t *data, size_t len, struct buf *ret, struct err *e)
{
	uint8_t *room;

	if (len > INT32_MAX / 2)
		return err_nomem(e);
	room = buf_room(ret, (len + 2) / 3 * 4 + 1, e);
	if (room == NULL)
		return -1;
	if (len > 0)
		ret->len += (size_t)EVP_EncodeBlock(room, data, (int)len);
	return 0;
}

static bool base64_is_strict(const char *text, size_t len)
{
	size_t padding = 0;

	if (len % 4 != 0)
		return false;
	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len - padding; i++) {
		char c = text[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '+' && c != '/')
			return false;
	}
	return true;
}

int base64_decode(const char *text, size_t len, struct buf *ret, enum err_domain domain,
    struct err *e)
{
	uint8_t *room;
	int got;

	if (len > INT32_MAX / 2 || !base64_is_strict(text, len))
		return err_set(e, domain, "base64", "not base64 (%zu characters)", len);
	if (len == 0)
		return 0;
	room = buf_room(ret, len / 4 * 3 + 1, e);
	if (room == NULL)
		return -1;
	got = EVP_DecodeBlock(room, (const uint8_t *)text, (int)len);
	if (got < 0)
		return err_set(e, domain, "base64", "not base64 (%zu characters)", len);
	for (size_t i = len; i > len - 2 && text[i - 1] == '='; i--)
		got--;
	ret->len += (size_t)got;
	return 0;
}

void sha256(const void *data, size_t len, uint8_t ret[static SHA256_LEN])
{
	if (EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void sha256_hex(const void *data, size_t len, char ret[static 2 * SHA256_LEN + 1])
{
	uint8_t digest[SHA256_LEN];

	sha256(data, len, digest);
	hex_encode(digest, sizeof(digest), ret);
}
