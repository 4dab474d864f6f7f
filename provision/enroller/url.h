/* The CA's address as people configure it. */
#ifndef KILN_URL_H
#define KILN_URL_H

#include "err.h"
#include "own.h"

/* https://host[:port]/path with no user, password, query, fragment or blank in it (RFC 3986 3),
 * else CONFIG "est.url". */
must_check int url_check(const char *url, struct err *e);

#endif
