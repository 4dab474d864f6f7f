#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "label.h"

static int parse(struct label **ret, const char *text, struct err *e)
{
	return label_parse(ret, "t.zpl", text, strlen(text), e);
}

static void assert_refused(const char *text, const char *place, const char *said)
{
	AUTO_PTR(label) *l = NULL;
	struct err e = { 0 };

	assert_int_equal(parse(&l, text, &e), -1);
	assert_true(err_is(&e, "label"));
	assert_int_equal(e.domain, ERR_CONFIG);
	if (strncmp(e.message, place, strlen(place)) != 0 || strstr(e.message, said) == NULL)
		fail_msg("\"%s\" is not \"%s... %s\"", e.message, place, said);
}

static void test_what_is_refused_and_where(void **state)
{
	static const struct {
		const char *text, *place, *said;
	} rows[] = {
		{ "", "t.zpl:1:1: ", "begins with ^XA" },
		{ "hello", "t.zpl:1:1: ", "begins with ^XA" },
		{ "^XA", "t.zpl:1:1: ", "without its ^XZ" },
		{ "^XZ", "t.zpl:1:1: ", "without its ^XA" },
		{ "^XA\n^XA^XZ", "t.zpl:2:1: ", "its ^XZ is missing" },
		{ "^XA^XZ^FDx^FS", "t.zpl:1:7: ", "outside" },
		{ "^XA\n^FH^FD{serail}^FS^XZ",
		    "t.zpl:2:7: ", "no field {serail}; accepted: {serial}" },
		{ "^XA^FH^FD{Serial}^FS^XZ", "t.zpl:1:10: ", "no field" },
		{ "^XA^FH^FD{}^FS^XZ", "t.zpl:1:10: ", "no field" },
		{ "^XA^FH^FD{serial^FS^XZ", "t.zpl:1:10: ", "without its }" },
		{ "^XA^FH^FD{serial", "t.zpl:1:10: ", "without its }" },
		{ "^XA^FH^FD{ serial}^FS^XZ", "t.zpl:1:10: ", "without its }" },
		{ "^XA^FH^FDserial}^FS^XZ", "t.zpl:1:16: ", "without its {" },
		{ "^XA^FD{serial}^FS^XZ", "t.zpl:1:7: ", "^FH" },
		{ "^XA^FH\\^FD{serial}^FS^XZ", "t.zpl:1:11: ", "its own indicator" },
		{ "^XA^FH^FDx^FS^FD{serial}^FS^XZ", "t.zpl:1:17: ", "^FH" },
		{ "^XA^FH{serial}^FD^FS^XZ", "t.zpl:1:7: ", "between ^FD and ^FS" },
		{ "^XA^FO{serial},0^FS^XZ", "t.zpl:1:7: ", "between ^FD and ^FS" },
		{ "{serial}^XA^XZ", "t.zpl:1:1: ", "between ^FD and ^FS" },
		{ "^XA^FH^FV{serial}^FS^XZ", "t.zpl:1:10: ", "between ^FD and ^FS" },
		{ "^XA^FH^FD^FX{serial}^FS^XZ", "t.zpl:1:13: ", "between ^FD and ^FS" },
		{ "^XA^BQN,2,4^FH^FD{serial}^FS^XZ", "t.zpl:1:18: ", "^FDQA,{serial}" },
		{ "^XA^BQN,2,4^FH^FDMM,A{serial}^FS^XZ", "t.zpl:1:22: ", "^FDQA,{serial}" },
		{ "^XA^BQN,2,4^FH^FDQA{serial}^FS^XZ", "t.zpl:1:20: ", "^FDQA,{serial}" },
		{ "^XA^BXN,8,200^FH^FD{serial}^FS^XZ", "t.zpl:1:20: ", "escape character" },
		{ "^XA^BXN,8,200,,,,_^FH^FD{serial}^FS^XZ", "t.zpl:1:25: ", "escape character" },
		{ "^XA^BXN,8,200,,,,1^FH^FD{serial}^FS^XZ", "t.zpl:1:25: ", "escape character" },
		{ "^XA^BXN,8,140,,,,\\^FH^FD{serial}^FS^XZ", "t.zpl:1:25: ", "quality (200)" },
		{ "^XA^B3N^FH^FD{serial}^FS^XZ", "t.zpl:1:14: ", "is not known" },
		{ "^XA^TBN,9,9^FH^FD{serial}^FS^XZ", "t.zpl:1:18: ", "is not known" },
		{ "^XA^FC%^FH^FD{serial}^FS^XZ", "t.zpl:1:14: ", "is not known" },
		{ "^XA^FH^FD{serial}^BCN^FS^XZ", "t.zpl:1:18: ", "its ^FS is missing" },
		{ "^XA^FH^FDa^FD{serial}^FS^XZ", "t.zpl:1:11: ", "its ^FS is missing" },
		{ "^XA^BCN^FB9^FH^FD{serial}^FS^XZ", "t.zpl:1:8: ", "an ^FB" },
		{ "^XA^FH^FDSN_{serial}^FS^XZ", "t.zpl:1:13: ", "_5F" },
		{ "^XA^FH^FDSN_5{serial}^FS^XZ", "t.zpl:1:14: ", "_5F" },
		{ "^XA^FH^FD_5F_{serial}^FS^XZ", "t.zpl:1:14: ", "_5F" },
		{ "^XA^BCN^FH^FD>{serial}^FS^XZ", "t.zpl:1:15: ", "as a command" },
		{ "^XA^FB9^FH^FD\\\\\\{serial}^FS^XZ", "t.zpl:1:17: ", "as a command" },
		{ "^XA^BXN,8,200,,,,|^FH^FD|{serial}^FS^XZ", "t.zpl:1:26: ", "as a command" },
		{ "^XA^CC+^XZ", "t.zpl:1:4: ", "renames" },
		{ "~ct+^XA^XZ", "t.zpl:1:1: ", "renames" },
		{ "^XA^CD;^XZ", "t.zpl:1:4: ", "renames" },
		{ "^XA^FDa ^ b^FS^XZ", "t.zpl:1:9: ", "begin a command" },
		{ "^XA^XZ^", "t.zpl:1:7: ", "begin a command" },
		{ "^XA\x1b^XZ", "t.zpl:1:4: ", "control character" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_refused(rows[i].text, rows[i].place, rows[i].said);
}

static void test_bounds(void **state)
{
	AUTO_STRUCT(buf) many = { 0 };
	AUTO_STRUCT(buf) big = { 0 };
	AUTO_PTR(label) *l = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&many, "^XA", &e), &e);
	for (int i = 0; i <= LABEL_FIELDS_MAX; i++)
		assert_ok(buf_add_str(&many, "^FH^FD{serial}^FS", &e), &e);
	assert_ok(buf_add_str(&many, "^XZ", &e), &e);
	assert_refused(buf_str(&many, &e), "t.zpl:1:", "at most 128 fields");
	while (big.len <= LABEL_TEXT_MAX)
		assert_ok(buf_add_str(&big, "^XA^XZ", &e), &e);
	assert_int_equal(label_parse(&l, "t.zpl", (const char *)big.data, big.len, &e), -1);
	assert_non_null(strstr(e.message, "longer than a label"));
	assert_int_equal(label_parse(&l, "t.zpl", "^XA\0^XZ", 7, &e), -1);
	assert_non_null(strstr(e.message, "t.zpl:1:4"));
}

