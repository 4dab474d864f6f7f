/* How kiln-enroller's requests are refused; that they work is shown by
 * test/system/test_enroller.py. */
#include "calls.h"

#include <string.h>

#include "http.h"
#include "peer.h"

static struct buf anchors;

static int call(struct enroller *s, const char *name, json_t *request, json_t *ok, struct err *e)
{
	for (size_t i = 0; i < enroller_call_count; i++)
		if (strcmp(enroller_calls[i].name, name) == 0)
			return enroller_calls[i].run(s, request, ok, e);
	fail_msg("no call %s", name);
	return -1;
}

static json_t *open_request(void)
{
	struct err e = { 0 };
	json_t *request =
	    json_pack("{s:s, s:s, s:s, s:s}", "url", "https://127.0.0.1:1/est", "anchors",
		buf_str(&anchors, &e), "credential_kind", "basic", "credential", "dXNlcjpwdw==");

	assert_non_null(request);
	return request;
}

static void expect_refused(json_t *request, const char *code)
{
	AUTO_STRUCT(enroller) s = { 0 };
	AUTO(json_t) *ok = json_object();
	struct err e = { 0 };

	assert_err(call(&s, "open", request, ok, &e), &e, code);
	assert_null(s.est);
	assert_null(strstr(e.message, "user:pw"));
	json_decref(request);
}

static json_t *with(json_t *request, const char *key, json_t *value)
{
	if (value == NULL)
		json_object_del(request, key);
	else
		json_object_set_new(request, key, value);
	return request;
}

static void refuses_bad_openings(void **state)
{
	(void)state;
	expect_refused(with(open_request(), "url", NULL), "json");
	expect_refused(with(open_request(), "url", json_string("http://ca.test/")), "est.url");
	expect_refused(with(open_request(), "anchors", NULL), "json");
	expect_refused(with(open_request(), "anchors", json_string("none")), "x509");
	expect_refused(with(open_request(), "credential", NULL), "est.credential");
	expect_refused(with(open_request(), "client", json_object()), "est.credential");
	expect_refused(with(open_request(), "credential", json_string("dXNlcg==")),
	    "est.credential");
	expect_refused(with(open_request(), "credential", json_string("?")), "base64");
	expect_refused(with(open_request(), "credential_kind", json_string("digest")),
	    "est.credential");
	expect_refused(with(open_request(), "credential_kind", NULL), "json");
	expect_refused(with(open_request(), "retry_min_s", json_integer(-1)), "est.retry");
	expect_refused(with(with(open_request(), "credential", NULL), "client", json_object()),
	    "json");
}

static void says_what_can_be_done_about_a_lost_answer(void **state)
{
	AUTO_STRUCT(enroller) s = { 0 };
	AUTO(json_t) *request = open_request();
	AUTO(json_t) *ok = json_object();
	struct err e = { 0 };

	(void)state;
	assert_ok(call(&s, "open", request, ok, &e), &e);
	assert_string_equal(json_opt_str(ok, "backend", ""), "est");
	assert_string_equal(json_opt_str(ok, "class", ""), "post");
}

static void wipes_the_credential(void **state)
{
	AUTO_STRUCT(enroller) s = { 0 };
	AUTO(json_t) *request = open_request();
	AUTO(json_t) *ok = json_object();
	const char *credential = json_opt_str(request, "credential", NULL);
	struct err e = { 0 };

	(void)state;
	assert_string_equal(credential, "dXNlcjpwdw==");
	assert_ok(call(&s, "open", request, ok, &e), &e);
	assert_string_equal(credential, "");
	assert_err(call(&s, "open", request, ok, &e), &e, "est.open");
}

static void refuses_use_before_open(void **state)
{
	static const char *const names[] = { "enrol", "cacerts", "check" };
	AUTO_STRUCT(enroller) s = { 0 };
	AUTO(json_t) *request = json_pack("{s:s}", "csr", "MAA=");

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO(json_t) *ok = json_object();
		struct err e = { 0 };

		assert_err(call(&s, names[i], request, ok, &e), &e, "est.open");
	}
}

static void refuses_bad_enrolments(void **state)
{
	static const struct {
		const char *request, *code;
	} bad[] = {
		{ "{}", "json" },
		{ "{\"csr\": 1}", "json" },
		{ "{\"csr\": \"MAA\"}", "base64" },
		{ "{\"csr\": \"MAA=\"}", "x509" },
		{ "{\"csr\": \"MAA=\", \"issuers\": [1]}", "json" },
		{ "{\"csr\": \"MAA=\", \"issuers\": [\"?\"]}", "base64" },
		{ "{\"csr\": \"MAA=\", \"issuers\": [\"MAA=\"]}", "x509" },
	};
	AUTO_STRUCT(enroller) s = { 0 };
	AUTO(json_t) *opening = open_request();
	AUTO(json_t) *nothing = json_object();
	struct err e = { 0 };

	(void)state;
	assert_ok(call(&s, "open", opening, nothing, &e), &e);
	for (size_t i = 0; i < COUNT(bad); i++) {
		AUTO(json_t) *request = json_loads(bad[i].request, 0, NULL);
		AUTO(json_t) *ok = json_object();

		assert_err(call(&s, "enrol", request, ok, &e), &e, bad[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_openings),
		cmocka_unit_test(says_what_can_be_done_about_a_lost_answer),
		cmocka_unit_test(wipes_the_credential),
		cmocka_unit_test(refuses_use_before_open),
		cmocka_unit_test(refuses_bad_enrolments),
	};
	struct peer_identity ca;
	struct err e = { 0 };
	int rc;

	if (http_init(&e) != 0)
		return 1;
	ca = peer_identity("CA", NULL, NULL, 3600);
	if (x509_add_pem(ca.cert, &anchors, &e) != 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	buf_free(&anchors);
	peer_identity_free(&ca);
	http_exit();
	return rc;
}
