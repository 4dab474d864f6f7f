/*
 * A CA's answer, from the bytes of the transfer on: the first byte picks the status, the second how
 * the transfer ended, up to a NUL Retry-After and Content-Type, the rest is the body.
 */
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "json.h"
#include "judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *take_text(const uint8_t *at, const uint8_t *end,
    char ret[static HTTP_VALUE_MAX])
{
	size_t len = 0;

	while (at < end && *at != '\0' && len < HTTP_VALUE_MAX - 1)
		ret[len++] = (char)*at++;
	return at < end ? at + 1 : at;
}

/* The answer's own first key, so that the choice of the leaf is reached. */
static EVP_PKEY *pick_key(const struct buf *body)
{
	AUTO(X509_STACK) *certs = NULL;
	unsigned warnings = 0;
	struct err e = { 0 };
	EVP_PKEY *key = NULL;

	if (container_certificates(body, &certs, &warnings, &e) == 0)
		key = X509_get_pubkey(sk_X509_value(certs, 0));
	return key;
}

static void judge_all(const struct http_answer *http)
{
	static const struct retry_limits limits = { .min = 1, .max = 3600, .fallback = 60 };
	AUTO(EVP_PKEY) *key = pick_key(&http->body);
	AUTO(X509_STACK) *certs = NULL;
	AUTO_STRUCT(enrol_answer) answer = { 0 };
	AUTO(json_t) *json = json_object();
	struct judge_terms terms = { .key = key, .limits = &limits, .now = 1795372200 };
	struct err e = { 0 };
	unsigned warnings = 0;
	size_t count = 0;
	bool got_certs = judge_cacerts(http, &certs, &warnings, &e) == 0;

	if (key == NULL)
		terms.key = key = EVP_EC_gen("P-256");
	terms.issuers = got_certs ? certs : NULL;
	if (judge_enrol(http, &terms, &answer, &e) != 0 ||
	    enrol_answer_to_json(&answer, json, &e) != 0)
		abort();
	if ((answer.outcome == ENROL_ISSUED) != (answer.leaf != NULL) ||
	    answer.why.code[0] == '\0' || answer.retry_after_s < 0 ||
	    answer.retry_after_s > limits.max)
		abort();
	if (judge_csrattrs(http, &count, &warnings, &e) == 0 && count > HTTP_BODY_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 200, 200, 200, 202, 204, 302, 400, 401, 429, 500, 503 };
	struct http_answer http = { .posts = 1 };
	const uint8_t *end = data + size;
	struct err e = { 0 };

	if (size < 2 || size > HTTP_BODY_MAX)
		return 0;
	http.status = statuses[data[0] % COUNT(statuses)];
	http.sent = (data[1] & 3) != 3;
	http.answered = (data[1] & 12) != 12;
	http.complete = (data[1] & 48) != 48;
	http.refused = (data[1] & 192) == 192;
	(void)err_set(&http.why, ERR_CA, "est.lost", "lost");
	data = take_text(data + 2, end, http.retry_after);
	data = take_text(data, end, http.content_type);
	if (buf_add(&http.body, data, (size_t)(end - data), &e) == 0)
		judge_all(&http);
	http_answer_free(&http);
	return 0;
}
