#include "yaml.h"

#include <stdio.h>
#include <string.h>

#include "testing.h"

static const char *const one_key[] = { "a", NULL };

static struct yaml *parse(const char *text)
{
	struct yaml *y = NULL;
	struct err e = { 0 };

	assert_ok(yaml_parse(&y, "t.yaml", text, strlen(text), &e), &e);
	return y;
}

static void refuse(const char *text, size_t len, const char *message)
{
	struct yaml *y = NULL;
	struct err e = { 0 };

	assert_err(yaml_parse(&y, "t.yaml", text, len, &e), &e, "yaml");
	assert_int_equal(e.domain, ERR_CONFIG);
	assert_null(y);
	if (strncmp(e.message, message, strlen(message)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", e.message, message);
}

static void test_tree(void **state)
{
	AUTO_PTR(yaml) *y = parse("# a comment\n"
				  "text: plain words\n"
				  "quoted: \"1\"\n"
				  "number: -17\n"
				  "flag: true\n"
				  "list:\n"
				  "- one\n"
				  "- two\n"
				  "map: { x: [1, 2], \"y\": 'z' }\n"
				  "block: |\n"
				  "  two\n"
				  "  lines\n");
	const struct yaml_node *root = yaml_root(y), *list = NULL, *map = NULL;
	const char *text;
	int64_t number = 0;
	bool flag = false;
	struct err e = { 0 };

	(void)state;
	assert_ok(yaml_str(root, "text", NULL, &text, &e), &e);
	assert_string_equal(text, "plain words");
	assert_ok(yaml_str(root, "quoted", NULL, &text, &e), &e);
	assert_string_equal(text, "1");
	assert_ok(yaml_int(root, "number", true, -20, 20, &number, &e), &e);
	assert_int_equal(number, -17);
	assert_ok(yaml_bool(root, "flag", true, &flag, &e), &e);
	assert_true(flag);
	assert_ok(yaml_list(root, "list", true, &list, &e), &e);
	assert_int_equal(yaml_len(list), 2);
	assert_int_equal(yaml_line(yaml_at(list, 1)), 8);
	assert_null(yaml_at(list, 2));
	assert_ok(yaml_map(root, "map", true, &map, &e), &e);
	assert_string_equal(yaml_key_at(map, 1), "y");
	assert_null(yaml_key_at(map, 2));
	assert_ok(yaml_text(yaml_value_at(map, 1), &text, &e), &e);
	assert_string_equal(text, "z");
	assert_ok(yaml_number(yaml_at(yaml_get(map, "x"), 1), 0, 9, &number, &e), &e);
	assert_int_equal(number, 2);
	assert_ok(yaml_str(root, "block", NULL, &text, &e), &e);
	assert_string_equal(text, "two\nlines\n");
}

static void test_absent(void **state)
{
	AUTO_PTR(yaml) *y = parse("a: 1\n");
	const struct yaml_node *root = yaml_root(y), *n = root;
	const char *text = NULL;
	int64_t number = 5;
	bool flag = true;
	int choice = 3;
	struct err e = { 0 };

	(void)state;
	assert_ok(yaml_str(root, "b", "fallback", &text, &e), &e);
	assert_string_equal(text, "fallback");
	assert_ok(yaml_int(root, "b", false, 0, 9, &number, &e), &e);
	assert_int_equal(number, 5);
	assert_ok(yaml_bool(root, "b", false, &flag, &e), &e);
	assert_true(flag);
	assert_ok(yaml_enum(root, "b", false, one_key, &choice, &e), &e);
	assert_int_equal(choice, 3);
	assert_ok(yaml_map(root, "b", false, &n, &e), &e);
	assert_null(n);
	assert_ok(yaml_list(root, "b", false, &n, &e), &e);
	assert_null(n);
	assert_err(yaml_str(root, "b", NULL, &text, &e), &e, "yaml");
	assert_string_equal(e.message, "t.yaml:1:1: key \"b\" is missing");
	assert_err(yaml_int(root, "b", true, 0, 9, &number, &e), &e, "yaml");
	assert_err(yaml_bool(root, "b", true, &flag, &e), &e, "yaml");
	assert_err(yaml_enum(root, "b", true, one_key, &choice, &e), &e, "yaml");
	assert_err(yaml_map(root, "b", true, &n, &e), &e, "yaml");
	assert_err(yaml_list(root, "b", true, &n, &e), &e, "yaml");
	assert_null(yaml_get(NULL, "a"));
}

static void test_refused_texts(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "t.yaml:1:1: not a map" },
		{ "# only\n", "t.yaml:1:1: not a map" },
		{ "- a\n", "t.yaml:1:1: not a map" },
		{ "word\n", "t.yaml:1:1: not a map" },
		{ "a: 1\nb: 2\na: 3\n", "t.yaml:3:1: duplicate key \"a\" (first in line 1)" },
		{ "m: {x: 1, x: 2}\n", "t.yaml:1:11: duplicate key \"x\"" },
		{ "a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document" },
		{ "%YAML 1.2\n---\na: 1\n", "t.yaml:2:1: a % directive" },
		{ "%TAG ! tag:a.example,2000:\n---\na: 1\n", "t.yaml:2:1: a % directive" },
		{ "a: &x 1\nb: *x\n", "t.yaml:1:" },
		{ "a: &x [1]\n", "t.yaml:1:" },
		{ "b: 1\na: *x\n", "t.yaml:2:" },
		{ "a: !!str 1\n", "t.yaml:1:" },
		{ "a: !x {}\n", "t.yaml:1:" },
		{ "? [a]\n: 2\n", "t.yaml:1:3: a key must be one word" },
		{ "? {a: 1}\n: 2\n", "t.yaml:1:" },
		{ "a: [1\nb: 2\n", "t.yaml:" },
		{ "a:\n  x: 1\n y: 2\n", "t.yaml:3:2: " },
		{ "a: \"b\n", "t.yaml:" },
		{ "a: \"\\0\"\n", "t.yaml:1:4: control character" },
		{ "a: \"\\x07\"\n", "t.yaml:1:4: control character" },
		{ "a: b\x01\n", "t.yaml:1:5: control character 0x01" },
		{ "a: b\x7f\n", "t.yaml:1:5: control character 0x7f" },
		{ "a: 1\nb: \xff\n", "t.yaml:2:4: byte 0xff is not UTF-8" },
		{ "a: \xc0\xaf\n", "t.yaml:1:4: byte 0xc0 is not UTF-8" },
		{ "a: \xed\xa0\x80\n", "t.yaml:1:4: byte 0xed is not UTF-8" },
		{ "a: \xf4\x90\x80\x80\n", "t.yaml:1:4: byte 0xf4 is not UTF-8" },
		{ "a: \xe2\x82", "t.yaml:1:4: byte 0xe2 is not UTF-8" },
		{ "\xef\xbb\xbf"
		  "a: 1\n",
		    "t.yaml:1:1: byte order mark" },
		{ "a: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "t.yaml:1:19: more than 16 levels" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		refuse(cases[i].text, strlen(cases[i].text), cases[i].message);
	refuse("a: b\0c\n", 7, "t.yaml:1:5: control character 0x00");
}

static void test_bounds(void **state)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&text, "a: [0", &e), &e);
	for (int i = 1; i < 1024; i++)
		assert_ok(buf_add_str(&text, ",0", &e), &e);
	{
		AUTO_PTR(yaml) *y = NULL;

		assert_ok(buf_add_str(&text, "]", &e), &e);
		assert_ok(yaml_parse(&y, "t.yaml", (char *)text.data, text.len, &e), &e);
	}
	text.len--;
	assert_ok(buf_add_str(&text, ",0]", &e), &e);
	refuse((char *)text.data, text.len, "t.yaml:1:2053: more than 1024 entries");
	buf_clear(&text);
	assert_ok(buf_add_str(&text, "a: ", &e), &e);
	while (text.len <= 256 * 1024)
		assert_ok(buf_add_str(&text, "0123456789abcdef", &e), &e);
	refuse((char *)text.data, text.len, "t.yaml:1:1: longer than");
}

