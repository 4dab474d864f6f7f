#include "guard.h"

#include <stdio.h>
#include <string.h>

#include "testing.h"

enum { PORT = 8480 };

struct fixture {
	struct guard guard;
	char token[GUARD_TOKEN], cookie[GUARD_COOKIE];
	struct guard_head head; /* what the page sends */
};

static int setup(void **state)
{
	static struct fixture f;
	struct err e = { 0 };

	assert_ok(guard_init(&f.guard, PORT, &e), &e);
	assert_ok(guard_session(&f.guard, NULL, f.token, f.cookie, &e), &e);
	f.head = (struct guard_head){
		.host = "127.0.0.1:8480",
		.origin = "http://127.0.0.1:8480",
		.site = "same-origin",
		.type = "application/json",
		.cookie = f.cookie,
		.token = f.token,
	};
	*state = &f;
	return 0;
}

static void hears_its_page(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_ok(guard_check(&f->guard, &f->head, &e), &e);
	assert_ok(guard_check_deed(&f->guard, &f->head, &e), &e);
	f->head.origin = NULL;
	assert_ok(guard_check_deed(&f->guard, &f->head, &e), &e);
	f->head.origin = "http://127.0.0.1:8480";
	f->head.site = NULL;
	assert_ok(guard_check_deed(&f->guard, &f->head, &e), &e);
}

/* Without a body there is no type; all else is as for a deed. */
static void looks_need_the_page_too(void **state)
{
	struct fixture *f = *state;
	const struct guard_head page = f->head;
	struct err e = { 0 };

	f->head.type = NULL;
	assert_ok(guard_check_page(&f->guard, &f->head, &e), &e);
	f->head.origin = NULL;
	assert_ok(guard_check_page(&f->guard, &f->head, &e), &e);
	f->head.site = NULL;
	assert_err(guard_check_page(&f->guard, &f->head, &e), &e, "console.origin");
	f->head = page;
	f->head.origin = "http://evil.example";
	assert_err(guard_check_page(&f->guard, &f->head, &e), &e, "console.origin");
	f->head = page;
	f->head.host = "evil.example";
	assert_err(guard_check_page(&f->guard, &f->head, &e), &e, "console.host");
	f->head = page;
	f->head.token = NULL;
	assert_err(guard_check_page(&f->guard, &f->head, &e), &e, "console.token");
}

static void refuses_another_host(void **state)
{
	static const char *const hosts[] = { NULL, "", "127.0.0.1", "127.0.0.1:8481",
		"localhost:8480", "evil.example:8480", "127.0.0.1:8480.evil.example",
		"127.0.0.1:84800" };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct err e = { 0 };

		f->head.host = hosts[i];
		assert_err(guard_check(&f->guard, &f->head, &e), &e, "console.host");
		assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.host");
	}
}

static void refuses_another_site(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	f->head.site = "cross-site";
	assert_err(guard_check(&f->guard, &f->head, &e), &e, "console.site");
	f->head.site = "same-site"; /* another port of this host */
	assert_err(guard_check(&f->guard, &f->head, &e), &e, "console.site");
	f->head.site = "none"; /* typed by a person */
	assert_ok(guard_check(&f->guard, &f->head, &e), &e);
}

static void refuses_another_origin(void **state)
{
	static const char *const origins[] = { "null", "", "http://127.0.0.1:8481",
		"https://127.0.0.1:8480", "http://localhost:8480", "http://127.0.0.1:8480/" };
	struct fixture *f = *state;
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(origins); i++) {
		f->head.origin = origins[i];
		assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.origin");
	}
	f->head.origin = NULL;
	f->head.site = NULL;
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.origin");
	f->head.site = "none";
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.origin");
}

static void refuses_what_a_form_can_send(void **state)
{
	static const char *const types[] = { NULL, "", "text/plain", "application/json; charset=x",
		"application/x-www-form-urlencoded", "application/jsonp" };
	struct fixture *f = *state;
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(types); i++) {
		f->head.type = types[i];
		assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.type");
	}
}

static void refuses_a_token_of_another_session(void **state)
{
	struct fixture *f = *state;
	char token[GUARD_TOKEN], cookie[GUARD_COOKIE];
	struct err e = { 0 };

	assert_ok(guard_session(&f->guard, NULL, token, cookie, &e), &e);
	assert_string_not_equal(token, f->token);
	f->head.token = token;
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.token");
	f->head.cookie = cookie;
	assert_ok(guard_check_deed(&f->guard, &f->head, &e), &e);
	token[GUARD_TOKEN - 2] = (char)(token[GUARD_TOKEN - 2] ^ 1);
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.token");
	f->head.token = "";
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.token");
	f->head.token = NULL;
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.token");
	f->head.token = f->token;
	f->head.cookie = NULL;
	assert_err(guard_check_deed(&f->guard, &f->head, &e), &e, "console.token");
}

static void refuses_a_token_of_another_process(void **state)
{
	struct fixture *f = *state;
	struct guard other;
	struct err e = { 0 };

	assert_ok(guard_init(&other, PORT, &e), &e);
	assert_err(guard_check_deed(&other, &f->head, &e), &e, "console.token");
}

/* Two tabs share a cookie: the second one must not take the first one's session away. */
static void keeps_the_session_that_is_there(void **state)
{
	struct fixture *f = *state;
	char token[GUARD_TOKEN], cookie[GUARD_COOKIE], sent[400];
	struct err e = { 0 };

	(void)snprintf(sent, sizeof(sent), "kiln_1=0123; x; %.*s; y=1",
	    (int)strcspn(f->cookie, ";"), f->cookie);
	assert_ok(guard_session(&f->guard, sent, token, cookie, &e), &e);
	assert_string_equal(token, f->token);
	assert_string_equal(cookie, f->cookie);
	f->head.cookie = sent;
	assert_ok(guard_check_deed(&f->guard, &f->head, &e), &e);
	assert_ok(guard_session(&f->guard, "kiln_8480=00; kiln_8480=", token, cookie, &e), &e);
	assert_string_not_equal(cookie, f->cookie);
}

static void cookie_is_the_browsers_own(void **state)
{
	const struct fixture *f = *state;

	assert_non_null(strstr(f->cookie, "; HttpOnly"));
	assert_non_null(strstr(f->cookie, "; SameSite=Strict"));
	assert_int_equal(strncmp(f->cookie, "kiln_8480=", 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(hears_its_page, setup),
		cmocka_unit_test_setup(looks_need_the_page_too, setup),
		cmocka_unit_test_setup(refuses_another_host, setup),
		cmocka_unit_test_setup(refuses_another_site, setup),
		cmocka_unit_test_setup(refuses_another_origin, setup),
		cmocka_unit_test_setup(refuses_what_a_form_can_send, setup),
		cmocka_unit_test_setup(refuses_a_token_of_another_session, setup),
		cmocka_unit_test_setup(refuses_a_token_of_another_process, setup),
		cmocka_unit_test_setup(keeps_the_session_that_is_there, setup),
		cmocka_unit_test_setup(cookie_is_the_browsers_own, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
