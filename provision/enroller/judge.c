#include "judge.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "container.h"
#include "leaf.h"
#include "warning.h"

/* Each status: the first row that holds it. 200 is looked into, and not here. */
static const struct row {
	int first, last;
	enum enrol_outcome outcome;
	const char *code;
	const char *text;
} rows[] = {
	{ 202, 202, ENROL_PENDING, "est.pending", "the CA has not decided yet" },
	{ 300, 399, ENROL_DENIED, "est.redirect",
	    "the CA sends us elsewhere, where we do not follow: configure its real address" },
	{ 400, 400, ENROL_REJECTED, "est.rejected", "the CA refused this request" },
	{ 401, 401, ENROL_DENIED, "est.credential",
	    "the CA does not accept the station's credential" },
	{ 403, 403, ENROL_DENIED, "est.forbidden", "the CA does not let this station enrol" },
	{ 404, 405, ENROL_DENIED, "est.path",
	    "the CA does not enrol at this address: check the URL" },
	{ 408, 408, ENROL_UNKNOWN, "est.server", "the CA gave up" },
	{ 409, 409, ENROL_REJECTED, "est.rejected", "the CA refused this request" },
	{ 413, 413, ENROL_REJECTED, "est.rejected", "the CA refused this request" },
	{ 415, 415, ENROL_REJECTED, "est.rejected", "the CA refused this request" },
	{ 422, 422, ENROL_REJECTED, "est.rejected", "the CA refused this request" },
	{ 429, 429, ENROL_THROTTLED, "est.throttled", "the CA asks us to wait" },
	{ 400, 499, ENROL_DENIED, "est.denied", "the CA refuses what this station asks" },
	{ 503, 503, ENROL_THROTTLED, "est.throttled", "the CA asks us to wait" },
	{ 500, 599, ENROL_UNKNOWN, "est.server", "the CA failed, and may have issued" },
	{ INT_MIN, INT_MAX, ENROL_UNKNOWN, "est.status", "the CA answered what EST does not know" },
};

static const struct row *row_of(int status)
{
	const struct row *row = rows;

	while (status < row->first || status > row->last)
		row++;
	return row;
}

static void explain(const struct http_answer *http, const struct row *row, enum err_scope scope,
    struct err *why)
{
	char line[FIRST_LINE];

	container_first_line(&http->body, line);
	if (line[0] == '\0' && http->status == 401 && http->challenge[0] != '\0')
		(void)err_set(why, ERR_CA, row->code, "%s (status %d, it wants: %s)", row->text,
		    http->status, http->challenge);
	else if (line[0] == '\0')
		(void)err_set(why, ERR_CA, row->code, "%s (status %d)", row->text, http->status);
	else
		(void)err_set(why, ERR_CA, row->code, "%s (status %d): \"%s\"", row->text,
		    http->status, line);
	why->scope = scope;
}

/* True where the transfer itself decided; ret is then filled. */
static bool judge_transfer(const struct http_answer *http, struct enrol_answer *ret)
{
	if (http->refused) {
		ret->outcome = ENROL_DENIED;
		ret->why = http->why;
		return true;
	}
	if (!http->sent) {
		ret->outcome = ENROL_NOT_SENT;
		ret->why = http->why;
		return true;
	}
	if (!http->answered || (http->status == 200 && !http->complete)) {
		ret->outcome = ENROL_UNKNOWN;
		ret->possibly_issued = true;
		ret->why = http->why;
		return true;
	}
	return false;
}

/* A bare certificate (RFC 2585 4) has a warning of its own. */
static void judge_media_type(const struct http_answer *http, unsigned *warnings)
{
	static const char *const good[] = { "application/pkcs7-mime", "application/x-pkcs7-mime",
		"application/pkix-cert" };
	size_t len = strcspn(http->content_type, "; \t");

	for (size_t i = 0; i < COUNT(good); i++)
		if (len == strlen(good[i]) && strncasecmp(http->content_type, good[i], len) == 0)
			return;
	*warnings |= WARN_CONTENT_TYPE;
}

/* A 200 that can not be used is unknown, not rejected: the CA has probably issued. certs: NULL where
 * there is nothing to read in it. */
