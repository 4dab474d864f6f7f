/* EST (RFC 7030) as this CA speaks it: a request in, an answer out, no network here. */
#ifndef KILN_EST_H
#define KILN_EST_H

#include "ca.h"
#include "tally.h"

struct est {
	const struct ca *ca; /* borrowed */
	struct tally tally;
	int log_fd; /* -1: no log; closed by est_free */
};
void est_free(struct est *est);
OWNED_STRUCT(est, est_free)

enum est_client {
	EST_ANONYMOUS, /* no client certificate */
	EST_CLIENT,    /* one of this CA, but of no RA */
	EST_RA,        /* with id-kp-cmcRA */
};

struct est_request {
	const char *method; /* "GET", "POST" or another */
	const char *path;
	const char *content_type; /* NULL: none */
	const uint8_t *body;      /* NULL while len is 0 */
	size_t len;
	enum est_client client;
};

/* { 0 } is empty. */
struct est_answer {
	int status;
	const char *content_type; /* NULL: no body */
	bool is_base64;           /* say so in Content-Transfer-Encoding */
	struct buf body;
	const char *location; /* of a redirect, or NULL */
	int retry_after_s;    /* 0: none */
	int delay_ms;         /* wait so long before sending */
	unsigned flaws; /* ANSWER_CHUNKED, _CLOSE, _TRUNCATED, _DROPPED, _RETRY_DATE: how to send */
};
void est_answer_free(struct est_answer *a);
OWNED_STRUCT(est_answer, est_answer_free)

/* -1 only where this CA itself is at fault. */
must_check int est_handle(struct est *est, const struct est_request *request,
    struct est_answer *ret, struct err *e);

/* What the certificate at the other end of a TLS connection makes of it; NULL: none. */
enum est_client est_client_of(X509 *cert);

#endif
