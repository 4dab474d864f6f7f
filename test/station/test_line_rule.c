#include "line_rule.h"

#include <stdio.h>
#include <string.h>

#include "testing.h"

static const struct line_terms three_in_a_row = { .in_a_row = 3 };
static const struct line_terms two_of_five = { .failed = 2, .last = 5 };

/* "A!" failed, "A" passed, "!" failed without a serial. */
static enum line_reached note(struct line_rule *l, const char *text)
{
	char serial[8] = "";
	bool failed = text[strlen(text) - 1] == '!';

	(void)snprintf(serial, sizeof(serial), "%.*s", (int)(strlen(text) - failed), text);
	line_rule_note(l, serial, failed);
	return line_rule_reached(l);
}

/* What is said after each of them, as the rules' first letters. */
static void assert_said(const struct line_terms *terms, const char *const ends[],
    const char *expected)
{
	static const char
	    letters[] = { [LINE_GOES_ON] = '.', [LINE_ROW] = 'R', [LINE_SHARE] = 'S' };
	struct line_rule l;
	char said[32] = "";

	line_rule_begin(&l, terms);
	for (size_t i = 0; ends[i] != NULL; i++)
		said[i] = letters[note(&l, ends[i])];
	assert_string_equal(said, expected);
}

static void test_units_in_a_row(void **state)
{
	(void)state;
	assert_said(&three_in_a_row, (const char *[]){ "A!", "B!", "C!", NULL }, "..R");
	assert_said(&three_in_a_row, (const char *[]){ "A!", "B!", "C", "D!", "E!", "F!", NULL },
	    ".....R");
	assert_said(&three_in_a_row, (const char *[]){ "!", "!", "!", NULL }, "..R");
	assert_said(&(const struct line_terms){ .in_a_row = 1 },
	    (const char *[]){ "A", "B!", NULL }, ".R");
}

static void test_one_unit_is_one(void **state)
{
	(void)state;
	assert_said(&three_in_a_row, (const char *[]){ "A!", "A!", "A!", "B!", "A!", "C!", NULL },
	    ".....R");
	assert_said(&two_of_five, (const char *[]){ "A!", "A!", "A!", "A", "B!", NULL }, "....S");
}

static void test_units_of_the_last_ones(void **state)
{
	(void)state;
	assert_said(&two_of_five, (const char *[]){ "A!", "B", "C", "D", "E!", NULL }, "....S");
	assert_said(&two_of_five, (const char *[]){ "A!", "B", "C", "D", "E", "F!", "G!", NULL },
	    "......S");
	/* A PASS breaks a row and takes nothing back here: it failed first. */
	assert_said(&two_of_five, (const char *[]){ "A!", "A", "B!", NULL }, "..S");
}

static void test_no_rule_is_never_reached(void **state)
{
	struct line_rule l;

	(void)state;
	line_rule_begin(&l, &(const struct line_terms){ 0 });
	assert_int_equal(line_rule_reached(&l), LINE_GOES_ON);
	for (int i = 0; i < 3 * LINE_LAST_MAX; i++)
		assert_int_equal(note(&l, "!"), LINE_GOES_ON);
}

static void test_the_largest_rules_fit(void **state)
{
	static const struct line_terms terms = { LINE_ROW_MAX, LINE_LAST_MAX, LINE_LAST_MAX };
	struct line_rule l;

	(void)state;
	line_rule_begin(&l, &terms);
	for (int i = 1; i < LINE_ROW_MAX; i++)
		assert_int_equal(note(&l, "!"), LINE_GOES_ON);
	assert_int_equal(note(&l, "!"), LINE_ROW);
	line_rule_begin(&l, &(const struct line_terms){ 0, LINE_LAST_MAX, LINE_LAST_MAX });
	(void)note(&l, "A");
	for (int i = 1; i < LINE_LAST_MAX; i++)
		assert_int_equal(note(&l, "!"), LINE_GOES_ON);
	assert_int_equal(note(&l, "!"), LINE_SHARE);
}

static void test_it_begins_anew(void **state)
{
	struct line_rule l;

	(void)state;
	line_rule_begin(&l, &three_in_a_row);
	(void)note(&l, "A!");
	(void)note(&l, "B!");
	assert_int_equal(note(&l, "C!"), LINE_ROW);
	line_rule_begin(&l, &three_in_a_row);
	assert_int_equal(line_rule_reached(&l), LINE_GOES_ON);
	assert_int_equal(note(&l, "D!"), LINE_GOES_ON);
	assert_int_equal(note(&l, "E!"), LINE_GOES_ON);
	assert_int_equal(note(&l, "A!"), LINE_ROW);
}

static void assert_text(const struct line_terms *terms, enum line_reached reached,
    const char *expected)
{
	struct line_rule l;
	char text[LINE_TEXT];

	line_rule_begin(&l, terms);
	line_rule_text(&l, reached, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_it_says_what_and_which(void **state)
{
	const char *units[LINE_LAST_MAX];
	struct line_rule l;

	(void)state;
	line_rule_begin(&l, &two_of_five);
	(void)note(&l, "A!");
	(void)note(&l, "B");
	(void)note(&l, "C!");
	assert_int_equal(line_rule_units(&l, LINE_SHARE, units, COUNT(units)), 2);
	assert_string_equal(units[0], "C");
	assert_string_equal(units[1], "A");
	assert_int_equal(line_rule_units(&l, LINE_SHARE, units, 1), 1);
	assert_int_equal(line_rule_units(&l, LINE_GOES_ON, units, COUNT(units)), 0);
	assert_text(&three_in_a_row, LINE_ROW, "3 units in a row failed");
	assert_text(&(const struct line_terms){ .in_a_row = 1 }, LINE_ROW, "1 unit failed");
	assert_text(&two_of_five, LINE_SHARE, "2 of the last 5 units failed");
	assert_text(&two_of_five, LINE_GOES_ON, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_in_a_row),
		cmocka_unit_test(test_one_unit_is_one),
		cmocka_unit_test(test_units_of_the_last_ones),
		cmocka_unit_test(test_no_rule_is_never_reached),
		cmocka_unit_test(test_the_largest_rules_fit),
		cmocka_unit_test(test_it_begins_anew),
		cmocka_unit_test(test_it_says_what_and_which),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
