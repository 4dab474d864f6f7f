/*
 * One kept-alive HTTPS connection to one CA, over libcurl (http.c is the only file that knows
 * it). TLS 1.2 or newer, HTTP/1.1, the given trust anchors and no others, no redirect, no proxy,
 * nothing from the environment. A POST goes out once or not at all: libcurl's own retry on a
 * kept-alive connection that died is disarmed. What happened to a request is data (struct
 * http_answer), so that whoever judges it needs neither libcurl nor a network.
 */
#ifndef KILN_HTTP_H
#define KILN_HTTP_H

#include <stdint.h>

#include "http_answer.h"
#include "secret.h"
#include "x509.h"

struct http;

/* Everything is copied or referenced again; a client key must outlive the struct http. */
struct http_config {
	const char *url;           /* https://host[:port]/path, no user, query or fragment */
	const struct buf *anchors; /* PEM, at least one certificate */
	/* One of the two: TLS client authentication (certificate, its chain, its key) ... */
	X509 *certificate;       /* NULL for none */
	const X509_STACK *chain; /* may be NULL */
	EVP_PKEY *key;
	/* ... or the value of the Authorization header. */
	const struct secret *authorization; /* NULL for none */
};

/* Who answered the newest handshake. Borrowed. */
struct http_peer {
	const char *tls;   /* "TLSv1.3", "" before the first handshake that succeeded */
	X509 *certificate; /* NULL before it */
};

/* Once per process, before anything uses OpenSSL: takes what would steer TLS out of the environment
 * (trust files, OpenSSL's configuration, TLS key logs, proxies) and starts libcurl. */
must_check int http_init(struct err *e);
void http_exit(void);

/* Errors: CONFIG "est.url", "est.credential", "x509" (the anchors). No network yet. */
must_check int http_open(struct http **ret, const struct http_config *config, struct err *e);
void http_close(struct http *h);
OWNED_PTR(http, http_close)

/*
 * Asks url + path, and blocks until the answer, a failure or the deadline. -1 (nothing was sent)
 * only for want of memory; everything else is in *ret, which is replaced.
 */
must_check int http_get(struct http *h, const char *path, int64_t deadline, struct http_answer *ret,
    struct err *e);
/* As http_get; body is sent with its length, and at most once. */
must_check int http_post(struct http *h, const char *path, const char *content_type,
    const struct buf *body, int64_t deadline, struct http_answer *ret, struct err *e);

struct http_peer http_peer(const struct http *h);

#endif
