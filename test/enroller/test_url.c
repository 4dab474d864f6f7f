#include "url.h"

#include <string.h>

#include "testing.h"

static void accepts(void **state)
{
	static const char *const good[] = {
		"https://ca.example/.well-known/est",
		"https://ca.example:8443/.well-known/est/pumps",
		"HTTPS://127.0.0.1:1/",
		"https://[::1]:8443/est/",
		"https://ca",
	};
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_ok(url_check(good[i], &e), &e);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"",
		"http://ca.example/",
		"ftp://ca.example/",
		"https:/ca.example/",
		"ca.example",
		"https://",
		"https:///est",
		"https://:443/est",
		"https://user@ca.example/",
		"https://user:secret@ca.example/",
		"https://ca.example/est?x=1",
		"https://ca.example/est#x",
		"https://ca.example/e st",
		"https://ca.example/est\r\nX: y",
		"https://ca.example\\@other/",
		"https://c\xc3\xa4.example/",
	};
	char longest[1100];
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_err(url_check(bad[i], &e), &e, "est.url");
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "https://", 8);
	longest[sizeof(longest) - 1] = '\0';
	assert_err(url_check(longest, &e), &e, "est.url");
}

static void never_shows_the_password(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_err(url_check("https://user:canary-81@ca.example/", &e), &e, "est.url");
	assert_null(strstr(e.message, "canary-81"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(never_shows_the_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