/* All fields of a unit whose serial is said. */
static struct label_values unit(const char *serial)
{
	struct label_values v;

	for (int i = 0; i < LABEL_FIELD_COUNT; i++)
		v.of[i] = label_field_name((enum label_field)i);
	v.of[LABEL_SERIAL] = serial;
	return v;
}

static void assert_filled(const char *text, const char *serial, const char *filled)
{
	const struct label_values values = unit(serial);
	AUTO_PTR(label) *l = NULL;
	AUTO_STRUCT(buf) zpl = { 0 };
	struct err e = { 0 };

	assert_ok(parse(&l, text, &e), &e);
	assert_ok(label_fill(l, &values, &zpl, &e), &e);
	assert_string_equal(buf_str(&zpl, &e), filled);
}

static void test_what_is_filled_in(void **state)
{
	(void)state;
	assert_filled("^XA^XZ", "A1", "^XA^XZ");
	assert_filled("\xc3\xa4\r\n^XA\t^XZ\n", "A1", "\xc3\xa4\r\n^XA\t^XZ\n");
	assert_filled("^XA^FH^FDSN {serial}, {profile.version}{{}}^FS^XZ", "A1",
	    "^XA^FH^FDSN A1, profile.version{}^FS^XZ");
	assert_filled("^xa^fh_^fd{serial}^fs^xz", "A1", "^xa^fh_^fdA1^fs^xz");
	assert_filled("^XA^FO0,0\n^A0N,30\n^FH\n^FD{serial}{serial}^FS^FDx^FS\n^XZ\n^XA^XZ", "A1",
	    "^XA^FO0,0\n^A0N,30\n^FH\n^FDA1A1^FS^FDx^FS\n^XZ\n^XA^XZ");
	assert_filled("^XA^FH^FDSN_5F{serial}_{{{{^FS^XZ", "A1", "^XA^FH^FDSN_5FA1_{{^FS^XZ");
	assert_filled("^XA^BCN^FH^FD>;>{{{serial}^FS^XZ", "A1", "^XA^BCN^FH^FD>;>{A1^FS^XZ");
	assert_filled("^XA^FB9^FH^FD\\\\{serial}\\^FS^XZ", "A1", "^XA^FB9^FH^FD\\\\A1\\^FS^XZ");
	assert_filled("^XA^BQN,2,4^FH^FDHA,x{serial}^FS^XZ", "A1", "^XA^BQN,2,4^FH^FDHA,xA1^FS^XZ");
}

