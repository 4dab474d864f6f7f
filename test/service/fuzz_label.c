/* Any bytes as a label's file, filled with any bytes: what was filled in is data to the printer. */
#include <stdlib.h>
#include <string.h>

#include "label.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count(const struct buf *b, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == (uint8_t)c;
	return n;
}

/* The file is what stands before the first NUL, the value what stands behind it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
	size_t len = end != NULL ? (size_t)(end - data) : size;
	AUTO_PTR(label) *l = NULL;
	AUTO_STRUCT(buf) plain = { 0 };
	AUTO_STRUCT(buf) filled = { 0 };
	AUTO_STRUCT(buf) value = { 0 };
	struct label_values harmless, hostile;
	struct err e = { 0 };

	if (size == 0 || label_parse(&l, "fuzz", (const char *)data, len, &e) != 0)
		return 0;
	if (end == NULL || buf_add(&value, end + 1, size - len - 1, &e) != 0 ||
	    buf_str(&value, &e) == NULL)
		return 0;
	for (int i = 0; i < LABEL_FIELD_COUNT; i++) {
		harmless.of[i] = "x";
		hostile.of[i] = (const char *)value.data;
	}
	if (label_fill(l, &harmless, &plain, &e) != 0 || label_fill(l, &hostile, &filled, &e) != 0)
		return 0;
	if (count(&plain, '^') != count(&filled, '^') ||
	    count(&plain, '~') != count(&filled, '~') ||
	    count(&plain, '\n') != count(&filled, '\n'))
		abort();
	return 0;
}
