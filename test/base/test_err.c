#include "err.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "own.h"
#include "testing.h"

static void test_set(void **state)
{
	struct err e = { .retry = true };

	(void)state;
	assert_int_equal(err_set(&e, ERR_DEVICE, "device.said", "it said %d", 7), -1);
	assert_int_equal(e.domain, ERR_DEVICE);
	assert_int_equal(e.scope, SCOPE_UNIT);
	assert_false(e.retry);
	assert_string_equal(e.code, "device.said");
	assert_string_equal(e.message, "it said 7");
	assert_true(err_is(&e, "device.said"));
	assert_false(err_is(&e, "device"));
}

/* Whose fault decides how far it reaches; a station error never counts against a unit. */
static void test_usual_scope(void **state)
{
	static const struct {
		enum err_domain domain;
		enum err_scope scope;
	} usual[] = { { ERR_LINK, SCOPE_UNIT }, { ERR_DEVICE, SCOPE_UNIT },
		{ ERR_CERT, SCOPE_UNIT }, { ERR_OPERATOR, SCOPE_UNIT }, { ERR_CA, SCOPE_STATION },
		{ ERR_HSM, SCOPE_STATION }, { ERR_RECORDS, SCOPE_STATION },
		{ ERR_CONFIG, SCOPE_STATION } };

	(void)state;
	for (size_t i = 0; i < COUNT(usual); i++) {
		struct err e = { 0 };

		(void)err_set(&e, usual[i].domain, "x", "x"); /* always -1 */
		assert_int_equal(e.scope, usual[i].scope);
	}
}

/* Line ends, escape sequences and other people's bytes do not reach a terminal or a log. */
static void test_printable(void **state)
{
	struct err e = { 0 };

	(void)state;
	(void)err_set(&e, ERR_DEVICE, "co\nde", "said \"%s\"",
	    "a\nb\x1b[2J\x7f\xc3\xa9"); /* always -1 */
	assert_string_equal(e.message, "said \"a?b?[2J???\"");
	assert_string_equal(e.code, "co?de");
	(void)err_while(&e, "asking \t it"); /* always -1 */
	assert_string_equal(e.message, "asking ? it: said \"a?b?[2J???\"");
}

static void test_cut_not_overrun(void **state)
{
	char longer[1000];
	struct err e = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)err_set(&e, ERR_DEVICE, longer, "%s", longer); /* always -1 */
	assert_int_equal(strlen(e.code), sizeof(e.code) - 1);
	assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
	(void)err_while(&e, "%s", longer); /* always -1 */
	assert_int_equal(strlen(e.message), 199 + 2 + (sizeof(e.message) - 1 - 201));
	errno = ENOENT;
	(void)err_errno(&e, ERR_DEVICE, "x", "%s", longer); /* always -1 */
	assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
}

/* A context costs a message only what does not fit. */
static void test_while_keeps_the_message(void **state)
{
	char text[401];
	struct err e = { 0 };

	(void)state;
	memset(text, 'm', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&e, ERR_LINK, "x", "%s", text); /* always -1 */
	assert_int_equal(err_while(&e, "writing the leaf to %s", "here"), -1);
	assert_int_equal(strncmp(e.message, "writing the leaf to here: mmm", 29), 0);
	assert_int_equal(strlen(e.message), 26 + 400);
	assert_int_equal(e.domain, ERR_LINK);
	assert_string_equal(e.code, "x");
}

static void test_errno(void **state)
{
	struct err e = { 0 };

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&e, ERR_CONFIG, "file", "opening %s", "f"), -1);
	assert_string_equal(e.message, "opening f: No such file or directory");
}

static void test_openssl(void **state)
{
	static const uint8_t noise[] = { 1, 2, 3 };
	const uint8_t *p = noise;
	struct err e = { 0 };

	(void)state;
	assert_null(d2i_X509(NULL, &p, sizeof(noise)));
	assert_int_equal(err_openssl(&e, ERR_CERT, "x509", "parsing"), -1);
	assert_int_equal(strncmp(e.message, "parsing: ", 9), 0);
	assert_string_not_equal(e.message, "parsing");
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(err_openssl(&e, ERR_CERT, "x509", "parsing"), -1);
	assert_string_equal(e.message, "parsing");
}

static void test_adornments(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(err_retry(err_set(&e, ERR_LINK, "link.gone", "gone"), &e), -1);
	assert_true(e.retry);
	assert_int_equal(err_scope(err_set(&e, ERR_LINK, "link.gone", "gone"), &e, SCOPE_SLOT), -1);
	assert_int_equal(e.scope, SCOPE_SLOT);
	assert_false(e.retry);
	assert_int_equal(err_nomem(&e), -1);
	assert_true(err_is(&e, "nomem"));
	assert_int_equal(e.scope, SCOPE_STATION);
}

static void test_names_round_trip(void **state)
{
	(void)state;
	for (int i = ERR_NONE; i <= ERR_OPERATOR; i++) {
		enum err_domain back = ERR_NONE;

		assert_true(err_domain_parse(err_domain_name((enum err_domain)i), &back));
		assert_int_equal(back, i);
		assert_true(strlen(err_advice((enum err_domain)i)) > 0);
	}
	for (int i = SCOPE_UNIT; i <= SCOPE_STATION; i++) {
		enum err_scope back = SCOPE_UNIT;

		assert_true(err_scope_parse(err_scope_name((enum err_scope)i), &back));
		assert_int_equal(back, i);
	}
}

static void test_unknown_names(void **state)
{
	enum err_domain domain = ERR_CA;
	enum err_scope scope = SCOPE_SLOT;

	(void)state;
	assert_false(err_domain_parse("Device", &domain));
	assert_false(err_domain_parse("", &domain));
	assert_false(err_scope_parse("units", &scope));
	assert_int_equal(domain, ERR_CA);
	assert_int_equal(scope, SCOPE_SLOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_usual_scope),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_cut_not_overrun),
		cmocka_unit_test(test_while_keeps_the_message),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_adornments),
		cmocka_unit_test(test_names_round_trip),
		cmocka_unit_test(test_unknown_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
