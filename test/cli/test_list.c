#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "file.h"
#include "list.h"

static int load(struct list *ret, const char *text, struct err *e)
{
	char *folder = testing_folder();
	char path[4200];
	struct err io = { 0 };
	int rc;

	(void)snprintf(path, sizeof(path), "%s/units.csv", folder);
	assert_ok(file_write(path, text, strlen(text), 0600, &io), &io);
	rc = list_load(ret, path, e);
	testing_folder_remove(folder);
	return rc;
}

static void test_units_are_found_by_serial(void **state)
{
	AUTO_STRUCT(list) l = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&l, "label,serial,model\r\n\"Pump \"\"7\"\"\",B7,M\n\n,A1,\n", &e), &e);
	assert_int_equal(l.count, 2);
	assert_string_equal(list_find(&l, "B7")->label, "Pump \"7\"");
	assert_string_equal(list_find(&l, "B7")->model, "M");
	assert_string_equal(list_find(&l, "A1")->label, "");
	assert_null(list_find(&l, "A"));
	assert_null(list_find(&l, "B70"));
}

static void test_columns_that_are_not_named_are_empty(void **state)
{
	AUTO_STRUCT(list) l = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&l, "serial\nZ9", &e), &e);
	assert_string_equal(list_find(&l, "Z9")->label, "");
	assert_string_equal(list_find(&l, "Z9")->model, "");
}

static void test_each_mistake_has_its_place(void **state)
{
	static const struct {
		const char *text, *place;
	} rows[] = {
		{ "", "empty" },
		{ "serial\n", ":2:1: " },
		{ "serials\nA\n", ":1:1: " },
		{ "label\nA\n", ":1:1: " },
		{ "serial,serial\nA,B\n", ":1:8: " },
		{ "serial,label\nA\n", ":2:2: " },
		{ "serial\nA,B\n", ":2:2: " },
		{ "serial\n\"A\n", ":2:1: " },
		{ "serial\n\"A\"B\n", ":2:4: " },
		{ "serial\nA\"B\n", ":2:2: " },
		{ "serial\nA\x01\n", ":2:2: " },
		{ "serial,label\n,x\n", ":2:1: " },
		{ "serial\nA\nB\nA\n", "A is listed twice" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_STRUCT(list) l = { 0 };
		struct err e = { 0 };

		assert_err(load(&l, rows[i].text, &e), &e, "list");
		if (strstr(e.message, rows[i].place) == NULL)
			fail_msg("row %zu: \"%s\" is not in: %s", i, rows[i].place, e.message);
	}
}

static void test_a_field_is_bounded(void **state)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(list) l = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_add_str(&text, "serial\n", &e), &e);
	for (int i = 0; i < 300; i++)
		assert_ok(buf_add_str(&text, "A", &e), &e);
	assert_err(load(&l, buf_str(&text, &e), &e), &e, "list");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_are_found_by_serial),
		cmocka_unit_test(test_columns_that_are_not_named_are_empty),
		cmocka_unit_test(test_each_mistake_has_its_place),
		cmocka_unit_test(test_a_field_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
