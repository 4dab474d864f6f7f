#include "judge.h"

#include <string.h>

#include "peer.h"
#include "warning.h"

static const struct retry_limits limits = { .min = 5, .max = 7200, .fallback = 60 };

static struct http_answer whole(int status)
{
	return (struct http_answer){ .posts = 1,
		.sent = true,
		.answered = true,
		.complete = true,
		.status = status };
}

static struct enrol_answer judge(const struct http_answer *http, const EVP_PKEY *key)
{
	const struct judge_terms terms = { .key = key, .limits = &limits, .now = 1795372200 };
	struct enrol_answer got = { 0 };
	struct err e = { 0 };

	assert_ok(judge_enrol(http, &terms, &got, &e), &e);
	return got;
}

/* Each status there is, without a body. */
static enum enrol_outcome expected(int status)
{
	switch (status) {
	case 202:
		return ENROL_PENDING;
	case 400:
	case 409:
	case 413:
	case 415:
	case 422:
		return ENROL_REJECTED;
	case 408:
		return ENROL_UNKNOWN;
	case 429:
	case 503:
		return ENROL_THROTTLED;
	default:
		return status >= 300 && status < 500 ? ENROL_DENIED : ENROL_UNKNOWN;
	}
}

static void classes_every_status(void **state)
{
	(void)state;
	for (int status = -1; status < 1200; status++) {
		struct http_answer http = whole(status);
		AUTO_STRUCT(enrol_answer) got = judge(&http, NULL);

		assert_int_equal(got.outcome, expected(status));
		assert_int_equal(got.status, status);
		assert_int_equal(got.possibly_issued, got.outcome == ENROL_UNKNOWN);
		assert_true(strncmp(got.why.code, "est.", 4) == 0);
		assert_true(got.why.message[0] != '\0');
		assert_int_equal(got.why.scope,
		    got.outcome == ENROL_REJECTED || status == 200 ? got.why.scope : SCOPE_STATION);
		assert_int_equal(got.posts, 1);
	}
}

static void the_transfer_decides_first(void **state)
{
	static const struct {
		struct http_answer http;
		enum enrol_outcome outcome;
		bool possibly_issued;
	} cases[] = {
		{ { .sent = false }, ENROL_NOT_SENT, false },
		{ { .sent = true, .refused = true }, ENROL_DENIED, false },
		{ { .sent = false, .refused = true }, ENROL_DENIED, false },
		{ { .sent = true }, ENROL_UNKNOWN, true },
		{ { .sent = true, .answered = true, .status = 200 }, ENROL_UNKNOWN, true },
		/* The status decides before the body is looked at. */
		{ { .sent = true, .answered = true, .status = 202 }, ENROL_PENDING, false },
		{ { .sent = true, .answered = true, .status = 403 }, ENROL_DENIED, false },
		{ { .sent = true, .answered = true, .status = 400 }, ENROL_REJECTED, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(enrol_answer) got = judge(&cases[i].http, NULL);

		assert_int_equal(got.outcome, cases[i].outcome);
		assert_int_equal(got.possibly_issued, cases[i].possibly_issued);
	}
}

static void shows_what_the_ca_says(void **state)
{
	static const struct {
		const char *body, *shown;
	} cases[] = {
		{ "subject DN not allowed\nsecond line",
		    "(status 422): \"subject DN not allowed\"" },
		{ "\r\n\r\n  late line", "\"late line\"" },
		{ "<!DOCTYPE html>\n<html><HEAD><Title>Bad Gateway</title>", "\"Bad Gateway\"" },
		{ "<html>nothing</html>", "(status 422)" },
		{ "\x1b[31mred", "(status 422)" },
		{ "a\x1b[31mred", "\"a?[31mred\"" },
		{ "\x30\x82", "\"0?\"" },
		{ "", "(status 422)" },
	};
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_answer http = whole(422);
		AUTO_STRUCT(enrol_answer) got = { 0 };

		assert_ok(buf_add_str(&http.body, cases[i].body, &e), &e);
		got = judge(&http, NULL);
		if (strstr(got.why.message, cases[i].shown) == NULL)
			fail_msg("%s", got.why.message);
		assert_null(strchr(got.why.message, '\n'));
		buf_free(&http.body);
	}
}

static void names_the_wanted_credential(void **state)
{
	struct http_answer http = whole(401);
	AUTO_STRUCT(enrol_answer) got = { 0 };

	(void)state;
	(void)snprintf(http.challenge, sizeof(http.challenge), "Digest realm=\"x\"");
	got = judge(&http, NULL);
	assert_string_equal(got.why.code, "est.credential");
	assert_non_null(strstr(got.why.message, "it wants: Digest realm=\"x\""));
}

