#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evidence.h"
#include "tar.h"

static void add(struct buf *tar, const char *path, const char *text)
{
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };

	assert_ok(buf_add_str(&bytes, text, &e), &e);
	assert_ok(tar_add(tar, path, &bytes, 1795850000, &e), &e);
}

/* What stock tar says of it. */
static void read_back(const struct buf *tar, const char *how, char *ret, size_t size)
{
	char path[] = "/tmp/kiln-tar-XXXXXX", command[128];
	int fd = mkstemp(path);
	FILE *said;
	size_t len;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, tar->data, tar->len), (ssize_t)tar->len);
	(void)snprintf(command, sizeof(command), "TZ=UTC tar %s %s 2>&1", how, path);
	said = popen(command, "r");
	assert_non_null(said);
	len = fread(ret, 1, size - 1, said);
	ret[len] = '\0';
	assert_int_equal(pclose(said), 0);
	(void)close(fd);
	(void)unlink(path);
}

static void test_stock_tar_reads_it(void **state)
{
	AUTO_STRUCT(buf) tar = { 0 };
	struct err e = { 0 };
	char longest[600], said[2048];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	add(&tar, "unit/empty", "");
	add(&tar, "unit/short", "short\n");
	add(&tar, "unit/long", longest);
	longest[TAR_BLOCK] = '\0';
	add(&tar, "unit/block", longest);
	assert_ok(tar_end(&tar, &e), &e);
	assert_int_equal(tar.len % TAR_BLOCK, 0);
	read_back(&tar, "-tf", said, sizeof(said));
	assert_string_equal(said, "unit/empty\nunit/short\nunit/long\nunit/block\n");
	read_back(&tar, "-xO unit/short -f", said, sizeof(said));
	assert_string_equal(said, "short\n");
	read_back(&tar, "-tvf", said, sizeof(said));
	assert_non_null(strstr(said, "-rw-r--r-- 0/0"));
	assert_non_null(strstr(said, " 599 2026-11-28"));
}

static void test_a_path_that_does_not_fit(void **state)
{
	AUTO_STRUCT(buf) tar = { 0 };
	const struct buf none = { 0 };
	struct err e = { 0 };
	char path[TAR_PATH_MAX + 2];

	(void)state;
	memset(path, 'p', sizeof(path));
	path[TAR_PATH_MAX] = '\0';
	assert_ok(tar_add(&tar, path, &none, 0, &e), &e);
	path[TAR_PATH_MAX] = 'p';
	path[TAR_PATH_MAX + 1] = '\0';
	assert_err(tar_add(&tar, path, &none, 0, &e), &e, "tar");
	assert_err(tar_add(&tar, "", &none, 0, &e), &e, "tar");
}

static void test_the_name_of_any_serial_is_a_plain_one(void **state)
{
	static const struct {
		const char *serial, *name;
	} cases[] = { { "IP30000001", "IP30000001" }, { "../../etc/passwd", "_._.._etc_passwd" },
		{ "..", "_." }, { "-rf", "_rf" }, { "", "_" }, { "a\"b;c\r\nd", "a_b_c__d" },
		{ "\xc3\xa4 b", "___b" } };
	char name[EVIDENCE_NAME_MAX + 1], longest[EVIDENCE_NAME_MAX + 20];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		evidence_name(cases[i].serial, name);
		assert_string_equal(name, cases[i].name);
	}
	memset(longest, 'l', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	evidence_name(longest, name);
	assert_int_equal(strlen(name), EVIDENCE_NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stock_tar_reads_it),
		cmocka_unit_test(test_a_path_that_does_not_fit),
		cmocka_unit_test(test_the_name_of_any_serial_is_a_plain_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
