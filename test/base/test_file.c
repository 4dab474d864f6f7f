#include "file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing.h"

struct fixture {
	char *folder;
	char path[4096];
};

static int setup(void **state)
{
	static struct fixture f;

	f.folder = testing_folder();
	(void)snprintf(f.path, sizeof(f.path), "%s/file", f.folder);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	testing_folder_remove(f->folder);
	return 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void is(const char *path, const char *text)
{
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	assert_ok(file_read(path, 1000, &got, &e), &e);
	assert_string_equal(buf_str(&got, &e), text);
}

static void test_write_and_read(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };
	char fresh[4200];

	assert_ok(file_write(f->path, "one", 3, 0600, &e), &e);
	is(f->path, "one");
	assert_int_equal(mode_of(f->path), 0600);
	assert_ok(file_write(f->path, NULL, 0, 0600, &e), &e);
	is(f->path, "");
	(void)snprintf(fresh, sizeof(fresh), "%s.new", f->path);
	assert_int_equal(access(fresh, F_OK), -1);
}

/* What a crash left neither lends its mode nor its content, and a link there is not followed. */
static void test_stale_new(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };
	char fresh[4200], aside[4200];

	(void)snprintf(fresh, sizeof(fresh), "%s.new", f->path);
	(void)snprintf(aside, sizeof(aside), "%s/aside", f->folder);
	assert_ok(file_write(fresh, "left over, and longer", 21, 0666, &e), &e);
	assert_int_equal(chmod(fresh, 0666), 0);
	assert_ok(file_write(f->path, "two", 3, 0600, &e), &e);
	is(f->path, "two");
	assert_int_equal(mode_of(f->path), 0600);
	assert_ok(file_write(aside, "aside", 5, 0600, &e), &e);
	assert_int_equal(symlink(aside, fresh), 0);
	assert_ok(file_write(f->path, "three", 5, 0600, &e), &e);
	is(f->path, "three");
	is(aside, "aside");
}

static void test_write_where_it_can_not(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };
	char path[8192];

	(void)snprintf(path, sizeof(path), "%s/none/file", f->folder);
	assert_err(file_write(path, "x", 1, 0600, &e), &e, "file");
	assert_non_null(strstr(e.message, path));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_err(file_write(path, "x", 1, 0600, &e), &e, "file");
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_err(file_write(f->path, "x", 1, 0600, &e), &e,
	    "file"); /* a folder is not replaced */
	(void)snprintf(path, sizeof(path), "%s.new", f->path);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_remove(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };

	assert_ok(file_write(f->path, "x", 1, 0600, &e), &e);
	assert_ok(file_remove(f->path, &e), &e);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_ok(file_remove(f->path, &e), &e); /* it is gone: that is what was asked for */
	assert_err(file_remove(f->folder, &e), &e, "file");
}

static void test_bounded_read(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };
	char large[40000];

	memset(large, 'x', sizeof(large));
	assert_ok(file_write(f->path, large, sizeof(large), 0600, &e), &e);
	assert_ok(buf_add_str(&got, "old", &e), &e);
	assert_ok(file_read(f->path, sizeof(large), &got, &e), &e);
	assert_int_equal(got.len, sizeof(large));
	assert_err(file_read(f->path, sizeof(large) - 1, &got, &e), &e, "file");
	assert_err(file_read("/dev/zero", 1 << 20, &got, &e), &e, "file");
	assert_true(got.cap <= 4 << 20);
}

static void test_read_what_is_no_file(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	assert_err(file_read(f->path, 10, &got, &e), &e, "file");
	assert_non_null(strstr(e.message, "No such file"));
	assert_int_equal(e.domain, ERR_CONFIG);
	assert_err(file_read(f->folder, 10, &got, &e), &e, "file");
}

static void test_mkdir(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/a/b/c", f->folder);
	assert_ok(file_mkdir(path, 0700, &e), &e);
	assert_int_equal(mode_of(path), 0700);
	assert_ok(file_mkdir(path, 0700, &e), &e);
	(void)snprintf(path, sizeof(path), "%s/d//", f->folder);
	assert_ok(file_mkdir(path, 0700, &e), &e);
	assert_int_equal(mode_of(path), 0700);
	assert_ok(file_mkdir("/", 0700, &e), &e);
}

static void test_mkdir_refuses(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };
	char path[8192];

	assert_err(file_mkdir("", 0700, &e), &e, "file");
	assert_ok(file_write(f->path, "x", 1, 0600, &e), &e);
	assert_err(file_mkdir(f->path, 0700, &e), &e, "file");
	(void)snprintf(path, sizeof(path), "%s/below", f->path);
	assert_err(file_mkdir(path, 0700, &e), &e, "file");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_err(file_mkdir(path, 0700, &e), &e, "file");
}

static void beside_is(const char *base, const char *path, const char *expected)
{
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };

	assert_ok(file_beside(base, path, &got, &e), &e);
	assert_string_equal((const char *)got.data, expected);
	assert_int_equal(got.len, strlen(expected));
}

static void test_beside(void **state)
{
	(void)state;
	beside_is("/etc/kiln/station.yaml", "pin", "/etc/kiln/pin");
	beside_is("/etc/kiln/station.yaml", "../pin", "/etc/kiln/../pin");
	beside_is("/etc/kiln/station.yaml", "/run/pin", "/run/pin");
	beside_is("station.yaml", "pin", "pin");
	beside_is("a/station.yaml", "pin", "a/pin");
	beside_is("/station.yaml", "pin", "/pin");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write_and_read),
		TEST(test_stale_new),
		TEST(test_write_where_it_can_not),
		TEST(test_remove),
		TEST(test_bounded_read),
		TEST(test_read_what_is_no_file),
		TEST(test_mkdir),
		TEST(test_mkdir_refuses),
		cmocka_unit_test(test_beside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
