/* file_write: a power cut leaves the old file or the new one, and after it returned the new one. */
#include "file.h"
#include "power_file.h"

static void fill(char *text, size_t len, int version)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + (i * 7 + (size_t)version) % 26);
}

/* What a cut left behind does not keep the next writer from its work. */
static void write_again(const char *path)
{
	struct power_version found = { 0 };
	struct err e = { 0 };

	assert_ok(file_write(path, "again", 5, 0600, &e), &e);
	power_file_read(path, &found);
	assert_string_equal(buf_str(&found.content, &e), "again");
	buf_free(&found.content);
}

static void test_old_or_new(void **state)
{
	static const size_t sizes[] = { 1, 3000, 511, 20000, 0, 4096, 7 };
	struct power_file f;
	struct err e = { 0 };
	char text[20000];

	(void)state;
	power_file_open(&f, "file");
	f.accept = write_again;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		fill(text, sizes[i], (int)i);
		assert_ok(file_write(f.path, text, sizes[i], 0600, &e), &e);
		power_file_note(&f);
	}
	power_file_close(&f, "file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
