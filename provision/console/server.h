/*
 * HTTP/1.1 on 127.0.0.1, one thread, one libevent loop. There is no way to name another address.
 *
 *   GET  /, /main.js, ...      the page (asset.h)
 *   GET  /session              {token, assets}: what the ones below have to bring, with the cookie
 *   GET  /events               stream.h
 *   GET  /unit, /evidence      ?serial=S: a unit, what proves its identity as a tar file (look_text.h)
 *   GET  /trend                [?hours=N]: how the line does
 *   POST /do                   deed.h
 */
#ifndef KILN_SERVER_H
#define KILN_SERVER_H

#include <stdint.h>

#include "err.h"
#include "own.h"

enum { SERVER_BROWSERS_MAX = 64, SERVER_DEEDS_MAX = 16, SERVER_LOOKS_MAX = 16 };

struct server;

/* Listens from now on. port 0: any free one. socket: the station's path; outlives the server. */
must_check int server_open(struct server **ret, uint16_t port, const char *socket, struct err *e);
void server_close(struct server *s);
OWNED_PTR(server, server_close)

uint16_t server_port(const struct server *s);

/* Serves until SIGTERM or SIGINT. */
must_check int server_run(struct server *s, struct err *e);

#endif
