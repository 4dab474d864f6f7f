/*
 * A label: a ZPL II file of the engineer's, with {fields} that are filled for each unit. Pure.
 *
 * What is filled in is nobody's word but the device's and the CA's, so it never becomes a command. A field
 * stands between ^FD and ^FS, behind an ^FH of the same field ("_" is the indicator): there "^", "~", "_",
 * control characters and what is not ASCII are written as _XX, which the printer takes as data (ZPL II
 * Programming Guide, ^FH). What the field's symbol takes as its own command is escaped too:
 *
 *   text    nothing; with ^FB "\" is doubled
 *   ^BQ     the data begins with H, Q, M or L, then "A,": level and automatic input, no value can change it
 *   ^BX     of quality 200, and with its escape character (7th parameter; "_" is ^FH's). In a value it is
 *           doubled; ^FH is resolved before it
 *   ^BC     a value with ">" is refused: it selects code sets
 *
 * In another symbol a field is refused, and so are the commands that rename "^", "~" or the comma. Braces
 * that are no field's are doubled.
 */
#ifndef KILN_LABEL_H
#define KILN_LABEL_H

#include "buf.h"

enum { LABEL_TEXT_MAX = 64 * 1024, LABEL_FIELDS_MAX = 128, LABEL_VALUE_MAX = 256 };

enum label_field {
	LABEL_SERIAL,
	LABEL_MODEL,
	LABEL_FIRMWARE,
	LABEL_PRODUCT,
	LABEL_PROFILE_VERSION,
	LABEL_CERTIFICATE_SERIAL,
	LABEL_CERTIFICATE_FINGERPRINT, /* SHA-256, hex */
	LABEL_NOT_BEFORE,              /* 2026-11-28 */
	LABEL_NOT_AFTER,
	LABEL_ORDER,
	LABEL_ORDINAL,
	LABEL_STATION,
	LABEL_DATE,        /* of the PASS, UTC: 2026-11-28 */
	LABEL_DATE_YYMMDD, /* the same for GS1's (11): 261128 */
	LABEL_FIELD_COUNT,
};
/* As between the braces: "profile.version". */
const char *label_field_name(enum label_field field);

/* NULL: the unit has none. Borrowed. */
struct label_values {
	const char *of[LABEL_FIELD_COUNT];
};

struct label;

/* name is what errors call the text. Errors: CONFIG "label", "name:line:col: ...". */
must_check int label_parse(struct label **ret, const char *name, const char *text, size_t len,
    struct err *e);
must_check int label_load(struct label **ret, const char *path, struct err *e);
void label_free(struct label *l);
OWNED_PTR(label, label_free)

bool label_uses(const struct label *l, enum label_field field);

/* Appends what the printer gets. CONFIG "label.value" where a field has no value, or one that its symbol
 * can not hold. */
must_check int label_fill(const struct label *l, const struct label_values *values, struct buf *ret,
    struct err *e);

#endif
