/*
 * The wire: HTTP/1.1 over TLS on 127.0.0.1, one thread, one libevent loop. There is no way to name
 * another address.
 */
#ifndef KILN_HTTP_H
#define KILN_HTTP_H

#include "est.h"

struct http;

/* Listens from now on. port 0: any free one. ca and est are borrowed and outlive the server. */
must_check int http_open(struct http **ret, const struct ca *ca, struct est *est, uint16_t port,
    struct err *e);
/* Answers what was delayed and closes. */
void http_close(struct http *h);
OWNED_PTR(http, http_close)

uint16_t http_port(const struct http *h);

/* Serves until SIGTERM or SIGINT, or until end of file on leash; -1: no leash. */
must_check int http_run(struct http *h, int leash, struct err *e);

#endif