static int judge_unusable(const X509_STACK *certs, const struct judge_terms *terms,
    struct enrol_answer *ret, struct err *e)
{
	if (err_is(&ret->why, "nomem")) {
		*e = ret->why;
		return -1;
	}
	ret->outcome = ENROL_UNKNOWN;
	if (certs == NULL)
		return 0;
	return leaf_keep(certs, terms->key, &ret->unusable, &ret->unusable_left_out, e);
}

static int judge_issued(const struct http_answer *http, const struct judge_terms *terms,
    struct enrol_answer *ret, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	unsigned warnings = 0;

	ret->possibly_issued = true;
	if (container_certificates(&http->body, &certs, &warnings, &ret->why) != 0 ||
	    leaf_select(certs, terms->key, &ret->leaf, &ret->others, &warnings, &ret->why) != 0)
		return judge_unusable(certs, terms, ret, e);
	judge_media_type(http, &warnings);
	if (terms->issuers != NULL &&
	    !leaf_has_only_ancestors(ret->leaf, ret->others, terms->issuers))
		warnings |= WARN_UNRELATED_CA;
	ret->warnings = warnings;
	ret->outcome = ENROL_ISSUED;
	(void)err_set(&ret->why, ERR_CA, "est.issued", "the CA issued");
	return 0;
}

/* A certificate that comes with "not yet" is not taken: it exists, and must not be lost. */
static int judge_waiting(const struct http_answer *http, const struct judge_terms *terms,
    struct enrol_answer *ret, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	unsigned ignored = 0;
	struct err none = { 0 };

	ret->retry_after_s =
	    retry_after_s(http->retry_after, terms->limits, terms->now, &ret->warnings);
	if (ret->outcome != ENROL_PENDING)
		return 0;
	if (http->retry_after[0] == '\0')
		ret->warnings |= WARN_RETRY_AFTER_MISSING;
	if (container_certificates(&http->body, &certs, &ignored, &none) != 0) {
		if (!err_is(&none, "nomem"))
			return 0;
		*e = none;
		return -1;
	}
	ret->warnings |= WARN_BODY_WITH_202;
	ret->possibly_issued = true;
	return leaf_keep(certs, terms->key, &ret->unusable, &ret->unusable_left_out, e);
}

int judge_enrol(const struct http_answer *http, const struct judge_terms *terms,
    struct enrol_answer *ret, struct err *e)
{
	const struct row *row;

	*ret = (struct enrol_answer){ .status = http->status,
		.service_ms = http->took_ms,
		.posts = http->posts };
	if (judge_transfer(http, ret))
		return 0;
	if (http->status == 200)
		return judge_issued(http, terms, ret, e);
	row = row_of(http->status);
	ret->outcome = row->outcome;
	ret->possibly_issued = row->outcome == ENROL_UNKNOWN;
	explain(http, row, row->outcome == ENROL_REJECTED ? SCOPE_UNIT : SCOPE_STATION, &ret->why);
	if (row->outcome == ENROL_PENDING || row->outcome == ENROL_THROTTLED)
		return judge_waiting(http, terms, ret, e);
	return 0;
}

/* A GET that brought a whole 200. */
static int judge_get(const struct http_answer *http, struct err *e)
{
	if (!http->answered || !http->complete) {
		*e = http->why;
		return -1;
	}
	if (http->status == 200)
		return 0;
	explain(http, row_of(http->status), SCOPE_STATION, e);
	return -1;
}

int judge_cacerts(const struct http_answer *http, X509_STACK **ret, unsigned *warnings,
    struct err *e)
{
	unsigned found = 0;

	if (judge_get(http, e) != 0 || container_certificates(&http->body, ret, &found, e) != 0)
		return -1;
	judge_media_type(http, &found);
	*warnings |= found;
	return 0;
}

int judge_csrattrs(const struct http_answer *http, size_t *ret_count, unsigned *warnings,
    struct err *e)
{
	bool none = http->complete && (http->status == 204 || http->status == 404);

	if (none) {
		*ret_count = 0;
		return 0;
	}
	if (judge_get(http, e) != 0)
		return -1;
	return container_attributes(&http->body, ret_count, warnings, e);
}
