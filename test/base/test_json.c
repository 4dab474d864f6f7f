#include "json.h"

#include <string.h>

#include "testing.h"

static json_t *parse(const char *text)
{
	struct err e = { 0 };
	json_t *value = NULL;

	assert_ok(json_parse(text, strlen(text), &value, ERR_DEVICE, &e), &e);
	return value;
}

static void refuse(const char *text, size_t len)
{
	struct err e = { 0 };
	json_t *value = NULL;

	assert_err(json_parse(text, len, &value, ERR_DEVICE, &e), &e, "json");
	assert_int_equal(e.domain, ERR_DEVICE);
	assert_null(value);
}

static void test_parse(void **state)
{
	AUTO(json_t) *value = parse(" {\"a\": 1, \"b\": [true, null, \"\\u00e9\"]}\n");

	(void)state;
	assert_int_equal(json_opt_int(value, "a", 0), 1);
}

static void test_not_an_object(void **state)
{
	static const char *const wrong[] = { "", " ", "1", "\"x\"", "[]", "null", "{", "{}}",
		"{} {}", "{}x", "{'a':1}", "{\"a\":1,}", "{\"a\":01}", "{\"a\":1,\"a\":1}",
		"{\"a\":{\"b\":1,\"b\":2}}", "{a:1}", "{\"a\":\"\\u0000\"}", "{\"\\u0000\":1}",
		"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\n\"}", "{\"a\":1e999}", "{\"a\":9223372036854775808}", "{\"a\":NaN}" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		refuse(wrong[i], strlen(wrong[i]));
	refuse("{}\0", 3);
	refuse("{\"a\":\"x\0y\"}", 11);
}

/* {"a":{"a":...{}...}} of so many levels. */
static void nest(struct buf *b, int levels, const char *open, const char *close)
{
	struct err e = { 0 };

	for (int i = 1; i < levels; i++)
		assert_ok(buf_add_str(b, open, &e), &e);
	assert_ok(buf_add_str(b, "{}", &e), &e);
	for (int i = 1; i < levels; i++)
		assert_ok(buf_add_str(b, close, &e), &e);
}

static void test_depth(void **state)
{
	AUTO_STRUCT(buf) just = { 0 };
	AUTO_STRUCT(buf) deeper = { 0 };
	AUTO(json_t) *value = NULL;
	struct err e = { 0 };

	(void)state;
	nest(&just, JSON_DEPTH_MAX, "{\"a\":", "}");
	assert_ok(json_parse((char *)just.data, just.len, &value, ERR_DEVICE, &e), &e);
	nest(&deeper, JSON_DEPTH_MAX + 1, "{\"a\":", "}");
	refuse((char *)deeper.data, deeper.len);
	buf_clear(&deeper);
	nest(&deeper, 100000, "[", "]");
	refuse((char *)deeper.data, deeper.len);
}

/* Brackets in strings are no levels, and an escaped quote does not end a string. */
static void test_depth_counts_no_text(void **state)
{
	AUTO(json_t) *value =
	    parse("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{{{{{{{{{{{{{{{{{\\\\\"}");

	(void)state;
	assert_non_null(value);
}

/* The text may be a request with a PIN in it: an error never quotes it. */
static void test_errors_quote_nothing(void **state)
{
	static const char *const texts[] = { "{\"pin\":\"1234567\" \"x\"}", "{\"pin\":1234567x}",
		"{1234567}", "{\"pin\":\"1234567" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct err e = { 0 };
		json_t *value = NULL;

		assert_err(json_parse(texts[i], strlen(texts[i]), &value, ERR_CONFIG, &e), &e,
		    "json");
		assert_null(strstr(e.message, "1234567"));
		assert_non_null(strstr(e.message, "column"));
	}
}

static void test_getters(void **state)
{
	AUTO(json_t) *o = parse("{\"s\":\"x\",\"i\":-5,\"b\":true,\"o\":{},\"bytes\":\"AAEC\"}");
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };
	const char *s;
	int64_t i;
	bool b;
	json_t *inner;

	(void)state;
	assert_ok(json_get_str(o, "s", &s, ERR_CA, &e), &e);
	assert_string_equal(s, "x");
	assert_ok(json_get_int(o, "i", &i, ERR_CA, &e), &e);
	assert_int_equal(i, -5);
	assert_ok(json_get_bool(o, "b", &b, ERR_CA, &e), &e);
	assert_true(b);
	assert_ok(json_get_object(o, "o", &inner, ERR_CA, &e), &e);
	assert_true(json_is_object(inner));
	assert_ok(buf_add_str(&bytes, "old", &e), &e);
	assert_ok(json_get_bytes(o, "bytes", &bytes, ERR_CA, &e), &e);
	assert_int_equal(bytes.len, 3);
	assert_memory_equal(bytes.data, "\0\1\2", 3);
}

