/* What a browser may look at, as the query of an address says it. */
#ifndef KILN_LOOK_TEXT_H
#define KILN_LOOK_TEXT_H

#include "json.h"

enum { LOOK_SERIAL_MAX = 64 };

/*
 * The request for the control socket, without its id. what and query: "unit" or "evidence" with serial=S (percent
 * encoded, 1 to LOOK_SERIAL_MAX printable ASCII bytes), "trend" with none or hours=N. query may be NULL. Error:
 * OPERATOR "console.query".
 */
must_check int look_parse(const char *what, const char *query, json_t **ret, struct err *e);

/* A text of the station's as a file's name: whatever is no letter, digit, '.', '_' or '-' becomes '_', and so does a
 * first '.'. ret holds size bytes, at least 2. */
void look_file_name(const char *text, char *ret, size_t size);

#endif
