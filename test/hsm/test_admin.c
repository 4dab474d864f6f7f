#include "hsm/token.h"

#include "admin.h"
#include "x509.h"

struct fixture {
	char *folder;
	char *guard;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	alarm(60); /* a hang is a failure of its own */
	f->folder = token_folder();
	assert_true(asprintf(&f->guard, "%s/guard", f->folder) > 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	testing_folder_remove(f->folder);
	free(f->guard);
	free(f);
	return 0;
}

static int run(const json_t *request, json_t **ret_ok, struct err *e)
{
	const char *name = json_opt_str(request, "do", "");

	*ret_ok = json_object();
	for (size_t i = 0; i < hsm_admin_call_count; i++)
		if (strcmp(hsm_admin_calls[i].name, name) == 0)
			return hsm_admin_calls[i].run(NULL, request, *ret_ok, e);
	fail_msg("no call %s", name);
	return -1;
}

/* As serve() does it. request is taken over. */
static int call(json_t *request, json_t **ret_ok, struct err *e)
{
	int rc;

	assert_non_null(request);
	rc = run(request, ret_ok, e);
	json_decref(request);
	return rc;
}

static json_t *request(const char *name, const char *token)
{
	return json_pack("{s:s, s:s, s:s}", "do", name, "module", SOFTHSM, "token", token);
}

static json_t *with_pin(json_t *r, const char *member, const char *text)
{
	AUTO_STRUCT(secret) pin = secret_of(text);
	struct err e = { 0 };

	assert_ok(secret_to_json(&pin, r, member, &e), &e);
	return r;
}

static json_t *with(json_t *r, const char *member, const char *value)
{
	struct err e = { 0 };

	assert_ok(json_set_str(r, member, value, &e), &e);
	return r;
}

static json_t *keygen_request(const char *key, const char *algorithm)
{
	json_t *r = with_pin(request("keygen", "station"), "pin", PIN);

	return with(with(r, "key", key), "algorithm", algorithm);
}

static json_t *csr_request(const char *subject)
{
	json_t *r = with_pin(request("csr", "station"), "pin", PIN);

	return with(with(r, "key", ATTESTER), "subject", subject);
}

static json_t *audit_request(const char *key, const char *pin)
{
	json_t *r = with(request("audit", "station"), "key", key);

	return pin != NULL ? with_pin(r, "pin", pin) : r;
}

static void good(json_t *r, json_t **ret_ok)
{
	struct err e = { 0 };

	assert_ok(call(r, ret_ok, &e), &e);
}

static void bad(json_t *r, const char *code)
{
	AUTO(json_t) *ok = NULL;
	struct err e = { 0 };

	assert_err(call(r, &ok, &e), &e, code);
	assert_int_equal(json_object_size(ok), 0);
}

static void init_then_status(void **state)
{
	AUTO(json_t) *none = NULL;
	AUTO(json_t) *made = NULL;
	AUTO(json_t) *all = NULL;
	AUTO(json_t) *one = NULL;
	const json_t *token;

	(void)state;
	good(json_pack("{s:s, s:s}", "do", "status", "module", SOFTHSM), &none);
	token = json_array_get(json_object_get(none, "tokens"), 0);
	assert_false(json_opt_bool(token, "initialised", true));
	assert_string_equal(json_opt_str(token, "user_pin", ""), "not-set");
	good(with_pin(with_pin(request("init", "station"), "so_pin", SO_PIN), "pin", PIN), &made);
	good(json_pack("{s:s, s:s}", "do", "status", "module", SOFTHSM), &all);
	assert_int_equal(json_array_size(json_object_get(all, "tokens")),
	    2); /* and a fresh free one */
	good(request("status", "station"), &one);
	assert_int_equal(json_array_size(json_object_get(one, "tokens")), 1);
	token = json_array_get(json_object_get(one, "tokens"), 0);
	assert_string_equal(json_opt_str(token, "label", ""), "station");
	assert_true(json_opt_bool(token, "initialised", false));
	assert_string_equal(json_opt_str(token, "user_pin", ""), "ok");
	bad(request("status", "absent"), "hsm.operator.token");
	bad(with_pin(with_pin(request("init", "station"), "so_pin", SO_PIN), "pin", PIN),
	    "hsm.operator.token");
	bad(with_pin(request("init", "other"), "pin", PIN), "json");
}

static void secrets_are_wiped_in_the_request(void **state)
{
	AUTO(json_t) *r =
	    with_pin(with_pin(request("init", "station"), "so_pin", SO_PIN), "pin", PIN);
	AUTO(json_t) *ok = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	good(json_incref(r), &ok);
	assert_int_equal(json_string_value(json_object_get(r, "pin"))[0], 0);
	assert_int_equal(json_string_value(json_object_get(r, "so_pin"))[0], 0);
	assert_ok(json_canonical(ok, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "{}");
}

static void keygen_makes_a_sound_key(void **state)
{
	AUTO(json_t) *ok = NULL;
	const json_t *key;

	(void)state;
	token_make("station");
	good(keygen_request(ATTESTER, "EC:P-256"), &ok);
	key = json_object_get(ok, "key");
	assert_string_equal(json_opt_str(key, "type", ""), "EC:P-256");
	assert_true(json_opt_bool(key, "sensitive", false));
	assert_false(json_opt_bool(key, "extractable", true));
	assert_true(json_opt_bool(key, "local", false));
	bad(keygen_request(ATTESTER, "EC:P-256"), "hsm.operator.key");
	bad(keygen_request("b", "EC:P-1"), "hsm.algorithm");
}

static void csr_is_signed_in_the_token(void **state)
{
	AUTO(json_t) *ok = NULL;
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *r = NULL;
	AUTO(EVP_PKEY) *key = NULL;
	struct err e = { 0 };

	(void)state;
	token_make("station");
	bad(csr_request("/CN=station 7"), "hsm.operator.key");
	token_keygen("station", ATTESTER, "EC:P-256");
	good(csr_request("/CN=station 7"), &ok);
	assert_ok(json_get_bytes(ok, "csr", &der, ERR_HSM, &e), &e);
	assert_ok(x509_parse_request(der.data, der.len, &r, ERR_HSM, &e), &e);
	key = X509_REQ_get_pubkey(r);
	assert_int_equal(X509_REQ_verify(r, key), 1);
	bad(csr_request("nonsense"), "hsm.subject");
	bad(json_pack("{s:s, s:s, s:s, s:b, s:b}", "do", "csr", "key", "k", "subject", "/CN=a",
		"ra", 1, "attestation", 1),
	    "hsm.purpose");
}

/* The names of the checks that passed, then "!name:code" of one that did not. */
static void checks_are(json_t *r, const char *expected)
{
	AUTO(json_t) *ok = NULL;
	AUTO_STRUCT(buf) seen = { 0 };
	struct err e = { 0 };
	json_t *row;
	size_t i;

	good(r, &ok);
	json_array_foreach(json_object_get(ok, "checks"), i, row)
	{
		const json_t *err = json_object_get(row, "err");

		assert_ok(buf_printf(&seen, &e, "%s%s%s%s%s", i > 0 ? " " : "",
			      err != NULL ? "!" : "", json_opt_str(row, "check", "?"),
			      err != NULL ? ":" : "",
			      err != NULL ? json_opt_str(err, "code", "?") : ""),
		    &e);
	}
	assert_string_equal(buf_str(&seen, &e), expected);
}

static void audit_says_it_line_by_line(void **state)
{
	struct fixture *f = *state;
	AUTO(json_t) *ok = NULL;

	checks_are(with(audit_request(ATTESTER, PIN), "module", "/absent.so"),
	    "!module:hsm.fatal.module");
	checks_are(audit_request(ATTESTER, PIN), "module !token:hsm.operator.token");
	token_make("station");
	checks_are(audit_request(ATTESTER, NULL), "module token pin");
	checks_are(audit_request(ATTESTER, PIN), "module token pin login !key:hsm.operator.key");
	token_keygen("station", ATTESTER, "EC:P-256");
	checks_are(audit_request(ATTESTER, PIN),
	    "module token pin login key attributes mechanism signature");
	raw_keygen("leaky", false, true);
	checks_are(audit_request("leaky", PIN),
	    "module token pin login key !attributes:hsm.fatal.key");
	checks_are(with(audit_request(ATTESTER, "wrong-pin"), "guard", f->guard),
	    "module token pin !login:hsm.operator.pin");
	checks_are(with(audit_request(ATTESTER, PIN), "guard", f->guard),
	    "module token pin !login:hsm.operator.guard");
	good(json_pack("{s:s, s:s}", "do", "guard_clear", "guard", f->guard), &ok);
	checks_are(with(audit_request(ATTESTER, PIN), "guard", f->guard),
	    "module token pin login key attributes mechanism signature");
}

#define ADMIN_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADMIN_TEST(init_then_status),
		ADMIN_TEST(secrets_are_wiped_in_the_request),
		ADMIN_TEST(keygen_makes_a_sound_key),
		ADMIN_TEST(csr_is_signed_in_the_token),
		ADMIN_TEST(audit_says_it_line_by_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
