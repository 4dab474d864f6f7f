#include "testing.h"

#include <string.h>

#include "scan_label.h"
#include "scan_line.h"

static void test_without_a_pattern_the_text_is_the_serial(void **state)
{
	const struct scan_label l = { 0 };
	char serial[IDENTITY_MAX + 1], longer[IDENTITY_MAX + 2] = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(scan_label_serial(&l, "IP30000001", serial, &e), &e);
	assert_string_equal(serial, "IP30000001");
	memset(longer, 'A', sizeof(longer) - 1);
	assert_err(scan_label_serial(&l, longer, serial, &e), &e, "scan.label");
}

static void test_a_pattern_is_of_the_whole_text(void **state)
{
	struct scan_label l = { 0 };
	char serial[IDENTITY_MAX + 1];
	struct err e = { 0 };

	(void)state;
	assert_ok(scan_label_compile(&l, "SN:([A-Z0-9]+)", &e), &e);
	assert_ok(scan_label_serial(&l, "SN:IP30000001", serial, &e), &e);
	assert_string_equal(serial, "IP30000001");
	assert_err(scan_label_serial(&l, "SN:IP30000001;x", serial, &e), &e, "scan.label");
	assert_err(scan_label_serial(&l, "xSN:IP30000001", serial, &e), &e, "scan.label");
	assert_err(scan_label_serial(&l, "SN:", serial, &e), &e, "scan.label");
	assert_non_null(strstr(e.message, "\"SN:\""));
	scan_label_free(&l);
}

static void test_a_group_that_takes_no_part_or_nothing(void **state)
{
	static const char *const patterns[] = { "A|B(.)", "A(x*)" };

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		struct scan_label l = { 0 };
		char serial[IDENTITY_MAX + 1];
		struct err e = { 0 };

		assert_ok(scan_label_compile(&l, patterns[i], &e), &e);
		assert_err(scan_label_serial(&l, "A", serial, &e), &e, "scan.label");
		scan_label_free(&l);
	}
}

static void test_bad_patterns(void **state)
{
	static const struct {
		const char *pattern, *says;
	} rows[] = {
		{ "", "1 to 200" },
		{ "SN:.*", "this one has 0" },
		{ "(SN):(.*)", "this one has 2" },
		{ "SN:(", "regular expression" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_label l = { 0 };
		struct err e = { 0 };

		assert_err(scan_label_compile(&l, rows[i].pattern, &e), &e, "scan.pattern");
		assert_non_null(strstr(e.message, rows[i].says));
		scan_label_free(&l);
	}
}

static void test_hostile_texts(void **state)
{
	const struct scan_label l = { 0 };
	char serial[IDENTITY_MAX + 1], longer[SCAN_TEXT_MAX + 2] = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(scan_label_serial(&l, "", serial, &e), &e, "scan.text");
	assert_err(scan_label_serial(&l, "\033[2J\xc3\xa4", serial, &e), &e, "scan.text");
	assert_non_null(strstr(e.message, "?[2J??"));
	memset(longer, 'A', sizeof(longer) - 1);
	assert_err(scan_label_serial(&l, longer, serial, &e), &e, "scan.text");
	assert_non_null(strstr(e.message, "at most 128"));
}

/* How many lines come out of the bytes; the last one, and whether it was too long. */
static int lines(struct scan_line *l, const char *bytes, size_t len, char *ret_last,
    enum scan_line_state *ret_state)
{
	int count = 0;

	for (size_t i = 0; i < len; i++) {
		enum scan_line_state s = scan_line_feed(l, bytes[i]);

		if (s == SCAN_LINE_MORE)
			continue;
		count++;
		*ret_state = s;
		memcpy(ret_last, l->text, sizeof(l->text));
	}
	return count;
}

static void test_lines_of_a_scanner(void **state)
{
	struct scan_line l = { 0 };
	enum scan_line_state s = SCAN_LINE_MORE;
	char last[SCAN_TEXT_MAX + 1], flood[4 * SCAN_TEXT_MAX];

	(void)state;
	assert_int_equal(lines(&l, "\r\n\nA1\r\nB2\rC", 11, last, &s), 2);
	assert_string_equal(last, "B2");
	assert_true(scan_line_is_begun(&l));
	assert_int_equal(lines(&l, "3\n", 2, last, &s), 1);
	assert_string_equal(last, "C3");
	assert_false(scan_line_is_begun(&l));
	memset(flood, 'x', sizeof(flood));
	assert_int_equal(lines(&l, flood, sizeof(flood), last, &s), 0);
	assert_int_equal(lines(&l, "\nA\0B\n", 5, last, &s), 2);
	assert_int_equal(s, SCAN_LINE_WHOLE);
	assert_string_equal(last, "A?B");
	assert_int_equal(lines(&l, flood, SCAN_TEXT_MAX, last, &s), 0);
	assert_int_equal(lines(&l, "\r", 1, last, &s), 1);
	assert_int_equal(s, SCAN_LINE_WHOLE);
	assert_int_equal(lines(&l, flood, SCAN_TEXT_MAX + 1, last, &s), 0);
	assert_int_equal(lines(&l, "\r", 1, last, &s), 1);
	assert_int_equal(s, SCAN_LINE_TOO_LONG);
	assert_int_equal(strlen(last), SCAN_TEXT_MAX);
	assert_int_equal(lines(&l, "half", 4, last, &s), 0);
	scan_line_drop(&l);
	assert_int_equal(lines(&l, "whole\n", 6, last, &s), 1);
	assert_string_equal(last, "whole");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_pattern_the_text_is_the_serial),
		cmocka_unit_test(test_a_pattern_is_of_the_whole_text),
		cmocka_unit_test(test_a_group_that_takes_no_part_or_nothing),
		cmocka_unit_test(test_bad_patterns),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_lines_of_a_scanner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
