/* What became of one HTTP request: all that whoever judges it gets to see. */
#ifndef KILN_HTTP_ANSWER_H
#define KILN_HTTP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "secret.h"

enum {
	HTTP_BODY_MAX = 256 * 1024,
	HTTP_HEADER_MAX = 64 * 1024,
	HTTP_VALUE_MAX = 256,
};

struct http_answer {
	int posts;       /* POSTs begun: 0 or 1 */
	bool sent;       /* a byte of the request may have left this process */
	bool refused;    /* the peer's TLS refused our certificate, or that we sent none */
	bool answered;   /* a final status and all its header lines came */
	bool complete;   /* and its whole body, within HTTP_BODY_MAX */
	int status;      /* 0 unless answered */
	int64_t took_ms; /* from the start to the end or the failure */
	/* Header values; "" where absent, cut at HTTP_VALUE_MAX - 1. */
	char content_type[HTTP_VALUE_MAX];
	char retry_after[HTTP_VALUE_MAX];
	char challenge[HTTP_VALUE_MAX];
	char date[HTTP_VALUE_MAX];
	struct buf body;
	struct err why; /* what ended the transfer, where it is not complete */
};

void http_answer_free(struct http_answer *a);
OWNED_STRUCT(http_answer, http_answer_free)

/* Blots out each place where the body quotes a secret of ours. */
void http_answer_hide(struct http_answer *a, const struct secret *secret);

#endif
