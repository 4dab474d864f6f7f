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
		{ "/console.js", "console.js", "text/javascript" },
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
	assert_null(asset_at(COUNT(rows)));
}

static void has_nothing_else(void **state)
{
	static const char *const paths[] = { "", "/page.html", "/console.js/", "//", "/lang/",
		"/lang/../console.js" };

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++)
		assert_null(asset_find(paths[i]));
	assert_int_equal(strlen(asset_digest), 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_files),
		cmocka_unit_test(has_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
