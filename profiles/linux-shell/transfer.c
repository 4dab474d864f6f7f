#include "transfer.h"

#include <ctype.h>
#include <string.h>

enum { CHUNK_LEN = 512, DIGEST_LEN = 2 * SHA256_LEN };

int transfer_run(struct console *c, const char *what, const char *template,
    const struct shell_value *values, struct console_result *ret, int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) command = { 0 };
	const char *text;

	if (shell_expand(template, values, &command, e) != 0)
		return -1;
	text = buf_str(&command, e);
	if (text == NULL)
		return -1;
	if (console_run(c, text, ret, deadline, e) != 0)
		return err_while(e, "%s", what);
	if (ret->status != 0)
		return err_set(e, ERR_DEVICE, "shell.command",
		    "%s: \"%.80s\" ended with status %d: %s", what, text, ret->status,
		    ret->complaint);
	return 0;
}

static int corrupt(const char *path, struct err *e)
{
	return err_retry(err_set(e, ERR_LINK, "shell.corrupt",
			     "%s: the device and the station have different bytes", path),
	    e);
}

/* The digest at the front of sha256sum's output. */
static bool has_digest(const struct buf *out, const struct buf *data)
{
	char want[DIGEST_LEN + 1];

	sha256_hex(data->data, data->len, want);
	return out->len > DIGEST_LEN && memcmp(out->data, want, DIGEST_LEN) == 0;
}

static int put_chunk(struct console *c, const char *path, const char *text, bool first,
    int64_t deadline, struct err *e)
{
	char chunk[CHUNK_LEN + 1];
	const struct shell_value values[] = { { "path", path }, { "chunk", chunk },
		{ NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };
	size_t len = strnlen(text, CHUNK_LEN);

	memcpy(chunk, text, len);
	chunk[len] = '\0';
	return transfer_run(c, "writing a file",
	    first ? "printf %s {chunk} | base64 -d > {path}"
		  : "printf %s {chunk} | base64 -d >> {path}",
	    values, &result, deadline, e);
}

static int compare(struct console *c, const char *path, const struct buf *data, int64_t deadline,
    struct err *e)
{
	const struct shell_value values[] = { { "path", path }, { NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };

	if (transfer_run(c, "reading a file's digest", "sync {path}; sha256sum <{path}", values,
		&result, deadline, e) != 0)
		return -1;
	return has_digest(&result.out, data) ? 0 : corrupt(path, e);
}

int transfer_put(struct console *c, const char *path, const struct buf *data, int64_t deadline,
    struct err *e)
{
	AUTO_STRUCT(buf) encoded = { 0 };
	const char *text;

	if (base64_encode(data->data, data->len, &encoded, e) != 0)
		return -1;
	text = buf_str(&encoded, e);
	if (text == NULL)
		return -1;
	for (size_t at = 0; at == 0 || at < encoded.len; at += CHUNK_LEN)
		if (put_chunk(c, path, text + at, at == 0, deadline, e) != 0)
			return -1;
	return compare(c, path, data, deadline, e);
}

int transfer_replace(struct console *c, const char *path, const struct buf *data, int64_t deadline,
    struct err *e)
{
	AUTO_STRUCT(console_result) result = { 0 };
	AUTO_STRUCT(buf) new_path = { 0 };
	struct shell_value values[] = { { "path", path }, { "new", NULL }, { NULL, NULL } };

	if (buf_printf(&new_path, e, "%s.new", path) != 0)
		return -1;
	values[1].value = buf_str(&new_path, e);
	if (values[1].value == NULL || transfer_put(c, values[1].value, data, deadline, e) != 0)
		return -1;
	return transfer_run(c, "renaming a file",
	    "mv -f {new} {path} && sync {path} \"$(dirname {path})\"", values, &result, deadline,
	    e);
}

/* The base64 behind the digest's line, without its line ends. */
static int decode(const struct buf *out, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	const uint8_t *at = memchr(out->data, '\n', out->len);

	for (; at != NULL && at < out->data + out->len; at++)
		if (!isspace(*at) && buf_add_u8(&text, *at, e) != 0)
			return -1;
	return base64_decode((const char *)text.data, text.len, ret, ERR_LINK, e);
}

int transfer_get(struct console *c, const char *path, struct buf *ret, int64_t deadline,
    struct err *e)
{
	const struct shell_value values[] = { { "path", path }, { NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };
	AUTO_STRUCT(buf) data = { 0 };
	struct err why = { 0 };

	if (transfer_run(c, "reading a file", "sha256sum <{path} && base64 {path}", values, &result,
		deadline, e) != 0)
		return -1;
	if (result.out.len == 0 || decode(&result.out, &data, &why) != 0 ||
	    !has_digest(&result.out, &data))
		return corrupt(path, e);
	if (data.len > TRANSFER_MAX)
		return err_set(e, ERR_DEVICE, "shell.output",
		    "%s has %zu bytes; at most %d are taken", path, data.len, TRANSFER_MAX);
	buf_free(ret);
	*ret = buf_steal(&data);
	return 0;
}
