/*
 * Enrolment over Secure Transport (RFC 7030, RFC 8951) as a registration authority: one CA, one
 * request at a time, each sent at most once. The caller repeats, and only ever the same request.
 */
#ifndef KILN_EST_H
#define KILN_EST_H

#include "answer.h"
#include "backend.h"
#include "http.h"
#include "retry_after.h"

struct est;

/* EST has no request to ask again for what was issued (RFC 7030 4.2): class "post". */
extern const struct backend est_backend;

/* As http_open; limits are checked: 0 <= min <= fallback <= max, else CONFIG "est.retry". */
must_check int est_open(struct est **ret, const struct http_config *config,
    const struct retry_limits *limits, struct err *e);
void est_close(struct est *est);
OWNED_PTR(est, est_close)

struct enrol_request {
	const struct buf *csr;     /* PKCS#10, DER, sent as it is */
	const X509_STACK *issuers; /* configured CA certificates, NULL for none; see judge.h */
	int64_t deadline;
};

/* Posts to /simpleenroll, once; on a link that has not worked yet, or no longer, only after
 * /cacerts was answered. Whatever the CA and the network do is in *ret, which the caller frees;
 * -1 only where the request itself is unusable (CONFIG "est.csr", "x509"): nothing was sent then. */
must_check int est_issue(struct est *est, const struct enrol_request *request,
    struct enrol_answer *ret, struct err *e);

/* /cacerts: what the CA offers as its own certificates; informative, trust is configured. *ret_date_s is
 * the time that its answer bears (seconds since the epoch), 0 where it bears none. */
must_check int est_cacerts(struct est *est, int64_t deadline, X509_STACK **ret, int64_t *ret_date_s,
    struct err *e);

/* Each part is good where its error's code is empty. */
struct est_health {
	char tls[16];
	X509 *peer;
	struct err tls_why;
	size_t cacerts;
	struct err cacerts_why;
	int64_t date_offset_s; /* the CA's clock minus ours */
	struct err date_why;
	size_t csrattrs;
	struct err csrattrs_why;
};

void est_health_free(struct est_health *health);
OWNED_STRUCT(est_health, est_health_free)

/* Asks the CA what can be asked without enrolling. -1 only for want of memory. */
must_check int est_check(struct est *est, int64_t deadline, struct est_health *ret, struct err *e);

/* The request's body: base64 in lines of 64, LF, no armour, which is what every server seen takes.
 * Appended to ret. */
must_check int est_request_body(const struct buf *csr, struct buf *ret, struct err *e);

#endif
