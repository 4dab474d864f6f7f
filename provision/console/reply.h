/* Answers to a browser, all with the headers that keep a page to itself. */
#ifndef KILN_REPLY_H
#define KILN_REPLY_H

#include <event2/http.h>

#include "json.h"

/* Adds what every answer has. */
void reply_headers(struct evhttp_request *request, const char *type);
void reply_header(struct evhttp_request *request, const char *name, const char *value);

/* Each ends the request. */
void reply_bytes(struct evhttp_request *request, int status, const char *type, const void *data,
    size_t len);
/* Takes body over, which may be NULL after a failed constructor. */
void reply_json(struct evhttp_request *request, int status, json_t *body);
/* {"ok": ...}, borrowed */
void reply_ok(struct evhttp_request *request, const json_t *ok);
/* {"err": {...}} */
void reply_err(struct evhttp_request *request, int status, const struct err *why);

#endif
