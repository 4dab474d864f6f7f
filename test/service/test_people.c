#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "people_internal.h"

enum { CHEAP = 1 };

#define SALT    "$y$j75$ObBrxoXIIXiLf2tignllL/"
#define OTHER   "$y$j75$xn9biA0yhvQZf3WacLvb.1"
#define DIGEST  "yDhffqY6q32vUOBP8Jp9Jg9UmSnEDgJS8aJmk6TyumA"
#define DIGEST2 "zDhffqY6q32vUOBP8Jp9Jg9UmSnEDgJS8aJmk6TyumA"
#define HEAD    "badge_salt: \"" SALT "\"\noperators:\n"
#define BADGE   "badge: \"" SALT "$" DIGEST "\""
#define PIN     "pin: \"" OTHER "$" DIGEST "\""

static int add(struct people *p, const char *name, enum role role, const char *badge,
    const char *pin, struct err *e)
{
	AUTO_STRUCT(secret) b = { 0 };
	AUTO_STRUCT(secret) k = { 0 };

	assert_ok(secret_set(&b, badge, strlen(badge), e), e);
	assert_ok(secret_set(&k, pin, strlen(pin), e), e);
	return people_add(p, name, role, &b, &k, e);
}

static const char *by_badge(const struct people *p, const char *badge)
{
	AUTO_STRUCT(secret) s = { 0 };
	const struct person *who = NULL;
	struct err e = { 0 };

	assert_ok(secret_set(&s, badge, strlen(badge), &e), &e);
	assert_ok(people_by_badge(p, &s, &who, &e), &e);
	return who != NULL ? who->name : "";
}

static const char *by_pin(const struct people *p, const char *name, const char *pin)
{
	AUTO_STRUCT(secret) s = { 0 };
	const struct person *who = NULL;
	struct err e = { 0 };

	assert_ok(secret_set(&s, pin, strlen(pin), &e), &e);
	assert_ok(people_by_pin(p, name, &s, &who, &e), &e);
	return who != NULL ? who->name : "";
}

static void check_three(const struct people *p)
{
	assert_int_equal(people_count(p), 3);
	assert_string_equal(by_badge(p, "BADGE-1"), "eva");
	assert_string_equal(by_badge(p, "BADGE-2"), "J\xc3\xb6rg \"\\ M");
	assert_string_equal(by_badge(p, "BADGE-3"), "");
	assert_string_equal(by_badge(p, ""), "");
	assert_string_equal(by_pin(p, "eva", "4711"), "eva");
	assert_string_equal(by_pin(p, "max", "0815"), "max");
	assert_string_equal(by_pin(p, "max", "4711"), "");
	assert_string_equal(by_pin(p, "max", ""), "");
	assert_string_equal(by_pin(p, "J\xc3\xb6rg \"\\ M", "4711"), "");
	assert_string_equal(by_pin(p, "nobody", "4711"), "");
	assert_int_equal(people_find(p, "eva")->role, ROLE_ENGINEER);
	assert_int_equal(people_find(p, "max")->role, ROLE_OPERATOR);
}

static void test_who_is_kept_is_found_again(void **state)
{
	AUTO_PTR(people) *p = NULL;
	AUTO_PTR(people) *again = NULL;
	char *folder = testing_folder();
	struct err e = { 0 };
	char path[4200];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/operators.yaml", folder);
	assert_ok(people_new(&p, CHEAP, &e), &e);
	assert_string_equal(by_badge(p, "BADGE-1"), "");
	assert_string_equal(by_pin(p, "eva", "4711"), "");
	assert_ok(add(p, "eva", ROLE_ENGINEER, "BADGE-1", "4711", &e), &e);
	assert_ok(add(p, "J\xc3\xb6rg \"\\ M", ROLE_OPERATOR, "BADGE-2", "", &e), &e);
	assert_ok(add(p, "max", ROLE_OPERATOR, "", "0815", &e), &e);
	check_three(p);
	assert_ok(people_save(p, path, &e), &e);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_ok(people_load(&again, path, &e), &e);
	check_three(again);
	assert_ok(people_remove(again, "eva", &e), &e);
	assert_string_equal(by_badge(again, "BADGE-1"), "");
	assert_string_equal(by_badge(again, "BADGE-2"), "J\xc3\xb6rg \"\\ M");
	assert_err(people_remove(again, "eva", &e), &e, "operator.absent");
	testing_folder_remove(folder);
}

static void test_the_last_one_leaves_an_empty_file(void **state)
{
	AUTO_PTR(people) *p = NULL;
	AUTO_PTR(people) *again = NULL;
	char *folder = testing_folder();
	struct err e = { 0 };
	char path[4200];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/operators.yaml", folder);
	assert_err(people_load(&again, path, &e), &e, "operator.file");
	assert_ok(people_new(&p, CHEAP, &e), &e);
	assert_ok(people_save(p, path, &e), &e);
	assert_ok(people_load(&again, path, &e), &e);
	assert_int_equal(people_count(again), 0);
	testing_folder_remove(folder);
}

