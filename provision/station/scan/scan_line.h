/* What comes from a scanner, byte by byte, as lines that end by CR or LF. Pure. */
#ifndef KILN_SCAN_LINE_H
#define KILN_SCAN_LINE_H

#include "scan_label.h"

struct scan_line {
	char text[SCAN_TEXT_MAX + 1];
	size_t len;
	bool is_over; /* longer than a label may be: what is left of it is dropped */
};

enum scan_line_state {
	SCAN_LINE_MORE,
	SCAN_LINE_WHOLE,   /* l->text, until the next byte; it may be unprintable */
	SCAN_LINE_TOO_LONG /* its end has come; l->text is how it began */
};

/* Empty lines are none: CR LF ends one line. A NUL is taken as '?'. */
enum scan_line_state scan_line_feed(struct scan_line *l, char byte);
/* Something of a line is there, and its end is not. */
bool scan_line_is_begun(const struct scan_line *l);
/* Drops it. */
void scan_line_drop(struct scan_line *l);

#endif