static void test_keys(void **state)
{
	static const char *const keys[] = { "a", "b", NULL };
	AUTO_PTR(yaml) *y = parse("a: 1\nmap:\n  a: 1\n  c: 2\n");
	struct err e = { 0 };

	(void)state;
	assert_err(yaml_keys(yaml_root(y), keys, &e), &e, "yaml");
	assert_string_equal(e.message, "t.yaml:2:1: unknown key \"map\"; accepted: a, b");
	assert_err(yaml_keys(yaml_get(yaml_root(y), "map"), keys, &e), &e, "yaml");
	assert_string_equal(e.message, "t.yaml:4:3: unknown key \"c\"; accepted: a, b");
	assert_err(yaml_keys(yaml_get(yaml_root(y), "a"), keys, &e), &e, "yaml");
	assert_string_equal(e.message, "t.yaml:1:4: a must be a map of keys to values");
}

static void test_text_types(void **state)
{
	static const char *const not_text[] = { "1", "-1", "+1", "010", "0x1f", "0o17", "1.5", ".5",
		"1e3", "true", "False", "null", "~", ".inf", ".nan", "" };
	static const char *const texts[] = { "yes", "no", "on", "1.2.3", "1a", "IP30000001", "a b",
		"0x", "trueish", "2026-01-01", "'1'", "\"true\"", "''" };
	char text[64];
	struct err e = { 0 };
	const char *s;

	(void)state;
	for (size_t i = 0; i < COUNT(not_text); i++) {
		AUTO_PTR(yaml) *y = NULL;

		(void)snprintf(text, sizeof(text), "a: %s\n", not_text[i]);
		y = parse(text);
		if (yaml_str(yaml_root(y), "a", NULL, &s, &e) == 0)
			fail_msg("\"%s\" was taken as a text", not_text[i]);
	}
	for (size_t i = 0; i < COUNT(texts); i++) {
		AUTO_PTR(yaml) *y = NULL;

		(void)snprintf(text, sizeof(text), "a: %s\n", texts[i]);
		y = parse(text);
		assert_ok(yaml_str(yaml_root(y), "a", NULL, &s, &e), &e);
	}
}

