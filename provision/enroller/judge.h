/*
 * What an HTTP answer means for the request that was sent (RFC 7030 4.2.3, RFC 8951 3): status
 * first, then the body. Pure: no network, no clock.
 */
#ifndef KILN_JUDGE_H
#define KILN_JUDGE_H

#include "answer.h"
#include "http_answer.h"
#include "retry_after.h"

struct judge_terms {
	const EVP_PKEY *key; /* the public key of the request */
	const X509_STACK
	    *issuers; /* configured CA certificates; NULL: nothing is called unrelated */
	const struct retry_limits *limits;
	int64_t now; /* wall clock, seconds */
};

/* Fills ret, which the caller frees. -1 only for want of memory. */
must_check int judge_enrol(const struct http_answer *http, const struct judge_terms *terms,
    struct enrol_answer *ret, struct err *e);

/* The certificates of a /cacerts answer (RFC 7030 4.1.3). Errors, domain CA, as the enrolment's. */
must_check int judge_cacerts(const struct http_answer *http, X509_STACK **ret, unsigned *warnings,
    struct err *e);

/* How many attributes /csrattrs asks for (RFC 7030 4.5.2); 0 for 204 and 404. */
must_check int judge_csrattrs(const struct http_answer *http, size_t *ret_count, unsigned *warnings,
    struct err *e);

#endif
