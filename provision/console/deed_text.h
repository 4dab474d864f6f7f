/* What a browser may ask the station to do, as the body of a request says it. */
#ifndef KILN_DEED_TEXT_H
#define KILN_DEED_TEXT_H

#include "json.h"

/*
 * {"do": "stop"|"start", "reason"}: the request for the control socket, without its id. Errors: OPERATOR
 * "json", "console.unknown".
 */
must_check int deed_parse(const char *text, size_t len, json_t **ret, struct err *e);

#endif