static void test_numbers(void **state)
{
	static const char *const not_numbers[] = { "x", "'1'", "01", "-0", "+1", "1.0", "1e2",
		"0x1", "[1]", "10", "-10", "99999999999999999999", "true", "" };
	char text[64];
	struct err e = { 0 };
	int64_t n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(not_numbers); i++) {
		AUTO_PTR(yaml) *y = NULL;

		(void)snprintf(text, sizeof(text), "a: %s\n", not_numbers[i]);
		y = parse(text);
		if (yaml_int(yaml_root(y), "a", true, -9, 9, &n, &e) == 0)
			fail_msg("\"%s\" was taken as a number", not_numbers[i]);
		assert_non_null(strstr(e.message, "from -9 to 9"));
	}
}

static void test_wrong_types(void **state)
{
	AUTO_PTR(yaml) *y = parse("b: yes\nq: \"true\"\nm: {}\nl: []\nc: up\n");
	static const char *const ways[] = { "left", "right", NULL };
	const struct yaml_node *root = yaml_root(y), *n;
	struct err e = { 0 };
	const char *s;
	int choice;
	bool b;

	(void)state;
	assert_err(yaml_bool(root, "b", true, &b, &e), &e, "yaml");
	assert_string_equal(e.message, "t.yaml:1:4: b must be true or false");
	assert_err(yaml_bool(root, "q", true, &b, &e), &e, "yaml");
	assert_err(yaml_map(root, "l", true, &n, &e), &e, "yaml");
	assert_err(yaml_list(root, "m", true, &n, &e), &e, "yaml");
	assert_err(yaml_str(root, "m", NULL, &s, &e), &e, "yaml");
	assert_err(yaml_enum(root, "c", true, ways, &choice, &e), &e, "yaml");
	assert_string_equal(e.message, "t.yaml:5:4: c is \"up\"; accepted: left, right");
	assert_err(yaml_map(yaml_get(root, "c"), "x", false, &n, &e), &e, "yaml");
}

static void replace(const char *text, const char *path, const char *value, const char *want)
{
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	assert_ok(yaml_replace("t.yaml", text, strlen(text), path, value, &got, &e), &e);
	assert_string_equal(buf_str(&got, &e), want);
}

static void test_replace(void **state)
{
	static const char text[] = "a: 1 # one\n"
				   "trust:\n"
				   "  issuer:\n"
				   "    file: x.pem # here\n"
				   "    sha256: 'abc'\n"
				   "list:\n"
				   "- p\n"
				   "- q\n"
				   "\n"
				   "# end\n"
				   "z: { k: \"v\", l: [1, 2] }\n";
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	(void)state;
	replace("a: 1 # one\n", "/a", "two", "a:  two # one\n");
	replace("a: 'x'\nb: \"y\"\n", "/b", "[1]", "a: 'x'\nb:  [1]\n");
	replace("{\"a\":{\"b\":[1,2]}}", "/a/b", "\"c\"", "{\"a\":{\"b\": \"c\"}}");
	replace("l: [x, y]\n", "/l/1", "z", "l: [x,  z]\n");
	replace("m:\n- a\n- b\n# end\n", "/m", "[c]", "m:\n [c]\n# end\n");
	replace("m:\n  k:\n    x: 1\n    y: 'q'\n# end\n", "/m/k", "{x: 2}",
	    "m:\n  k:\n     {x: 2}\n# end\n");
	assert_ok(yaml_replace("t", text, strlen(text), "/trust/issuer", "{file: y}", &got, &e),
	    &e);
	assert_non_null(strstr(buf_str(&got, &e), "# end\nz: { k"));
	buf_clear(&got);
	assert_err(yaml_replace("t", text, strlen(text), "/nothing", "1", &got, &e), &e, "yaml");
	assert_err(yaml_replace("t", text, strlen(text), "", "1", &got, &e), &e, "yaml");
	assert_err(yaml_replace("t", text, strlen(text), "/a", "1\nb: [", &got, &e), &e, "yaml");
	assert_err(yaml_replace("t", "a: |\n  x\n", 9, "/a", "1", &got, &e), &e, "yaml");
	assert_err(yaml_replace("t", "a:\n", 3, "/a", "1", &got, &e), &e, "yaml");
	assert_int_equal(got.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_refused_texts),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_text_types),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_wrong_types),
		cmocka_unit_test(test_replace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
