#include "label.h"

#include <string.h>

#include "testing.h"

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(label_at(0)->name, "");
	for (unsigned i = 0; label_at(i) != NULL; i++) {
		assert_ptr_equal(label_find(label_at(i)->name),
		    label_at(i)); /* so no name is there twice */
		assert_true(strlen(label_at(i)->what) > 0);
		assert_int_equal(strspn(label_at(i)->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
		    strlen(label_at(i)->name));
	}
	assert_null(label_find("nonsense"));
	assert_null(label_find("pendin"));
	assert_null(label_find("pending "));
}

static void test_each_does_something(void **state)
{
	(void)state;
	assert_int_equal(label_at(0)->leaf | label_at(0)->answer | (unsigned)label_at(0)->status,
	    0);
	for (unsigned i = 1; label_at(i) != NULL; i++) {
		const struct label *l = label_at(i);

		assert_true(l->leaf != 0 || l->answer != 0 || l->status != 0 || l->delay_ms != 0);
		assert_true((l->status != 0) == (l->text != NULL));
	}
}

static void test_first_only(void **state)
{
	const struct label *pending = label_find("pending");
	const struct label *deny = label_find("deny");

	(void)state;
	assert_ptr_equal(label_for_post(pending, 1), pending);
	assert_ptr_equal(label_for_post(pending, 2), label_at(0));
	assert_ptr_equal(label_for_post(deny, 1), deny);
	assert_ptr_equal(label_for_post(deny, 9), deny);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_each_does_something),
		cmocka_unit_test(test_first_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
