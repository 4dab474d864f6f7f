#include "list.h"

#include <stdlib.h>
#include <string.h>

#include "file.h"

enum { COLUMNS_MAX = 3, FIELD_MAX = 200, LIST_TEXT_MAX = 64 << 20 };

static const char *const column_names[COLUMNS_MAX] = { "serial", "label", "model" };

/* Where the text is read: for messages, line and col count from 1. */
struct cursor {
	const char *name;
	const char *at, *end;
	int line;
	const char *line_start;
};

static int wrong(const struct cursor *c, const char *at, struct err *e, const char *what)
{
	return err_set(e, ERR_CONFIG, "list", "%s:%d:%d: %s", c->name, c->line,
	    (int)(at - c->line_start) + 1, what);
}

static bool at_line_end(const struct cursor *c)
{
	return c->at == c->end || *c->at == '\n' || *c->at == '\r';
}

static int read_quoted(struct cursor *c, char *ret, size_t *len, struct err *e)
{
	const char *start = c->at++;

	for (; c->at < c->end && *c->at != '\n'; c->at++) {
		if (*c->at == '"' && (c->at + 1 == c->end || c->at[1] != '"')) {
			c->at++;
			return 0;
		}
		if (*c->at == '"')
			c->at++;
		if (*len >= FIELD_MAX)
			return wrong(c, start, e, "a field is too long");
		ret[(*len)++] = *c->at;
	}
	return wrong(c, start, e, "a quoted field does not end on its line");
}

static int read_field(struct cursor *c, char ret[static FIELD_MAX + 1], struct err *e)
{
	const char *start = c->at;
	size_t len = 0;

	if (c->at < c->end && *c->at == '"') {
		if (read_quoted(c, ret, &len, e) != 0)
			return -1;
	} else {
		for (; !at_line_end(c) && *c->at != ','; c->at++) {
			if (len >= FIELD_MAX)
				return wrong(c, start, e, "a field is too long");
			if (*c->at == '"' || *c->at < 0x20 || *c->at == 0x7f)
				return wrong(c, c->at, e,
				    "a character that a field can not hold; save the list as plain "
				    "text, UTF-8 without BOM");
			ret[len++] = *c->at;
		}
	}
	ret[len] = '\0';
	if (!at_line_end(c) && *c->at != ',')
		return wrong(c, c->at, e, "expected a comma or the end of the line");
	return 0;
}

static void next_line(struct cursor *c)
{
	if (c->at < c->end && *c->at == '\r')
		c->at++;
	if (c->at < c->end && *c->at == '\n')
		c->at++;
	c->line++;
	c->line_start = c->at;
}

/* columns[i] is which of column_names stands at position i. */
static int read_header(struct cursor *c, int columns[COLUMNS_MAX], int *ret_count, struct err *e)
{
	bool seen[COLUMNS_MAX] = { false };
	int count = 0;

	for (;;) {
		const char *start = c->at;
		char field[FIELD_MAX + 1];
		int which = 0;

		if (read_field(c, field, e) != 0)
			return -1;
		while (which < COLUMNS_MAX && strcmp(field, column_names[which]) != 0)
			which++;
		if (which == COLUMNS_MAX || seen[which])
			return wrong(c, start, e,
			    "the first line names the columns, each once, in small letters, with "
			    "commas between:"
			    " serial,label,model");
		seen[which] = true;
		columns[count++] = which;
		if (at_line_end(c))
			break;
		c->at++;
	}
	if (!seen[0])
		return wrong(c, c->line_start, e, "the column \"serial\" is missing");
	next_line(c);
	*ret_count = count;
	return 0;
}

static int add_unit(struct list *l, char fields[COLUMNS_MAX][FIELD_MAX + 1], struct err *e)
{
	struct list_unit *u;

	if (l->count == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct list_unit *grown = reallocarray(l->units, cap, sizeof(*grown));

		if (grown == NULL)
			return err_nomem(e);
		l->units = grown;
		l->cap = cap;
	}
	u = &l->units[l->count++];
	*u = (struct list_unit){ strdup(fields[0]), strdup(fields[1]), strdup(fields[2]), false };
	return u->serial != NULL && u->label != NULL && u->model != NULL ? 0 : err_nomem(e);
}

static int read_unit(struct cursor *c, const int columns[COLUMNS_MAX], int count, struct list *l,
    struct err *e)
{
	char fields[COLUMNS_MAX][FIELD_MAX + 1] = { "", "", "" };

	for (int i = 0; i < count; i++) {
		if (i > 0 && (at_line_end(c) || *c->at++ != ','))
			return wrong(c, c->at, e, "a column is missing");
		if (read_field(c, fields[columns[i]], e) != 0)
			return -1;
	}
	if (!at_line_end(c))
		return wrong(c, c->at, e, "more columns than the first line names");
	if (fields[0][0] == '\0')
		return wrong(c, c->line_start, e, "the serial is empty");
	return add_unit(l, fields, e);
}

static int by_serial(const void *a, const void *b)
{
	return strcmp(((const struct list_unit *)a)->serial, ((const struct list_unit *)b)->serial);
}

static int read_all(struct cursor *c, struct list *l, struct err *e)
{
	int columns[COLUMNS_MAX], count = 0;

	if (read_header(c, columns, &count, e) != 0)
		return -1;
	while (c->at < c->end) {
		if (!at_line_end(c) && read_unit(c, columns, count, l, e) != 0)
			return -1;
		next_line(c);
	}
	if (l->count == 0)
		return wrong(c, c->at, e, "the list names no unit");
	qsort(l->units, l->count, sizeof(*l->units), by_serial);
	for (size_t i = 1; i < l->count; i++)
		if (by_serial(&l->units[i - 1], &l->units[i]) == 0)
			return err_set(e, ERR_CONFIG, "list", "%s: serial %s is listed twice",
			    c->name, l->units[i].serial);
	return 0;
}

int list_load(struct list *ret, const char *path, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(list) l = { 0 };
	struct cursor c = { .name = path, .line = 1 };

	if (file_read(path, LIST_TEXT_MAX, &text, e) != 0)
		return -1;
	c.at = c.line_start = (const char *)text.data;
	c.end = c.at + text.len;
	if (text.len == 0)
		return err_set(e, ERR_CONFIG, "list", "%s: the list is empty", path);
	if (read_all(&c, &l, e) != 0)
		return -1;
	*ret = l;
	l = (struct list){ 0 };
	return 0;
}

void list_free(struct list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->units[i].serial);
		free(l->units[i].label);
		free(l->units[i].model);
	}
	free(l->units);
	*l = (struct list){ 0 };
}

struct list_unit *list_find(const struct list *l, const char *serial)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(serial, l->units[middle].serial);

		if (order == 0)
			return &l->units[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
