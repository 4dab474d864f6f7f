/* A growing byte string. { 0 } is a valid empty one. What it no longer holds is wiped. */
#ifndef KILN_BUF_H
#define KILN_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "own.h"

struct buf {
	uint8_t *data; /* NULL while empty */
	size_t len;
	size_t cap;
};

must_check int buf_add(struct buf *b, const void *data, size_t len, struct err *e);
must_check int buf_add_str(struct buf *b, const char *s, struct err *e);
must_check int buf_add_u8(struct buf *b, uint8_t v, struct err *e);
must_check int buf_add_u16le(struct buf *b, uint16_t v, struct err *e);
must_check int buf_add_u32le(struct buf *b, uint32_t v, struct err *e);
must_check int buf_printf(struct buf *b, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes room for len more bytes and returns where they go; they count only after b->len grows. */
must_check uint8_t *buf_room(struct buf *b, size_t len, struct err *e);
/* Replaces the content. */
must_check int buf_set(struct buf *b, const void *data, size_t len, struct err *e);
/* Drops n bytes from the front; n <= b->len. */
void buf_drop(struct buf *b, size_t n);
/* Empties, keeps the memory. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);
bool buf_equal(const struct buf *a, const struct buf *b);
/* Moves the content out and leaves b empty. */
struct buf buf_steal(struct buf *b);
/* The content with a NUL behind it (not counted in len), for text. */
must_check const char *buf_str(struct buf *b, struct err *e);

OWNED_STRUCT(buf, buf_free)

/* Lower-case hex of len bytes into ret, which holds 2 * len + 1. */
void hex_encode(const uint8_t *data, size_t len, char *ret);
/* Hex text into exactly len bytes; false unless the text is 2 * len hex digits. */
must_check bool hex_decode(const char *hex, uint8_t *ret, size_t len);

/* Standard base64 in one line, appended to ret. */
must_check int base64_encode(const uint8_t *data, size_t len, struct buf *ret, struct err *e);
/* Strict base64 (no blanks, right padding), appended to ret; domain is the one blamed. */
must_check int base64_decode(const char *text, size_t len, struct buf *ret, enum err_domain domain,
    struct err *e);

enum { SHA256_LEN = 32 };
/* SHA-256 over one run of bytes. It can not fail short of a broken libcrypto: then it aborts. */
void sha256(const void *data, size_t len, uint8_t ret[static SHA256_LEN]);
/* The same as lower-case hex, 65 bytes with the NUL. */
void sha256_hex(const void *data, size_t len, char ret[static 2 * SHA256_LEN + 1]);

#endif
