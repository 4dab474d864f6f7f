/* What a person scans: the text of a unit's label, and the serial that it stands for. */
#ifndef KILN_SCAN_LABEL_H
#define KILN_SCAN_LABEL_H

#include <regex.h>
#include <stdbool.h>

#include "err.h"
#include "own.h"
#include "profile.h"

enum { SCAN_TEXT_MAX = 128, SCAN_PATTERN_MAX = 200 };

/* How a serial is read from a label's text. Zeroed: the text is the serial. */
struct scan_label {
	bool compiled;
	regex_t pattern;
};

/* pattern: a POSIX extended regular expression with one group, the serial; it is matched with the whole text.
 * Errors: CONFIG "scan.pattern". */
must_check int scan_label_compile(struct scan_label *l, const char *pattern, struct err *e);
void scan_label_free(struct scan_label *l);

/* 1 to SCAN_TEXT_MAX printable ASCII characters. Errors: OPERATOR "scan.text". */
must_check int scan_text_check(const char *text, struct err *e);
/* The serial of a label. Errors: OPERATOR "scan.text", "scan.label" (not what a label looks like). */
must_check int scan_label_serial(const struct scan_label *l, const char *text,
    char ret[IDENTITY_MAX + 1], struct err *e);

#endif
