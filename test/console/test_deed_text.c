#include "deed_text.h"

#include <string.h>

#include "testing.h"

static void takes(const char *text, const char *wanted)
{
	AUTO(json_t) *asked = NULL;
	AUTO_STRUCT(buf) json = { 0 };
	struct err e = { 0 };

	assert_ok(deed_parse(text, strlen(text), &asked, &e), &e);
	assert_ok(json_canonical(asked, &json, &e), &e);
	assert_string_equal(buf_str(&json, &e), wanted);
}

static void passes_on(void **state)
{
	(void)state;
	takes("{\"do\":\"stop\",\"reason\":\"no paper\"}",
	    "{\"do\":\"stop\",\"reason\":\"no paper\"}");
	takes(" {\"do\": \"start\"} ", "{\"do\":\"start\"}");
	takes("{\"do\":\"operator\",\"off\":true}", "{\"do\":\"operator\",\"off\":true}");
	takes("{\"as\":{\"name\":\"eva\",\"pin\":\"4711\"},\"do\":\"release\",\"reason\":\"x\"}",
	    "{\"as\":{\"name\":\"eva\",\"pin\":\"4711\"},\"do\":\"release\",\"reason\":\"x\"}");
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *code;
	} rows[] = {
		{ "", "json" },
		{ "[]", "json" },
		{ "{}", "json" },
		{ "{\"do\":1}", "json" },
		{ "{\"do\":\"stop\",\"do\":\"start\"}", "json" },
		{ "{\"do\":\"stop\",\"reason\":null}", "json" },
		{ "{\"do\":\"stop\"} x", "json" },
		{ "{\"do\":\"status\"}", "console.unknown" },
		{ "{\"do\":\"subscribe\"}", "console.unknown" },
		{ "{\"do\":\"stop\",\"id\":1}", "console.unknown" },
		{ "{\"do\":\"stop\",\"slot\":\"1\"}", "console.unknown" },
		{ "{\"do\":\"stop\",\"via\":\"me\"}", "console.unknown" },
		{ "{\"do\":\"operator\",\"off\":\"yes\"}", "json" },
		{ "{\"do\":\"release\",\"as\":\"eva\"}", "json" },
		{ "{\"do\":\"release\",\"as\":{\"pin\":4711}}", "json" },
		{ "{\"do\":\"release\",\"as\":{\"off\":true}}", "console.unknown" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *asked = NULL;
		struct err e = { 0 };

		assert_err(deed_parse(rows[i].text, strlen(rows[i].text), &asked, &e), &e,
		    rows[i].code);
		assert_null(asked);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_on),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
