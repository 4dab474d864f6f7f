#include "testing.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

void testing_ok(int rc, const struct err *e, const char *file, int line)
{
	if (rc == 0)
		return;
	print_error("%s:%d: refused: %s %s: %s\n", file, line, err_domain_name(e->domain), e->code,
	    e->message);
	_fail(file, line);
}

void testing_err(int rc, const struct err *e, const char *code, const char *file, int line)
{
	if (rc == -1 && strcmp(e->code, code) == 0)
		return;
	if (rc != -1)
		print_error("%s:%d: accepted, %s expected\n", file, line, code);
	else
		print_error("%s:%d: %s expected, got %s: %s\n", file, line, code, e->code,
		    e->message);
	_fail(file, line);
}

static const char *under(const char *variable, const char *relative)
{
	static char path[4096];
	const char *folder = getenv(variable);

	if (folder == NULL)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, relative);
	return path;
}

const char *testing_vector(const char *relative)
{
	const char *path = under("KILN_VECTORS", relative);

	return path != NULL && access(path, R_OK) == 0 ? path : NULL;
}

const char *testing_source(const char *relative)
{
	const char *path = under("KILN_SOURCE", relative);

	if (path == NULL)
		fail_msg("KILN_SOURCE is not set: run the tests with ctest");
	return path;
}

void testing_skip(const char *missing)
{
	print_message("SKIP: %s\n", missing);
	skip();
	abort(); /* skip() does not return */
}

void testing_read(const char *path, struct buf *ret)
{
	struct err e = { 0 };

	assert_ok(file_read(path, 64 << 20, ret, &e), &e);
}

json_t *testing_json(const char *path)
{
	json_error_t why;
	json_t *value = json_load_file(path, 0, &why);

	if (value == NULL)
		fail_msg("%s:%d: %s", path, why.line, why.text);
	return value;
}

void testing_hex(const char *hex, struct buf *ret)
{
	size_t len = strlen(hex) / 2;
	struct err e = { 0 };
	uint8_t *room;

	buf_clear(ret);
	room = buf_room(ret, len + 1, &e);
	assert_non_null(room);
	assert_true(hex_decode(hex, room, len));
	ret->len = len;
}

char *testing_folder(void)
{
	const char *base = getenv("TMPDIR");
	char *path = NULL;

	assert_true(asprintf(&path, "%s/kiln-test-XXXXXX", base != NULL ? base : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void testing_folder_remove(char *path)
{
	(void)nftw(path, remove_one, 16,
	    FTW_DEPTH | FTW_PHYS); /* what stays is in the temporary folder */
	free(path);
}