static void test_getters_refuse(void **state)
{
	static const char *const objects[] = { "{}", "{\"m\":null}", "{\"m\":[]}", "{\"m\":1.5}" };
	AUTO_STRUCT(buf) bytes = { 0 };
	const char *s = NULL;
	int64_t i;
	bool b;
	json_t *inner;

	(void)state;
	for (size_t k = 0; k < COUNT(objects); k++) {
		AUTO(json_t) *o = parse(objects[k]);
		struct err e = { 0 };

		assert_err(json_get_str(o, "m", &s, ERR_CA, &e), &e, "json");
		assert_int_equal(e.domain, ERR_CA);
		assert_non_null(strstr(e.message, "\"m\""));
		assert_err(json_get_int(o, "m", &i, ERR_CA, &e), &e, "json");
		assert_err(json_get_bool(o, "m", &b, ERR_CA, &e), &e, "json");
		assert_err(json_get_object(o, "m", &inner, ERR_CA, &e), &e, "json");
		assert_err(json_get_bytes(o, "m", &bytes, ERR_CA, &e), &e, "json");
	}
	assert_null(s);
}

static void test_bytes_are_strict_base64(void **state)
{
	AUTO(json_t) *o = parse("{\"m\":\"AAE\"}");
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(json_get_bytes(o, "m", &bytes, ERR_CA, &e), &e, "base64");
	assert_non_null(strstr(e.message, "member \"m\": "));
}

static void test_optional(void **state)
{
	AUTO(json_t) *o = parse("{\"s\":\"x\",\"i\":3,\"b\":true}");

	(void)state;
	assert_string_equal(json_opt_str(o, "s", "y"), "x");
	assert_string_equal(json_opt_str(o, "i", "y"), "y");
	assert_null(json_opt_str(o, "none", NULL));
	assert_int_equal(json_opt_int(o, "i", 9), 3);
	assert_int_equal(json_opt_int(o, "s", 9), 9);
	assert_true(json_opt_bool(o, "b", false));
	assert_true(json_opt_bool(o, "i", true));
	assert_string_equal(json_opt_str(NULL, "s", "y"), "y");
}