static void test_who_can_not_be_added(void **state)
{
	static const struct {
		const char *name, *badge, *pin, *code;
	} rows[] = {
		{ "", "", "4711", "operator.name" },
		{ " eva", "", "4711", "operator.name" },
		{ "eva ", "", "4711", "operator.name" },
		{ "unix:root", "", "4711", "operator.name" },
		{ "a\nb", "", "4711", "operator.name" },
		{ "a\x7f", "", "4711", "operator.name" },
		{ "a\xc2\x85", "", "4711", "operator.name" },
		{ "a\xff", "", "4711", "operator.name" },
		{ "12345678901234567890123456789012345678901234567890123456789012345", "", "4711",
		    "operator.name" },
		{ "eva", "", "4711", "operator.exists" },
		{ "max", "", "", "operator.pin" },
		{ "max", "", "471", "operator.pin" },
		{ "max", "B-1", "", "operator.badge" },
		{ "max", "BADGE-1", "", "operator.badge" },
	};
	AUTO_PTR(people) *p = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(people_new(&p, CHEAP, &e), &e);
	assert_ok(add(p, "eva", ROLE_ENGINEER, "BADGE-1", "", &e), &e);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_err(add(p, rows[i].name, ROLE_OPERATOR, rows[i].badge, rows[i].pin, &e), &e,
		    rows[i].code);
		assert_null(strstr(e.message, "BADGE"));
	}
	assert_int_equal(people_count(p), 1);
}

static void test_what_the_file_may_not_say(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "operators: []\n", "badge_salt" },
		{ "badge_salt: \"" SALT "\"\n", "operators" },
		{ "badge_salt: \"\"\noperators: []\n", "f:1:13: badge_salt is no" },
		{ "badge_salt: \"$6$abc\"\noperators: []\n", "f:1:13: badge_salt is no" },
		{ "badge_salt: \"$y$j75\"\noperators: []\n", "f:1:13: badge_salt is no" },
		{ "badge_salt: \"" SALT "$" DIGEST "\"\noperators: []\n", "f:1:13: badge_salt is" },
		{ HEAD "  - { name: eva, role: operator, " PIN " }\nmore: 1\n", "more" },
		{ HEAD "  - { name: eva, role: operator, " PIN ", age: 3 }\n", "age" },
		{ HEAD "  - { name: eva, role: boss, " PIN " }\n", "f:3:24: role is" },
		{ HEAD "  - { name: eva, " PIN " }\n", "role" },
		{ HEAD "  - { role: operator, " PIN " }\n", "name" },
		{ HEAD "  - { name: \"a:b\", role: operator, " PIN " }\n",
		    "f:3:13: an operator's" },
		{ HEAD "  - { name: eva, role: operator }\n", "f:3:5: an operator needs" },
		{ HEAD "  - { name: eva, role: operator, pin: \"4711\" }\n", "f:3:39: pin is no" },
		{ HEAD "  - { name: eva, role: operator, pin: \"\" }\n", "f:3:39: pin is no" },
		{ HEAD "  - { name: eva, role: operator, badge: \"" OTHER "$" DIGEST "\" }\n",
		    "f:3:41: this badge's hash has another salt" },
		{ HEAD "  - { name: eva, role: operator, badge: \"" SALT "\" }\n",
		    "f:3:41: this badge's hash has another salt" },
		{ HEAD "  - { name: eva, role: operator, " PIN " }\n"
		       "  - { name: eva, role: engineer, " PIN " }\n",
		    "f:4:13: there is" },
		{ HEAD "  - { name: eva, role: operator, " BADGE " }\n"
		       "  - { name: max, role: engineer, " BADGE " }\n",
		    "f:4:41: this badge is another" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct people *p = NULL;
		struct err e = { 0 };

		assert_err(people_parse(&p, "f", rows[i].text, strlen(rows[i].text), &e), &e,
		    "yaml");
		if (strstr(e.message, rows[i].message) == NULL)
			fail_msg("row %zu: %s", i, e.message);
		assert_null(strstr(e.message, "4711"));
	}
}

static void test_who_else_may_look_at_it(void **state)
{
	static const mode_t modes[] = { 0604, 0640, 0602, 0620, 0644 };
	AUTO_PTR(people) *p = NULL;
	char *folder = testing_folder();
	struct err e = { 0 };
	char path[4200];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/operators.yaml", folder);
	assert_ok(people_new(&p, CHEAP, &e), &e);
	assert_ok(people_save(p, path, &e), &e);
	for (size_t i = 0; i < COUNT(modes); i++) {
		struct people *none = NULL;

		assert_int_equal(chmod(path, modes[i]), 0);
		assert_err(people_load(&none, path, &e), &e, "file.mode");
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_err(people_load(&p, path, &e), &e, "file.mode");
	testing_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_kept_is_found_again),
		cmocka_unit_test(test_the_last_one_leaves_an_empty_file),
		cmocka_unit_test(test_who_can_not_be_added),
		cmocka_unit_test(test_what_the_file_may_not_say),
		cmocka_unit_test(test_who_else_may_look_at_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
