#include "linux-shell/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "file.h"
#include "shell_kit.h"

struct world {
	struct kit kit;
	struct console console;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	kit_open(&w->kit, "openssl", NULL);
	w->console.link = w->kit.link;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	console_free(&w->console);
	kit_close(&w->kit);
	free(w);
	return 0;
}

static char *in_folder(struct world *w, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", w->kit.folder, name) > 0);
	return path;
}

static void put_and_get(struct world *w, const char *name, size_t len)
{
	AUTO_STRUCT(buf) data = { 0 }, on_device = { 0 }, back = { 0 };
	char *path = in_folder(w, name);

	for (size_t i = 0; i < len; i++)
		assert_ok(buf_add_u8(&data, (uint8_t)(i * 7 + i / 256), &w->e), &w->e);
	assert_ok(transfer_put(&w->console, name, &data, kit_soon(), &w->e), &w->e);
	assert_ok(file_read(path, 1 << 20, &on_device, &w->e), &w->e);
	assert_true(buf_equal(&data, &on_device));
	assert_ok(transfer_get(&w->console, name, &back, kit_soon(), &w->e), &w->e);
	assert_true(buf_equal(&data, &back));
	free(path);
}

static void test_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 57, 383, 384, 385, 768, 5000 };

	for (size_t i = 0; i < COUNT(sizes); i++)
		put_and_get(*state, "file", sizes[i]);
}

static void test_names(void **state)
{
	static const char *const names[] = { "with blank", "it's", "$(touch injected)", "a;b",
		"back\\slash", "star*" };
	struct world *w = *state;
	char *path = in_folder(w, "injected");

	for (size_t i = 0; i < COUNT(names); i++)
		put_and_get(w, names[i], 10);
	assert_int_not_equal(access(path, F_OK), 0);
	free(path);
}

static void test_replace_leaves_no_traces(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) data = { 0 }, back = { 0 };
	char *new = in_folder(w, "certs/x.new");

	assert_ok(buf_add_str(&data, "first", &w->e), &w->e);
	assert_ok(transfer_replace(&w->console, "certs/x", &data, kit_soon(), &w->e), &w->e);
	assert_ok(buf_add_str(&data, " and second", &w->e), &w->e);
	assert_ok(transfer_replace(&w->console, "certs/x", &data, kit_soon(), &w->e), &w->e);
	assert_ok(transfer_get(&w->console, "certs/x", &back, kit_soon(), &w->e), &w->e);
	assert_true(buf_equal(&data, &back));
	assert_int_not_equal(access(new, F_OK), 0);
	free(new);
}

static void test_a_cut_replacement_leaves_the_old(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) data = { 0 }, back = { 0 };
	char *bin = in_folder(w, "bin/sha256sum");

	assert_ok(buf_add_str(&data, "first", &w->e), &w->e);
	assert_ok(transfer_replace(&w->console, "certs/x", &data, kit_soon(), &w->e), &w->e);
	assert_ok(file_write(bin, "#!/bin/sh\nsleep 100\n", 20, 0755, &w->e), &w->e);
	assert_ok(buf_add_str(&data, " and second", &w->e), &w->e);
	assert_err(transfer_replace(&w->console, "certs/x", &data, clock_now_ms() + 500, &w->e),
	    &w->e, "link.timeout");
	free(bin);
	bin = in_folder(w, "certs/x");
	assert_ok(file_read(bin, 100, &back, &w->e), &w->e);
	assert_int_equal(back.len, 5);
	free(bin);
}

/* A tool of the device that does something else. */
static void replace_tool(struct world *w, const char *name, const char *script)
{
	char *path = in_folder(w, name);

	assert_ok(file_write(path, script, strlen(script), 0755, &w->e), &w->e);
	free(path);
}

static void test_other_bytes_are_noticed(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) data = { 0 }, back = { 0 };

	assert_ok(buf_add_str(&data, "content", &w->e), &w->e);
	assert_ok(transfer_put(&w->console, "file", &data, kit_soon(), &w->e), &w->e);
	replace_tool(w, "bin/base64",
	    "#!/bin/sh\n[ \"$1\" = -d ] && { echo x; exit; }\necho eHh4\n");
	assert_err(transfer_get(&w->console, "file", &back, kit_soon(), &w->e), &w->e,
	    "shell.corrupt");
	assert_true(w->e.retry && w->e.domain == ERR_LINK);
	assert_err(transfer_put(&w->console, "file", &data, kit_soon(), &w->e), &w->e,
	    "shell.corrupt");
	replace_tool(w, "bin/base64", "#!/bin/sh\necho '%%%%'\n");
	assert_err(transfer_get(&w->console, "file", &back, kit_soon(), &w->e), &w->e,
	    "shell.corrupt");
	replace_tool(w, "bin/sha256sum", "#!/bin/sh\necho short\n");
	assert_err(transfer_get(&w->console, "file", &back, kit_soon(), &w->e), &w->e,
	    "shell.corrupt");
	replace_tool(w, "bin/sha256sum", "#!/bin/sh\n");
	replace_tool(w, "bin/base64", "#!/bin/sh\n");
	assert_err(transfer_get(&w->console, "file", &back, kit_soon(), &w->e), &w->e,
	    "shell.corrupt");
	assert_int_equal(back.len, 0);
}

static void test_a_long_file_is_refused(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) back = { 0 };
	char *path = in_folder(w, "long");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, TRANSFER_MAX + 1), 0);
	assert_err(transfer_get(&w->console, "long", &back, kit_soon(), &w->e), &w->e,
	    "shell.output");
	assert_int_equal(ftruncate(fd, TRANSFER_MAX), 0);
	assert_ok(transfer_get(&w->console, "long", &back, kit_soon(), &w->e), &w->e);
	assert_int_equal(back.len, TRANSFER_MAX);
	assert_int_equal(close(fd), 0);
	free(path);
}

static void test_refusals_quote_the_device(void **state)
{
	static const struct shell_value none[] = { { NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };
	struct world *w = *state;
	AUTO_STRUCT(buf) data = { 0 };

	assert_err(transfer_run(&w->console, "seal", "echo 'fuse 7 is blown' >&2; exit 9", none,
		       &result, kit_soon(), &w->e),
	    &w->e, "shell.command");
	assert_int_equal(w->e.domain, ERR_DEVICE);
	assert_non_null(strstr(w->e.message, "seal"));
	assert_non_null(strstr(w->e.message, "status 9"));
	assert_non_null(strstr(w->e.message, "fuse 7 is blown"));
	assert_err(transfer_get(&w->console, "nothing", &data, kit_soon(), &w->e), &w->e,
	    "shell.command");
	assert_non_null(strstr(w->e.message, "No such file"));
	assert_err(transfer_put(&w->console, "no/folder", &data, kit_soon(), &w->e), &w->e,
	    "shell.command");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replace_leaves_no_traces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_cut_replacement_leaves_the_old, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_other_bytes_are_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_long_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refusals_quote_the_device, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
