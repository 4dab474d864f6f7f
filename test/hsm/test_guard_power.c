/*
 * The login guard after a power cut: a wrong PIN stays noted, and a login that worked leaves no mark that
 * would one day add up to a refusal.
 */
#include "hsm_guard.h"
#include "power_file.h"

static const struct hsm_token token = { .label = "station", .serial = "0123" };

/* The next start logs in, or is told what to do: nothing else. */
static void begins_or_refuses(const char *path)
{
	struct err e = { 0 };

	if (hsm_guard_begin(path, &token, &e) != 0)
		assert_string_equal(e.code, "hsm.operator.guard");
}

static void test_the_guard_is_old_or_new(void **state)
{
	struct power_file f;
	struct err e = { 0 };

	(void)state;
	power_file_open(&f, "guard");
	f.accept = begins_or_refuses;
	for (int i = 0; i < 3; i++) {
		assert_ok(hsm_guard_begin(f.path, &token, &e), &e);
		power_file_note(&f);
		assert_ok(hsm_guard_clear(f.path, &e), &e);
		power_file_note(&f);
	}
	assert_ok(hsm_guard_begin(f.path, &token, &e), &e);
	power_file_note(&f);
	assert_ok(hsm_guard_fail(f.path, &token, &e), &e);
	power_file_note(&f);
	assert_err(hsm_guard_begin(f.path, &token, &e), &e, "hsm.operator.guard");
	assert_ok(hsm_guard_clear(f.path, &e), &e);
	power_file_note(&f);
	power_file_close(&f, "guard");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_guard_is_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
