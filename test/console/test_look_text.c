#include "look_text.h"

#include <string.h>

#include "testing.h"

static void takes(const char *what, const char *query, const char *wanted)
{
	AUTO(json_t) *asked = NULL;
	AUTO_STRUCT(buf) json = { 0 };
	struct err e = { 0 };

	assert_ok(look_parse(what, query, &asked, &e), &e);
	assert_ok(json_canonical(asked, &json, &e), &e);
	assert_string_equal(buf_str(&json, &e), wanted);
}

static void refuses(const char *what, const char *query)
{
	AUTO(json_t) *asked = NULL;
	struct err e = { 0 };

	assert_err(look_parse(what, query, &asked, &e), &e, "console.query");
	assert_null(asked);
}

static void test_a_serial(void **state)
{
	char longest[100] = "serial=";

	(void)state;
	takes("unit", "serial=IP30000001", "{\"do\":\"unit\",\"serial\":\"IP30000001\"}");
	takes("evidence", "serial=a%2fb%20c+d", "{\"do\":\"evidence\",\"serial\":\"a/b c+d\"}");
	takes("unit", "serial=--config%26x", "{\"do\":\"unit\",\"serial\":\"--config&x\"}");
	memset(longest + strlen("serial="), 'x', LOOK_SERIAL_MAX);
	longest[strlen("serial=") + LOOK_SERIAL_MAX] = '\0';
	{
		AUTO(json_t) *asked = NULL;
		struct err e = { 0 };

		assert_ok(look_parse("unit", longest, &asked, &e), &e);
	}
	longest[strlen("serial=") + LOOK_SERIAL_MAX] = 'x';
	refuses("unit", longest);
}

static void test_what_is_no_serial(void **state)
{
	static const char *const queries[] = { NULL, "", "serial", "serial=", "Serial=a",
		"xserial=a", "serial=a&serial=b", "serial=a;x", "hours=1", "serial=%", "serial=%4",
		"serial=%zz", "serial=%00", "serial=a%00b", "serial=%0a", "serial=%7f",
		"serial=%c3%a4", "serial=\xc3\xa4", "serial=a\tb", "serial=%-1" };

	(void)state;
	for (size_t i = 0; i < COUNT(queries); i++) {
		refuses("unit", queries[i]);
		refuses("evidence", queries[i]);
	}
}

static void test_hours(void **state)
{
	static const char *const queries[] = { "hours=", "hours=-1", "hours=123", "hours=1.5",
		"hours=1&x=2", "x=1", "serial=A", "hours= 1", "hours=%31" };

	(void)state;
	takes("trend", NULL, "{\"do\":\"trend\",\"hours\":0}");
	takes("trend", "", "{\"do\":\"trend\",\"hours\":0}");
	takes("trend", "hours=12", "{\"do\":\"trend\",\"hours\":12}");
	for (size_t i = 0; i < COUNT(queries); i++)
		refuses("trend", queries[i]);
}

static void test_a_files_name(void **state)
{
	static const struct {
		const char *text, *name;
	} rows[] = { { "IP3-evidence.tar", "IP3-evidence.tar" }, { "", "_" }, { "..", "_." },
		{ "a\"; x=\"b\r\nSet-Cookie: c", "a___x__b__Set-Cooki" }, { "/etc/x", "_etc_x" } };
	char name[20];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		look_file_name(rows[i].text, name, sizeof(name));
		assert_string_equal(name, rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_serial),
		cmocka_unit_test(test_what_is_no_serial),
		cmocka_unit_test(test_hours),
		cmocka_unit_test(test_a_files_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
