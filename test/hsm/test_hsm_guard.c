#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "hsm_guard.h"
#include "testing.h"

static const struct hsm_token token = { .label = "station", .serial = "0123" };

struct fixture {
	char *folder;
	char *path;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = testing_folder();
	assert_true(asprintf(&f->path, "%s/guard", f->folder) > 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	testing_folder_remove(f->folder);
	free(f->path);
	free(f);
	return 0;
}

static void a_good_login_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	for (int i = 0; i < 5; i++) {
		assert_ok(hsm_guard_begin(f->path, &token, &e), &e);
		assert_int_equal(access(f->path, F_OK), 0); /* while it runs there is a mark */
		assert_ok(hsm_guard_clear(f->path, &e), &e);
		assert_int_equal(access(f->path, F_OK), -1);
	}
	assert_ok(hsm_guard_clear(f->path, &e), &e);
}

static void a_failed_login_blocks(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_ok(hsm_guard_begin(f->path, &token, &e), &e);
	assert_ok(hsm_guard_fail(f->path, &token, &e), &e);
	for (int i = 0; i < 3; i++)
		assert_err(hsm_guard_begin(f->path, &token, &e), &e, "hsm.operator.guard");
	assert_non_null(strstr(e.message, "\"station\""));
	assert_non_null(strstr(e.message, f->path));
	assert_ok(hsm_guard_clear(f->path, &e), &e);
	assert_ok(hsm_guard_begin(f->path, &token, &e), &e);
}

/* A killed process may or may not have cost a try. */
static void two_logins_without_end_block(void **state)
{
	struct fixture *f = *state;
	struct err e = { 0 };

	assert_ok(hsm_guard_begin(f->path, &token, &e), &e);
	assert_ok(hsm_guard_begin(f->path, &token, &e), &e);
	assert_err(hsm_guard_begin(f->path, &token, &e), &e, "hsm.operator.guard");
}

static void what_can_not_be_read_blocks(void **state)
{
	static const char *const texts[] = { "", "{", "{}", "{\"state\":\"begun\"}",
		"{\"state\":\"begun\",\"unfinished\":-1}",
		"{\"state\":\"other\",\"unfinished\":0}" };
	struct fixture *f = *state;
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_ok(file_write(f->path, texts[i], strlen(texts[i]), 0600, &e), &e);
		assert_err(hsm_guard_begin(f->path, &token, &e), &e, "hsm.operator.guard");
	}
}

static void without_a_place_for_it_there_is_no_login(void **state)
{
	struct fixture *f = *state;
	char path[300];
	struct err e = { 0 };
	int lock;

	(void)snprintf(path, sizeof(path), "%s/absent/guard", f->folder);
	assert_err(hsm_guard_begin(path, &token, &e), &e, "hsm.rebuild");
	assert_err(hsm_guard_lock(path, &lock, &e), &e, "hsm.rebuild");
	assert_int_equal(e.domain, ERR_HSM);
}

/* No more file, for a moment: no wrong configuration, or the station would never try again. */
static void a_guard_that_fails_is_tried_again(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, none;
	struct err e = { 0 };
	int lock;

	assert_ok(hsm_guard_begin(f->path, &token, &e), &e);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_err(hsm_guard_lock(f->path, &lock, &e), &e, "hsm.rebuild");
	assert_err(hsm_guard_begin(f->path, &token, &e), &e, "hsm.rebuild");
	assert_err(hsm_guard_undo(f->path, &token, &e), &e, "hsm.rebuild");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_ok(hsm_guard_clear(f->path, &e), &e);
	assert_int_equal(mkdir(f->path, 0700), 0); /* what no unlink removes */
	assert_err(hsm_guard_clear(f->path, &e), &e, "hsm.rebuild");
	assert_int_equal(e.domain, ERR_HSM);
	assert_int_equal(rmdir(f->path), 0);
}

#define GUARD_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUARD_TEST(a_good_login_leaves_nothing),
		GUARD_TEST(a_failed_login_blocks),
		GUARD_TEST(two_logins_without_end_block),
		GUARD_TEST(what_can_not_be_read_blocks),
		GUARD_TEST(without_a_place_for_it_there_is_no_login),
		GUARD_TEST(a_guard_that_fails_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
