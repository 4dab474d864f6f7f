/* Fault labels: the path segment after /.well-known/est/ that says how this CA misbehaves. */
#ifndef KILN_LABEL_H
#define KILN_LABEL_H

#include <stdbool.h>

/* How the answer differs from a good one. */
enum label_answer {
	ANSWER_CRLF = 1 << 0,       /* base64 in lines of 76 with CRLF */
	ANSWER_ONE_LINE = 1 << 1,   /* base64 without any line end */
	ANSWER_CHUNKED = 1 << 2,    /* Transfer-Encoding: chunked */
	ANSWER_TWO_LEAVES = 1 << 3, /* a second certificate for the same key */
	ANSWER_CHAIN = 1 << 4,      /* issuing, leaf, root */
	ANSWER_NO_CERTIFICATE = 1 << 5,
	ANSWER_PEM = 1 << 6,        /* the bare certificate as PEM */
	ANSWER_TRAILING = 1 << 7,   /* bytes behind the PKCS#7 */
	ANSWER_HTML = 1 << 8,       /* a 200 page of some proxy, after issuing */
	ANSWER_HUGE = 1 << 9,       /* 1 MiB of it */
	ANSWER_TRUNCATED = 1 << 10, /* half of the body that Content-Length announces, then close */
	ANSWER_DROPPED = 1 << 11,   /* the connection closes without an answer */
	ANSWER_AFTER_ISSUE = 1 << 12, /* status is answered although a certificate was made */
	ANSWER_RETRY_DATE = 1 << 13,  /* Retry-After as HTTP-date */
	ANSWER_CLOSE = 1 << 14,       /* a good answer, then the connection closes */
};

struct label {
	const char *name;
	const char *what;  /* for people */
	unsigned leaf;     /* LEAF_ flaws of the certificate */
	unsigned answer;   /* ANSWER_ flaws */
	int status;        /* answered instead of a certificate; 0: none */
	const char *text;  /* the body that goes with status */
	int retry_after_s; /* with status; 0: no Retry-After */
	int delay_ms;      /* before the answer leaves */
	bool first_only;   /* the second POST of the same CSR is answered well */
};

/* The label of that name, "" being the one without a fault; NULL where there is none. */
const struct label *label_find(const char *name);
/* By position, NULL behind the last. The first is the one without a fault. */
const struct label *label_at(unsigned i);
/* What holds for the nth POST of a CSR to this label, counted from 1. */
const struct label *label_for_post(const struct label *label, unsigned n);

#endif
