#include "est.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "judge.h"

const struct backend est_backend = { .name = "est", .class = "post" };

enum { COLUMNS = 64, CSR_MAX = 64 * 1024 };

struct est {
	struct http *http;
	struct retry_limits limits;
	bool proven; /* the newest request was answered: address, TLS and certificates are good */
};

int est_open(struct est **ret, const struct http_config *config, const struct retry_limits *limits,
    struct err *e)
{
	AUTO_PTR(est) *est = calloc(1, sizeof(*est));

	if (est == NULL)
		return err_nomem(e);
	if (limits->min < 0 || limits->fallback < limits->min || limits->max < limits->fallback)
		return err_set(e, ERR_CONFIG, "est.retry",
		    "the CA's waiting times must be 0 <= minimum <= default <= maximum");
	est->limits = *limits;
	if (http_open(&est->http, config, e) != 0)
		return -1;
	*ret = steal(&est);
	return 0;
}

void est_close(struct est *est)
{
	if (est == NULL)
		return;
	http_close(est->http);
	free(est);
}

int est_request_body(const struct buf *csr, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (base64_encode(csr->data, csr->len, &text, e) != 0)
		return -1;
	for (size_t at = 0; at < text.len; at += COLUMNS) {
		size_t len = text.len - at < COLUMNS ? text.len - at : COLUMNS;

		if (buf_add(ret, text.data + at, len, e) != 0 || buf_add_u8(ret, '\n', e) != 0)
			return -1;
	}
	return 0;
}

static int get(struct est *est, const char *path, int64_t deadline, struct http_answer *ret,
    struct err *e)
{
	if (http_get(est->http, path, deadline, ret, e) != 0)
		return -1;
	est->proven = ret->answered;
	return 0;
}

/*
 * In TLS 1.3 a server may refuse our certificate only after the request has gone, and the refusal
 * may be lost with the connection: a wrong certificate would make every request "possibly
 * issued". So the first request on a link that nothing has proven is one that asks for nothing.
 */
static int post(struct est *est, const struct buf *body, int64_t deadline, struct http_answer *ret,
    struct err *e)
{
	if (!est->proven) {
		if (get(est, "/cacerts", deadline, ret, e) != 0)
			return -1;
		if (!ret->answered) {
			ret->sent = false; /* the certificate request was not */
			return 0;
		}
	}
	if (http_post(est->http, "/simpleenroll", "application/pkcs10", body, deadline, ret, e) !=
	    0)
		return -1;
	est->proven = ret->answered;
	return 0;
}

/* An IMF-fixdate (RFC 9110 5.6.7) in seconds since the epoch; 0 for anything else. */
static int64_t parse_date(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	int64_t seconds = end != NULL && *end == '\0' ? (int64_t)timegm(&tm) : 0;

	return seconds > 0 ? seconds : 0;
}

int est_issue(struct est *est, const struct enrol_request *request, struct enrol_answer *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) body = { 0 };
	AUTO_STRUCT(http_answer) http = { 0 };
	AUTO(X509_REQ) *csr = NULL;
	struct judge_terms terms = { .issuers = request->issuers, .limits = &est->limits };

	if (request->csr->len > CSR_MAX)
		return err_set(e, ERR_CONFIG, "est.csr", "a request has more than %d bytes",
		    CSR_MAX);
	if (x509_parse_request(request->csr->data, request->csr->len, &csr, ERR_CONFIG, e) != 0)
		return -1;
	terms.key = X509_REQ_get0_pubkey(csr);
	if (terms.key == NULL)
		return err_openssl(e, ERR_CONFIG, "est.csr",
		    "the request's public key is of no known kind");
	if (est_request_body(request->csr, &body, e) != 0 ||
	    post(est, &body, request->deadline, &http, e) != 0)
		return -1;
	terms.now = clock_wall_s();
	if (judge_enrol(&http, &terms, ret, e) != 0)
		return -1;
	ret->date_s = parse_date(http.date);
	return 0;
}

int est_cacerts(struct est *est, int64_t deadline, X509_STACK **ret, int64_t *ret_date_s,
    struct err *e)
{
	AUTO_STRUCT(http_answer) http = { 0 };
	unsigned ignored = 0;

	if (get(est, "/cacerts", deadline, &http, e) != 0 ||
	    judge_cacerts(&http, ret, &ignored, e) != 0)
		return err_while(e, "asking for the CA's certificates");
	*ret_date_s = parse_date(http.date);
	return 0;
}

void est_health_free(struct est_health *health)
{
	X509_free(health->peer);
	*health = (struct est_health){ 0 };
}

static void read_date(const struct http_answer *http, struct est_health *ret)
{
	int64_t date_s = parse_date(http->date);

	if (http->date[0] == '\0')
		(void)err_set(&ret->date_why, ERR_CA, "est.date", "the CA sends no date");
	else if (date_s == 0)
		(void)err_set(&ret->date_why, ERR_CA, "est.date",
		    "the CA's date can not be read: %s", http->date);
	else
		ret->date_offset_s = date_s - clock_wall_s();
}

static int copy_peer(const struct est *est, struct est_health *ret, struct err *e)
{
	struct http_peer peer = http_peer(est->http);

	if (peer.certificate == NULL || X509_up_ref(peer.certificate) != 1)
		return err_nomem(e);
	ret->peer = peer.certificate;
	memcpy(ret->tls, peer.tls, strnlen(peer.tls, sizeof(ret->tls) - 1));
	return 0;
}

int est_check(struct est *est, int64_t deadline, struct est_health *ret, struct err *e)
{
	AUTO_STRUCT(http_answer) cacerts = { 0 };
	AUTO_STRUCT(http_answer) csrattrs = { 0 };
	AUTO(X509_STACK) *certs = NULL;
	unsigned ignored = 0;

	if (get(est, "/cacerts", deadline, &cacerts, e) != 0)
		return -1;
	if (!cacerts.sent || cacerts.refused) {
		ret->tls_why = ret->cacerts_why = ret->date_why = ret->csrattrs_why = cacerts.why;
		return 0;
	}
	if (copy_peer(est, ret, e) != 0)
		return -1;
	read_date(&cacerts, ret);
	if (judge_cacerts(&cacerts, &certs, &ignored, &ret->cacerts_why) == 0)
		ret->cacerts = (size_t)sk_X509_num(certs);
	if (get(est, "/csrattrs", deadline, &csrattrs, e) != 0)
		return -1;
	if (judge_csrattrs(&csrattrs, &ret->csrattrs, &ignored, &ret->csrattrs_why) != 0)
		ret->csrattrs = 0; /* its error tells */
	return 0;
}
