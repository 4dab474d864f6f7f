#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "position.h"
#include "testing.h"

#define HEAD "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct fixture {
	char *folder;
	char *path;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = testing_folder();
	assert_true(asprintf(&f->path, "%s/position", f->folder) > 0);
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

static void a_new_station_starts_at_none(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(position) p = { 0 };
	struct err e = { 0 };

	assert_ok(position_open(&p, f->path, "line-7", &e), &e);
	assert_int_equal(p.seq, 0);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_err(position_check(&p, 0, &e), &e, "signer.position");
	assert_err(position_check(&p, -5, &e), &e, "signer.position");
	assert_ok(position_check(&p, 1, &e), &e);
}

static void it_only_grows_also_across_restarts(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(position) p = { 0 };
	struct err e = { 0 };

	assert_ok(position_open(&p, f->path, "line-7", &e), &e);
	assert_ok(position_advance(&p, 4, HEAD, &e), &e);
	assert_ok(position_advance(&p, 9, HEAD, &e), &e);
	assert_err(position_advance(&p, 9, HEAD, &e), &e, "signer.position");
	assert_err(position_advance(&p, 8, HEAD, &e), &e, "signer.position");
	assert_ok(position_open(&p, f->path, "line-7", &e), &e);
	assert_int_equal(p.seq, 9);
	assert_err(position_check(&p, 9, &e), &e, "signer.position");
	assert_ok(position_check(&p, INT64_MAX, &e), &e);
}

static void another_stations_file_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(position) p = { 0 };
	struct err e = { 0 };

	assert_ok(position_open(&p, f->path, "line-7", &e), &e);
	assert_ok(position_advance(&p, 4, HEAD, &e), &e);
	assert_err(position_open(&p, f->path, "line-8", &e), &e, "signer.state");
	assert_int_equal(p.seq, 4); /* untouched on failure */
}

static void a_damaged_file_is_refused(void **state)
{
	static const char *const damaged[] = { "", "{", "[]",
		"{\"version\":2,\"station\":\"line-7\",\"seq\":4}",
		"{\"version\":1,\"station\":\"line-7\"}",
		"{\"version\":1,\"station\":\"line-7\",\"seq\":0}",
		"{\"version\":1,\"station\":\"line-7\",\"seq\":\"4\"}",
		"{\"version\":1,\"seq\":4}" };
	struct fixture *f = *state;
	AUTO_STRUCT(position) p = { 0 };
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(damaged); i++) {
		assert_ok(file_write(f->path, damaged[i], strlen(damaged[i]), 0600, &e), &e);
		assert_err(position_open(&p, f->path, "line-7", &e), &e, "signer.state");
	}
}

static void what_can_not_be_kept_is_not_advanced(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(position) p = { 0 };
	struct err e = { 0 };

	assert_ok(position_open(&p, f->path, "line-7", &e), &e);
	assert_int_equal(mkdir(f->path, 0700), 0); /* nothing can be renamed over it */
	assert_err(position_advance(&p, 4, HEAD, &e), &e, "file");
	assert_int_equal(p.seq, 0);
}

#define POSITION_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POSITION_TEST(a_new_station_starts_at_none),
		POSITION_TEST(it_only_grows_also_across_restarts),
		POSITION_TEST(another_stations_file_is_refused),
		POSITION_TEST(a_damaged_file_is_refused),
		POSITION_TEST(what_can_not_be_kept_is_not_advanced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
