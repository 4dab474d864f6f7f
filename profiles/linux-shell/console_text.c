#include "console.h"

#include <ctype.h>
#include <string.h>

/* Length of the escape sequence at the front of text, which begins with ESC. */
static size_t escape_len(const uint8_t *text, size_t len)
{
	size_t i = 2;

	if (len < 2)
		return len;
	if (text[1] == ']') { /* operating system command: up to BEL or ESC \ */
		while (i < len && text[i] != '\a' && text[i] != '\033')
			i++;
		return i + 1 < len && text[i] == '\033' ? i + 2 : i + (i < len);
	}
	if (text[1] == '[')
		while (i < len && text[i] >= 0x20 && text[i] <= 0x3f)
			i++;
	else if (text[1] >= 0x20 && text[1] <= 0x2f)
		while (i < len && text[i] >= 0x20 && text[i] <= 0x2f)
			i++;
	else
		return 2;
	return i + (i < len);
}

/* Length of the kernel's message at the front of text with its line's end, 0 where there is none. */
static size_t kernel_len(const uint8_t *text, size_t len)
{
	size_t i = 1, whole, part;
	const uint8_t *end;

	while (i < len && text[i] == ' ')
		i++;
	for (whole = i; i < len && isdigit(text[i]);)
		i++;
	if (i == whole || i == len || text[i] != '.')
		return 0;
	for (part = ++i; i < len && isdigit(text[i]);)
		i++;
	if (i != part + 6 || i == len || text[i] != ']')
		return 0;
	end = memchr(text + i, '\n', len - i);
	return end != NULL ? (size_t)(end - text) + 1 : len;
}

static void trim(struct buf *text)
{
	size_t front = 0;

	while (text->len > 0 && isspace(text->data[text->len - 1]))
		text->len--;
	while (front < text->len && isspace(text->data[front]))
		front++;
	buf_drop(text, front);
}

void console_clean(struct buf *text)
{
	size_t kept = 0, skip;

	for (size_t i = 0; i < text->len; i += skip) {
		uint8_t c = text->data[i];

		skip = 0;
		if (c == '\033')
			skip = escape_len(text->data + i, text->len - i);
		else if (c == '[')
			skip = kernel_len(text->data + i, text->len - i);
		else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			skip = 1;
		if (skip == 0) {
			text->data[kept++] = c;
			skip = 1;
		}
	}
	text->len = kept;
	trim(text);
}
