#include "sse.h"

#include <inttypes.h>
#include <string.h>

enum { DIGITS_MAX = 18 };

bool sse_place_parse(const char *text, struct sse_place *ret)
{
	size_t run = strspn(text, "0123456789abcdef");
	const char *number = text + run + 1;
	size_t digits;
	int64_t n = 0;

	if (run == 0 || run > SSE_RUN_MAX || text[run] != '-')
		return false;
	digits = strspn(number, "0123456789");
	if (digits == 0 || digits > DIGITS_MAX || number[digits] != '\0')
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (number[i] - '0');
	*ret = (struct sse_place){ .n = n };
	memcpy(ret->run, text, run);
	return true;
}

static size_t line_len(const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && data[n] != '\n' && data[n] != '\r')
		n++;
	return n;
}

int sse_add(struct buf *ret, const char *name, const struct sse_place *place, const char *data,
    size_t len, struct err *e)
{
	if (place != NULL && buf_printf(ret, e, "id: %s-%" PRId64 "\n", place->run, place->n) != 0)
		return -1;
	if (buf_printf(ret, e, "event: %s\n", name) != 0)
		return -1;
	for (size_t at = 0;;) {
		size_t line = line_len(data + at, len - at);

		if (buf_add_str(ret, "data: ", e) != 0 || buf_add(ret, data + at, line, e) != 0 ||
		    buf_add_u8(ret, '\n', e) != 0)
			return -1;
		at += line + 1;
		if (at > len)
			return buf_add_u8(ret, '\n', e);
	}
}
