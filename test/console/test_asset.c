#include "asset.h"

#include <stdio.h>
#include <string.h>

#include "testing.h"

static void has_the_files(void **state)
{
	static const struct {
		const char *path, *file, *type;
	} rows[] = {
		{ "/", "page.html", "text/html" },
		{ "/main.js", "main.js", "text/javascript" },
		{ "/words.js", "words.js", "text/javascript" },
		{ "/console.css", "console.css", "text/css" },
		{ "/lang/en.json", "lang/en.json", "application/json" },
		{ "/lang/de.json", "lang/de.json", "application/json" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct asset *asset = asset_find(rows[i].path);
		AUTO_STRUCT(buf) file = { 0 };
		char path[200];

		(void)snprintf(path, sizeof(path), "provision/console/assets/%s", rows[i].file);
		testing_read(testing_source(path), &file);
		assert_non_null(asset);
		assert_string_equal(asset->type, rows[i].type);
		assert_int_equal(asset->len, file.len);
		assert_memory_equal(asset->data, file.data, file.len);
	}
}

static void each_is_found_by_its_path(void **state)
{
	size_t count = 0;

	(void)state;
	for (; asset_at(count) != NULL; count++)
		assert_ptr_equal(asset_find(asset_at(count)->path), asset_at(count));
	assert_true(count > 5);
}

static void has_nothing_else(void **state)
{
	static const char *const paths[] = { "", "/page.html", "/main.js/", "//", "/lang/",
		"/lang/../main.js" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++)
		assert_null(asset_find(paths[i]));
	assert_int_equal(strlen(asset_digest), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_files),
		cmocka_unit_test(each_is_found_by_its_path),
		cmocka_unit_test(has_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