/* What is between the data's ends is never a command's beginning. */
static void test_no_value_is_a_command(void **state)
{
	static const char *const values[] = { "^XZ^XA", "~JR", "x^FS^FO0,0^FDy", "_5EXZ", "a_", "^",
		"\r\n^JUF", "\xc3\xa4\x80\xff", "\x1b\x7f", "{model}", "^FD{serial}" };
	static const char text[] = "^XA^FH^FD{serial}^FS^XZ";
	AUTO_PTR(label) *l = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(parse(&l, text, &e), &e);
	for (size_t i = 0; i < COUNT(values); i++) {
		const struct label_values v = unit(values[i]);
		AUTO_STRUCT(buf) zpl = { 0 };
		char data[200] = { 0 };

		assert_ok(label_fill(l, &v, &zpl, &e), &e);
		assert_memory_equal(zpl.data, "^XA^FH^FD", 9);
		assert_memory_equal(zpl.data + zpl.len - 6, "^FS^XZ", 6);
		memcpy(data, zpl.data + 9, zpl.len - 15);
		for (const char *c = data; *c != '\0'; c++)
			assert_true(*c >= 0x20 && *c < 0x7f && *c != '^' && *c != '~');
	}
	assert_filled(text, "^XZ^XA", "^XA^FH^FD_5EXZ_5EXA^FS^XZ");
	assert_filled(text, "_5E~\n", "^XA^FH^FD_5F5E_7E_0A^FS^XZ");
}

static void test_no_value_is_a_symbols_command(void **state)
{
	(void)state;
	assert_filled("^XA^BXN,8,200,,,,\\^FH^FD\\101{serial}^FS^XZ", "a\\1b",
	    "^XA^BXN,8,200,,,,\\^FH^FD\\101a\\\\1b^FS^XZ");
	assert_filled("^XA^BXN,8,200,,,,#,1^FH^FD#1{serial}^FS^XZ", "#1_1",
	    "^XA^BXN,8,200,,,,#,1^FH^FD#1##1_5F1^FS^XZ");
	assert_filled("^XA^FB400,2^FH^FD{serial}^FS^FH^FD{serial}^FS^XZ", "a\\&b",
	    "^XA^FB400,2^FH^FDa\\\\&b^FS^FH^FDa\\&b^FS^XZ");
	assert_filled("^XA^BCN^FH^FD{serial}^FS^XZ", "A1", "^XA^BCN^FH^FDA1^FS^XZ");
}

static void assert_no_value(const char *text, const char *serial, const char *said)
{
	const struct label_values values = unit(serial);
	AUTO_PTR(label) *l = NULL;
	AUTO_STRUCT(buf) zpl = { 0 };
	struct err e = { 0 };

	assert_ok(parse(&l, text, &e), &e);
	assert_int_equal(label_fill(l, &values, &zpl, &e), -1);
	assert_true(err_is(&e, "label.value"));
	assert_non_null(strstr(e.message, "t.zpl:1:"));
	assert_non_null(strstr(e.message, said));
}

static void test_values_that_no_label_holds(void **state)
{
	char longer[LABEL_VALUE_MAX + 2];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_no_value("^XA^FH^FD{serial}^FS^XZ", NULL, "no {serial}");
	assert_no_value("^XA^FH^FD{serial}^FS^XZ", "", "no {serial}");
	assert_no_value("^XA^FH^FD{serial}^FS^XZ", longer, "more than 256");
	assert_no_value("^XA^BCN^FH^FD{serial}^FS^XZ", "A>8", "Code 128");
	assert_no_value("^XA^BQN,2^FH^FDQA,{serial}^FS^XZ", "\xc3\xa4", "not ASCII");
	assert_no_value("^XA^BXN,8,200,,,,\\^FH^FD{serial}^FS^XZ", "a\n", "not ASCII");
}

static void test_the_example(void **state)
{
	const struct label_values values = unit("IP30000001");
	AUTO_PTR(label) *l = NULL;
	AUTO_STRUCT(buf) zpl = { 0 };
	struct err e = { 0 };
	char path[512];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/scripts/labels/pump.zpl", getenv("KILN_SOURCE"));
	assert_ok(label_load(&l, path, &e), &e);
	assert_true(label_uses(l, LABEL_SERIAL) && !label_uses(l, LABEL_ORDER));
	assert_ok(label_fill(l, &values, &zpl, &e), &e);
	assert_non_null(strstr(buf_str(&zpl, &e), "21IP30000001^FS"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_refused_and_where),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_what_is_filled_in),
		cmocka_unit_test(test_no_value_is_a_command),
		cmocka_unit_test(test_no_value_is_a_symbols_command),
		cmocka_unit_test(test_values_that_no_label_holds),
		cmocka_unit_test(test_the_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
