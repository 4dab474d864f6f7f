/*
 * Who is heard: a page of this console and nobody else. A browser lets any page of the world send
 * requests to 127.0.0.1; what it can not do is read our answers, or choose these headers.
 */
#ifndef KILN_GUARD_H
#define KILN_GUARD_H

#include "buf.h"

enum { GUARD_TOKEN = 2 * SHA256_LEN + 1, GUARD_COOKIE = 128 };

struct guard {
	char host[24], origin[32]; /* "127.0.0.1:PORT", "http://127.0.0.1:PORT" */
	char cookie[16];           /* name of the session's: cookies do not tell ports apart */
	uint8_t key[SHA256_LEN];   /* of this process */
};

/* Headers of a request; NULL where it has none. */
struct guard_head {
	const char *host, *origin, *site; /* site: Sec-Fetch-Site */
	const char *type, *cookie, *token;
};

must_check int guard_init(struct guard *g, uint16_t port, struct err *e);

/* Any request. Errors: OPERATOR "console.host" (a name that somebody points at this machine),
 * "console.site" (another page asks). */
must_check int guard_check(const struct guard *g, const struct guard_head *h, struct err *e);
/* One by which something is learnt that is not on every screen, beside the first. Errors: OPERATOR
 * "console.origin", "console.token". */
must_check int guard_check_page(const struct guard *g, const struct guard_head *h, struct err *e);
/* One that does something. Errors: as guard_check_page, "console.type". */
must_check int guard_check_deed(const struct guard *g, const struct guard_head *h, struct err *e);

/* A session: the one that the browser has, or a new one. Fills its token and the Set-Cookie header. */
must_check int guard_session(const struct guard *g, const char *cookie,
    char ret_token[static GUARD_TOKEN], char ret_cookie[static GUARD_COOKIE], struct err *e);

#endif
