#include "console.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "clock.h"
#include "options.h"

enum {
	NUMBER_LEN = 16,
	MARKER_LEN = 2 + NUMBER_LEN,
	NOISE_MAX = 4096, /* kept of what nobody waits for; of more, a prompt's worth */
	PROMPT_MAX = 128,
	TAIL_MS = 5000,
};

void console_free(struct console *c)
{
	buf_free(&c->in);
}

void console_result_free(struct console_result *r)
{
	buf_free(&r->out);
}

int console_send(struct console *c, const void *data, size_t len, int64_t deadline, struct err *e)
{
	return transport_write(c->link, data, len, deadline, e);
}

int console_hear(struct console *c, int64_t deadline, struct err *e)
{
	uint8_t *room;
	size_t got;

	if (c->in.len > SHELL_OUTPUT_MAX)
		buf_drop(&c->in, c->in.len - SHELL_OUTPUT_MAX);
	room = buf_room(&c->in, 4096, e);
	if (room == NULL || transport_read(c->link, room, 4096, &got, deadline, e) != 0)
		return -1;
	c->in.len += got;
	return 0;
}

bool console_ends_with(const struct console *c, const char *text)
{
	size_t len = c->in.len;
	size_t want = strlen(text);

	while (len > 0 && strchr(" \t\r\n", c->in.data[len - 1]) != NULL &&
	       c->in.data[len - 1] != '\0')
		len--;
	return len >= want && memcmp(c->in.data + len - want, text, want) == 0;
}

void console_drop(struct console *c)
{
	transport_flush(c->link);
	buf_clear(&c->in);
}

static int corrupt(const char *what, struct err *e)
{
	return err_retry(err_set(e, ERR_LINK, "shell.corrupt", "%s from the device is garbled",
			     what),
	    e);
}

/* Where the marker is in what has arrived, not counting the first from bytes; NULL where it is not. */
static const uint8_t *find(const struct console *c, const char *marker, size_t from)
{
	if (c->in.len <= from)
		return NULL;
	return memmem(c->in.data + from, c->in.len - from, marker, MARKER_LEN);
}

/*
 * Waits for the marker. What came before it goes to ret, or is forgotten where ret is NULL; what
 * comes after it stays. Where the frame's last marker comes instead, this one was garbled.
 */
static int await(struct console *c, const char *marker, const char *last, struct buf *ret,
    int64_t deadline, struct err *e)
{
	size_t seen = 0;

	for (;;) {
		const uint8_t *at = find(c, marker, seen);

		if (at != NULL) {
			size_t before = (size_t)(at - c->in.data);

			if (ret != NULL && buf_set(ret, c->in.data, before, e) != 0)
				return -1;
			buf_drop(&c->in, before + MARKER_LEN);
			return 0;
		}
		if (find(c, last, seen) != NULL)
			return corrupt("an answer", e);
		if (ret != NULL && c->in.len > SHELL_OUTPUT_MAX)
			return err_set(e, ERR_DEVICE, "shell.output",
			    "more than %d bytes of output, and no end", SHELL_OUTPUT_MAX);
		if (ret == NULL && c->in.len > NOISE_MAX)
			buf_drop(&c->in, c->in.len - PROMPT_MAX);
		if (c->in.len >= MARKER_LEN)
			seen = c->in.len - MARKER_LEN + 1;
		if (console_hear(c, deadline, e) != 0)
			return -1;
	}
}

/* The beginning of text, in one line; err_set makes it printable. */
static void complain(struct console_result *ret, const uint8_t *text, size_t len)
{
	if (len > SHELL_COMPLAINT_MAX)
		len = SHELL_COMPLAINT_MAX;
	for (size_t i = 0; i < len; i++)
		ret->complaint[i] = text[i] == '\n' ? ' ' : (char)text[i];
	ret->complaint[len] = '\0';
}

