#include "scan_line.h"

enum scan_line_state scan_line_feed(struct scan_line *l, char byte)
{
	bool was_over = l->is_over;

	if (byte != '\r' && byte != '\n') {
		if (l->len == SCAN_TEXT_MAX) {
			l->is_over = true;
			return SCAN_LINE_MORE;
		}
		l->text[l->len++] = (char)(byte == '\0' ? '?' : byte);
		return SCAN_LINE_MORE;
	}
	if (l->len == 0)
		return SCAN_LINE_MORE;
	l->text[l->len] = '\0';
	scan_line_drop(l);
	return was_over ? SCAN_LINE_TOO_LONG : SCAN_LINE_WHOLE;
}

bool scan_line_is_begun(const struct scan_line *l)
{
	return l->len > 0;
}

void scan_line_drop(struct scan_line *l)
{
	l->len = 0;
	l->is_over = false;
}