static void waits_within_the_limits(void **state)
{
	struct http_answer http = whole(503);
	AUTO_STRUCT(enrol_answer) got = { 0 };

	(void)state;
	got = judge(&http, NULL);
	assert_int_equal(got.retry_after_s, 60);
	assert_int_equal(got.warnings, 0);
	(void)snprintf(http.retry_after, sizeof(http.retry_after), "86400");
	got = judge(&http, NULL);
	assert_int_equal(got.retry_after_s, 7200);
	assert_int_equal(got.warnings, WARN_RETRY_AFTER_CLAMPED);
	http = whole(202);
	got = judge(&http, NULL);
	assert_int_equal(got.retry_after_s, 60);
	assert_int_equal(got.warnings, WARN_RETRY_AFTER_MISSING);
}

static void add_certificate(struct http_answer *http, X509 *cert)
{
	struct err e = { 0 };

	assert_ok(x509_add_pem(cert, &http->body, &e), &e);
}

static void takes_the_certificate(void **state)
{
	struct peer_identity ca = peer_identity("CA", NULL, NULL, 3600);
	struct peer_identity device = peer_identity("device", "DNS:d", &ca, 3600);
	struct http_answer http = whole(200);
	AUTO_STRUCT(enrol_answer) got = { 0 };

	(void)state;
	add_certificate(&http, ca.cert);
	add_certificate(&http, device.cert);
	got = judge(&http, device.key);
	assert_int_equal(got.outcome, ENROL_ISSUED);
	assert_true(got.possibly_issued);
	assert_int_equal(X509_cmp(got.leaf, device.cert), 0);
	assert_int_equal(sk_X509_num(got.others), 1);
	assert_int_equal(got.warnings, WARN_PEM_ARMOUR | WARN_BARE_CERTIFICATE | WARN_CONTENT_TYPE);
	enrol_answer_free(&got);

	/* The same in a 202 is kept in mind, and not taken. */
	http.status = 202;
	got = judge(&http, device.key);
	assert_int_equal(got.outcome, ENROL_PENDING);
	assert_true(got.possibly_issued);
	assert_null(got.leaf);
	assert_int_equal(got.warnings, WARN_RETRY_AFTER_MISSING | WARN_BODY_WITH_202);
	assert_int_equal(sk_X509_num(got.unusable), 1); /* I2 */
	assert_int_equal(X509_cmp(sk_X509_value(got.unusable, 0), device.cert), 0);
	assert_int_equal(got.unusable_left_out, 0);
	buf_free(&http.body);
	peer_identity_free(&device);
	peer_identity_free(&ca);
}

static void reads_media_types(void **state)
{
	static const struct {
		const char *type;
		bool good;
	} types[] = {
		{ "application/pkcs7-mime", true },
		{ "Application/PKCS7-mime; smime-type=certs-only", true },
		{ "application/pkcs7-mime;smime-type=\"CERTS-ONLY\"", true },
		{ "application/x-pkcs7-mime", true },
		{ "application/pkcs7-mimes", false },
		{ "application/pkcs7", false },
		{ "text/plain", false },
		{ "", false },
	};
	struct peer_identity device = peer_identity("device", "DNS:d", NULL, 3600);
	struct http_answer http = whole(200);

	(void)state;
	add_certificate(&http, device.cert);
	for (size_t i = 0; i < COUNT(types); i++) {
		AUTO_STRUCT(enrol_answer) got = { 0 };

		(void)snprintf(http.content_type, sizeof(http.content_type), "%s", types[i].type);
		got = judge(&http, device.key);
		assert_int_equal((got.warnings & WARN_CONTENT_TYPE) == 0, types[i].good);
	}
	buf_free(&http.body);
	peer_identity_free(&device);
}

static void refuses_cacerts_without_certificates(void **state)
{
	struct http_answer http = whole(403);
	AUTO(X509_STACK) *certs = NULL;
	unsigned warnings = 0;
	size_t count = 7;
	struct err e = { 0 };

	(void)state;
	assert_err(judge_cacerts(&http, &certs, &warnings, &e), &e, "est.forbidden");
	assert_err(judge_csrattrs(&http, &count, &warnings, &e), &e, "est.forbidden");
	http.status = 200;
	assert_err(judge_cacerts(&http, &certs, &warnings, &e), &e, "est.empty");
	http.complete = false;
	(void)err_set(&http.why, ERR_CA, "est.cut", "cut");
	assert_err(judge_cacerts(&http, &certs, &warnings, &e), &e, "est.cut");
	assert_int_equal(count, 7);
	http = whole(204);
	assert_ok(judge_csrattrs(&http, &count, &warnings, &e), &e);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_every_status),
		cmocka_unit_test(the_transfer_decides_first),
		cmocka_unit_test(shows_what_the_ca_says),
		cmocka_unit_test(names_the_wanted_credential),
		cmocka_unit_test(waits_within_the_limits),
		cmocka_unit_test(takes_the_certificate),
		cmocka_unit_test(reads_media_types),
		cmocka_unit_test(refuses_cacerts_without_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