/* "0 0" alone, or with a newline and the complaint: twice, because a serial line has no checksum. */
static int take_status(const struct buf *text, struct console_result *ret, struct err *e)
{
	const uint8_t *at = text->data;
	size_t digits = 0, len;
	int status = 0;

	while (digits < text->len && digits < 3 && isdigit(at[digits]))
		status = status * 10 + (at[digits++] - '0');
	len = 2 * digits + 1;
	if (digits == 0 || text->len < len || at[digits] != ' ' ||
	    memcmp(at + digits + 1, at, digits) != 0 || (text->len > len && at[len] != '\n') ||
	    status > 255)
		return corrupt("an exit status", e);
	ret->status = status;
	if (text->len > len)
		complain(ret, at + len + 1, text->len - len - 1);
	else
		complain(ret, ret->out.data, ret->out.len);
	return 0;
}

static int receive(struct console *c, const char number[static NUMBER_LEN + 1],
    struct console_result *ret, int64_t deadline, struct err *e)
{
	char begin[MARKER_LEN + 1], end[MARKER_LEN + 1], last[MARKER_LEN + 1];
	AUTO_STRUCT(buf) tail = { 0 };
	int64_t soon;

	(void)snprintf(begin, sizeof(begin), "@b%s", number); /* all three fit */
	(void)snprintf(end, sizeof(end), "@e%s", number);
	(void)snprintf(last, sizeof(last), "@q%s", number);
	if (await(c, begin, last, NULL, deadline, e) != 0 ||
	    await(c, end, last, &ret->out, deadline, e) != 0)
		return -1;
	soon = clock_now_ms() + TAIL_MS; /* the command has ended: the rest is on its way */
	if (await(c, last, last, &tail, soon < deadline ? soon : deadline, e) != 0)
		return -1;
	console_clean(&ret->out);
	console_clean(&tail);
	return take_status(&tail, ret, e);
}

static int make_number(char ret[static NUMBER_LEN + 1], struct err *e)
{
	uint8_t bytes[NUMBER_LEN / 2];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return err_openssl(e, ERR_CONFIG, "shell.random", "making a marker");
	hex_encode(bytes, sizeof(bytes), ret);
	return 0;
}

/* body is a list of shell commands that leaves the status in S and the complaint in E. */
static int exchange(struct console *c, const char *number, struct buf *body,
    struct console_result *ret, int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) line = { 0 };
	const char *text = buf_str(body, e);

	if (text == NULL ||
	    buf_printf(&line, e,
		"K=%s; printf '\\n@b%%s\\n' $K; E=; %s; "
		"printf '\\n@e%%s %%s %%s\\n%%.160s\\n@q%%s\\n' $K $S $S \"$E\" $K\n",
		number, text) != 0)
		return -1;
	if (line.len > SHELL_LINE_MAX)
		return err_set(e, ERR_CONFIG, "shell.line",
		    "a command makes a line of %zu bytes; a console takes %d", line.len,
		    SHELL_LINE_MAX);
	buf_clear(&c->in);
	if (console_send(c, line.data, line.len, deadline, e) != 0)
		return -1;
	return receive(c, number, ret, deadline, e);
}

int console_run(struct console *c, const char *command, struct console_result *ret,
    int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) body = { 0 };
	char number[NUMBER_LEN + 1];

	if (make_number(number, e) != 0 || buf_add_str(&body, "{ E=$(sh -c ", e) != 0 ||
	    shell_quote(command, &body, e) != 0 ||
	    buf_add_str(&body, " </dev/null 2>&1 >&3 3>&-); S=$?; } 3>&1", e) != 0)
		return -1;
	return exchange(c, number, &body, ret, deadline, e);
}

int console_change(struct console *c, const char *command, struct console_result *ret,
    int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) body = { 0 };
	char number[NUMBER_LEN + 1];

	if (make_number(number, e) != 0 ||
	    buf_printf(&body, e, "{ %s; } </dev/null; S=$?", command) != 0)
		return -1;
	return exchange(c, number, &body, ret, deadline, e);
}