static void test_setters_and_canonical_form(void **state)
{
	AUTO(json_t) *o = json_object();
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(json_set_str(o, "z", "a/\"\\\n", &e), &e);
	assert_ok(json_set_str(o, "left out", NULL, &e), &e);
	assert_ok(json_set_int(o, "a", INT64_MIN, &e), &e);
	assert_ok(json_set_bool(o, "B", false, &e), &e);
	assert_ok(json_set_bytes(o, "m", (const uint8_t *)"\0\1\2", 3, &e), &e);
	assert_ok(json_set_bytes(o, "empty", NULL, 0, &e), &e);
	assert_ok(json_set_hex(o, "h", (const uint8_t *)"\0\xff", 2, &e), &e);
	assert_ok(json_set_new(o, "list", json_pack("[i,s]", 1, "\xc3\xa9"), &e), &e);
	assert_ok(json_canonical(o, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "{\"B\":false,\"a\":-9223372036854775808,\"empty\":"
						"\"\",\"h\":\"00ff\",\"list\":[1,\"\xc3\xa9\"],"
						"\"m\":\"AAEC\",\"z\":\"a/\\\"\\\\\\n\"}");
}

static void test_setters_refuse(void **state)
{
	AUTO(json_t) *o = json_object();
	struct err e = { 0 };

	(void)state;
	assert_err(json_set_str(o, "m", "\xff", &e), &e, "nomem");
	assert_err(json_set_new(o, "m", NULL, &e), &e, "nomem");
	assert_int_equal(json_object_size(o), 0);
}

static void test_canonical_appends(void **state)
{
	AUTO(json_t) *o = json_object();
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&text, "x", &e), &e);
	assert_ok(json_canonical(o, &text, &e), &e);
	assert_string_equal(buf_str(&text, &e), "x{}");
}

static void test_errors_travel(void **state)
{
	struct err sent = { 0 };
	struct err got = { 0 };
	AUTO(json_t) *o = NULL;

	(void)state;
	(void)err_set(&sent, ERR_DEVICE, "csr.pop", "a message"); /* always -1 */
	sent.scope = SCOPE_SLOT;
	sent.retry = true;
	o = json_from_err(&sent);
	assert_int_equal(json_to_err(o, &got), -1);
	assert_memory_equal(&got.domain, &sent.domain, sizeof(got.domain));
	assert_int_equal(got.scope, SCOPE_SLOT);
	assert_true(got.retry);
	assert_string_equal(got.code, sent.code);
	assert_string_equal(got.message, sent.message);
}

static void test_errors_that_are_none(void **state)
{
	static const char *const wrong[] = { "{}", "{\"domain\":\"none\"}", "{\"domain\":\"x\"}",
		"{\"domain\":3}" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		AUTO(json_t) *o = parse(wrong[i]);

		assert_err(json_to_err(o, &e), &e, "json");
		assert_int_equal(e.domain, ERR_CONFIG);
	}
	assert_err(json_to_err(NULL, &e), &e, "json");
}

/* A hostile peer's error is cut and made printable, and its unknown scope is not believed. */
static void test_hostile_error(void **state)
{
	AUTO(json_t) *o = parse("{\"domain\":\"link\",\"scope\":\"world\",\"code\":\"a\\u001b[0m\","
				"\"message\":\"b\\nc\"}");
	struct err e = { 0 };

	(void)state;
	assert_int_equal(json_to_err(o, &e), -1);
	assert_int_equal(e.scope, SCOPE_UNIT);
	assert_string_equal(e.code, "a?[0m");
	assert_string_equal(e.message, "b?c");
}

/* The records take no error without a code: a peer that sends none must not stop the station. */
static void test_error_without_code(void **state)
{
	static const char *const wrong[] = { "{\"domain\":\"device\"}",
		"{\"domain\":\"device\",\"code\":\"\"}", "{\"domain\":\"device\",\"code\":1}" };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		AUTO(json_t) *o = parse(wrong[i]);
		struct err e = { 0 };

		assert_err(json_to_err(o, &e), &e, "unknown");
		assert_int_equal(e.domain, ERR_DEVICE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_not_an_object),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_counts_no_text),
		cmocka_unit_test(test_errors_quote_nothing),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_getters_refuse),
		cmocka_unit_test(test_bytes_are_strict_base64),
		cmocka_unit_test(test_optional),
		cmocka_unit_test(test_setters_and_canonical_form),
		cmocka_unit_test(test_setters_refuse),
		cmocka_unit_test(test_canonical_appends),
		cmocka_unit_test(test_errors_travel),
		cmocka_unit_test(test_errors_that_are_none),
		cmocka_unit_test(test_error_without_code),
		cmocka_unit_test(test_hostile_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
