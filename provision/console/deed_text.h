/* What a browser may ask the station to do, as the body of a request says it. */
#ifndef KILN_DEED_TEXT_H
#define KILN_DEED_TEXT_H

#include "json.h"

/*
 * {"do", ...}, optionally with {"as": {"badge"} or {"name", "pin"}}: the request for the control socket,
 * without its id. Which requests a browser may send, and with which members, is a table. Errors: OPERATOR
 * "json", "console.unknown".
 */
must_check int deed_parse(const char *text, size_t len, json_t **ret, struct err *e);

#endif
