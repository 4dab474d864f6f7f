#include "label_internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

/* Where the reader is in the printer's language. */
struct reader {
	struct label *label;
	size_t at;
	size_t literal; /* where the stretch began that is no part yet */
	size_t fields;
	bool open; /* between ^XA and ^XZ */
	bool any;  /* there was one */
	size_t opened;
	/* Of the present field, until its ^FS: */
	bool data; /* behind its ^FD */
	size_t data_at;
	bool over; /* its ^FD was there */
	bool hex;  /* ^FH, with "_" */
	enum label_symbol symbol;
	char escape;
};

static const char *const field_names[] = {
	[LABEL_SERIAL] = "serial",
	[LABEL_MODEL] = "model",
	[LABEL_FIRMWARE] = "firmware",
	[LABEL_PRODUCT] = "product",
	[LABEL_PROFILE_VERSION] = "profile.version",
	[LABEL_CERTIFICATE_SERIAL] = "certificate.serial",
	[LABEL_CERTIFICATE_FINGERPRINT] = "certificate.fingerprint",
	[LABEL_NOT_BEFORE] = "not_before",
	[LABEL_NOT_AFTER] = "not_after",
	[LABEL_ORDER] = "order",
	[LABEL_ORDINAL] = "ordinal",
	[LABEL_STATION] = "station",
	[LABEL_DATE] = "date",
	[LABEL_DATE_YYMMDD] = "date.yymmdd",
};

const char *label_field_name(enum label_field field)
{
	return field_names[field];
}

static void find_place(const struct label *l, size_t at, unsigned *ret_line, unsigned *ret_column)
{
	*ret_line = *ret_column = 1;
	for (size_t i = 0; i < at; i++) {
		++*ret_column;
		if (l->text.data[i] == '\n') {
			++*ret_line;
			*ret_column = 1;
		}
	}
}

int label_error(const struct label *l, const char *code, size_t at, struct err *e, const char *fmt,
    ...)
{
	unsigned line, column;
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(e, ERR_CONFIG, code, fmt, ap);
	va_end(ap);
	find_place(l, at, &line, &column);
	return err_while(e, "%s:%u:%u", l->name, line, column);
}

static int refuse(const struct reader *r, size_t at, struct err *e, const char *what)
{
	return label_error(r->label, "label", at, e, "%s", what);
}

/* The byte so far ahead; 0 behind the end (the text has none). */
static char ahead(const struct reader *r, size_t n)
{
	const struct buf *text = &r->label->text;

	return r->at + n < text->len ? (char)text->data[r->at + n] : '\0';
}

static int add_part(struct label *l, const struct label_part *part, struct err *e)
{
	if (l->count == l->room) {
		size_t room = l->room != 0 ? 2 * l->room : 32;
		struct label_part *parts = realloc(l->parts, room * sizeof(*parts));

		if (parts == NULL)
			return err_nomem(e);
		l->parts = parts;
		l->room = room;
	}
	l->parts[l->count++] = *part;
	return 0;
}

/* What was read since the last part, as it is. */
static int end_literal(struct reader *r, struct err *e)
{
	const struct label_part part = { .at = r->literal, .len = r->at - r->literal, .field = -1 };

	return part.len > 0 ? add_part(r->label, &part, e) : 0;
}

static int find_field(const struct reader *r, size_t len)
{
	const char *name = (const char *)r->label->text.data + r->at + 1;

	for (int i = 0; i < LABEL_FIELD_COUNT; i++)
		if (strlen(field_names[i]) == len && memcmp(field_names[i], name, len) == 0)
			return i;
	return -1;
}

/* Level and input are the template's, so that a value is nothing but data. */
static bool has_qr_switches(const struct reader *r)
{
	const char *data = (const char *)r->label->text.data + r->data_at;

	return r->at - r->data_at >= 3 && strchr("HQML", data[0]) != NULL && data[1] == 'A' &&
	       data[2] == ',';
}

static int check_field_place(const struct reader *r, struct err *e)
{
	if (!r->data)
		return refuse(r, r->at, e, "a field stands between ^FD and ^FS");
	if (!r->hex)
		return refuse(r, r->at, e,
		    "write ^FH before this ^FD: only then can no value be a command (with its own "
		    "indicator, _)");
	if (r->symbol == SYMBOL_QR && !has_qr_switches(r))
		return refuse(r, r->at, e,
		    "the data of a ^BQ begins with its level and input, then the field: "
		    "^FDQA,{serial}");
	if (r->symbol == SYMBOL_MATRIX && r->escape == '\0')
		return refuse(r, r->at, e,
		    "a ^BX with fields says its quality (200) and its escape character, which is "
		    "not "
		    "_: ^BXN,8,200,,,,\\");
	if (r->symbol == SYMBOL_OTHER)
		return refuse(r, r->at, e,
		    "fields are drawn by text, ^BQ, ^BX and ^BC only: what a value would do in "
		    "this one "
		    "is not known");
	return 0;
}

/* A character that begins something, which the value would complete: said twice, or followed by what it
 * begins, it does not. */
static bool is_begun(const struct reader *r, char beginning)
{
	const char *data = (const char *)r->label->text.data;
	size_t count = 0;

	while (
	    beginning != '\0' && r->at - count > r->data_at && data[r->at - count - 1] == beginning)
		count++;
	return count % 2 == 1;
}

/* "_" and two digits; also where a field stands between them. */
static bool is_hex_begun(const struct reader *r)
{
	const char *data = (const char *)r->label->text.data;
	size_t left = 0;

	for (size_t i = r->data_at; i < r->at; i++)
		left = left > 0 ? left - 1 : data[i] == '_' ? 2 : 0;
	return left > 0;
}

static int check_before(const struct reader *r, struct err *e)
{
	const char beginning = r->symbol == SYMBOL_BLOCK     ? '\\'
			       : r->symbol == SYMBOL_CODE128 ? '>'
							     : r->escape;

	if (is_hex_begun(r))
		return refuse(r, r->at, e,
		    "the _ before this field takes its value's first characters: as a character _ "
		    "is _5F");
	if (is_begun(r, beginning))
		return refuse(r, r->at, e,
		    "the character before this field takes the value's first one as a command");
	return 0;
}

static void add_accepted(char *ret, size_t size)
{
	size_t used = 0;

	for (int i = 0; i < LABEL_FIELD_COUNT && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, " {%s}", field_names[i]);
}

static int read_field(struct reader *r, struct err *e)
{
	struct label_part part = { .at = r->at, .symbol = r->symbol, .escape = r->escape };
	char accepted[400];
	size_t len = 0;

	while (isalnum((unsigned char)ahead(r, 1 + len)) || ahead(r, 1 + len) == '_' ||
	       ahead(r, 1 + len) == '.')
		len++;
	if (ahead(r, 1 + len) != '}')
		return refuse(r, r->at, e, "a { without its }; a brace itself is written {{");
	part.len = len + 2;
	part.field = find_field(r, len);
	add_accepted(accepted, sizeof(accepted));
	if (part.field < 0)
		return label_error(r->label, "label", r->at, e,
		    "there is no field {%.*s}; accepted:%s", len < 32 ? (int)len : 32,
		    (const char *)r->label->text.data + r->at + 1, accepted);
	if (check_field_place(r, e) != 0 || check_before(r, e) != 0 || end_literal(r, e) != 0)
		return -1;
	if (++r->fields > LABEL_FIELDS_MAX)
		return label_error(r->label, "label", r->at, e, "a label has at most %d fields",
		    LABEL_FIELDS_MAX);
	r->at += part.len;
	r->literal = r->at;
	return add_part(r->label, &part, e);
}

static int read_brace(struct reader *r, struct err *e)
{
	if (ahead(r, 1) != ahead(r, 0)) {
		if (ahead(r, 0) == '{')
			return read_field(r, e);
		return refuse(r, r->at, e, "a } without its {; a brace itself is written }}");
	}
	r->at++;
	if (end_literal(r, e) != 0)
		return -1;
	r->at++;
	r->literal = r->at;
	return 0;
}

static int on_open(struct reader *r, size_t at, struct err *e)
{
	if (r->open)
		return refuse(r, at, e, "an ^XA in a label: its ^XZ is missing");
	r->open = r->any = true;
	r->opened = at;
	return 0;
}

static void end_field(struct reader *r)
{
	r->hex = r->over = false;
	r->symbol = SYMBOL_TEXT;
	r->escape = '\0';
}

static int on_close(struct reader *r, size_t at, struct err *e)
{
	if (!r->open)
		return refuse(r, at, e, "an ^XZ without its ^XA");
	r->open = false;
	end_field(r);
	return 0;
}

static int on_data(struct reader *r, size_t at, struct err *e)
{
	if (!r->open)
		return refuse(r, at, e, "an ^FD outside ^XA and ^XZ");
	r->data = r->over = true;
	r->data_at = r->at;
	return 0;
}

static int on_end(struct reader *r, size_t at, struct err *e)
{
	(void)at;
	(void)e;
	end_field(r);
	return 0;
}

/* "^FH" or "^FH_"; another indicator protects nothing that is written with this one. */
static int on_hex(struct reader *r, size_t at, struct err *e)
{
	const char c = ahead(r, 0);

	(void)at;
	(void)e;
	r->hex = c == '_' || c == '^' || c == '~' || isspace((unsigned char)c);
	return 0;
}

static int on_block(struct reader *r, size_t at, struct err *e)
{
	if (r->symbol != SYMBOL_TEXT)
		return refuse(r, at, e, "an ^FB in a field that is a symbol");
	r->symbol = SYMBOL_BLOCK;
	return 0;
}

static int on_qr(struct reader *r, size_t at, struct err *e)
{
	(void)at;
	(void)e;
	r->symbol = SYMBOL_QR;
	return 0;
}

/* The n-th parameter (0: the first) of a command whose parameters begin here. */
static size_t parameter(const struct reader *r, size_t n, const char **ret)
{
	size_t i = 0, len = 0;

	for (; n > 0 && ahead(r, i) != '\0' && ahead(r, i) != '^'; i++)
		n -= ahead(r, i) == ',';
	if (n > 0)
		return 0;
	*ret = (const char *)r->label->text.data + r->at + i;
	while (ahead(r, i + len) != '\0' && strchr("^~,\r\n", ahead(r, i + len)) == NULL)
		len++;
	return len;
}

static int on_matrix(struct reader *r, size_t at, struct err *e)
{
	const char *quality, *escape;

	(void)at;
	(void)e;
	r->symbol = SYMBOL_MATRIX;
	r->escape = '\0';
	if (parameter(r, 2, &quality) == 3 && memcmp(quality, "200", 3) == 0 &&
	    parameter(r, 6, &escape) == 1 && ispunct((unsigned char)*escape) &&
	    strchr("_{}", *escape) == NULL)
		r->escape = *escape;
	return 0;
}

static int on_code128(struct reader *r, size_t at, struct err *e)
{
	(void)at;
	(void)e;
	r->symbol = SYMBOL_CODE128;
	return 0;
}

static int on_other(struct reader *r, size_t at, struct err *e)
{
	(void)at;
	(void)e;
	r->symbol = SYMBOL_OTHER;
	return 0;
}

static int on_renaming(struct reader *r, size_t at, struct err *e)
{
	return refuse(r, at, e,
	    "this renames ^, ~ or the comma: what protects from values would not any more");
}

static int on_nothing(struct reader *r, size_t at, struct err *e)
{
	(void)r;
	(void)at;
	(void)e;
	return 0;
}

/* In order: the first that fits. "*": any letter or digit. */
static const struct {
	const char *code;
	bool before_data; /* says what the data is: behind it, it is too late */
	int (*read)(struct reader *r, size_t at, struct err *e);
} commands[] = {
	{ "XA", false, on_open },
	{ "XZ", false, on_close },
	{ "FS", false, on_end },
	{ "FD", true, on_data },
	{ "FH", true, on_hex },
	{ "FB", true, on_block },
	{ "BQ", true, on_qr },
	{ "BX", true, on_matrix },
	{ "BC", true, on_code128 },
	{ "BY", false, on_nothing }, /* defaults of the symbols that follow */
	{ "B*", true, on_other },
	{ "TB", true, on_other },
	{ "FC", true, on_other }, /* a clock's characters in the data */
	{ "FE", true, on_other }, /* other fields in it */
	{ "RF", true, on_other },
	{ "CC", false, on_renaming },
	{ "CD", false, on_renaming },
	{ "CT", false, on_renaming },
};

/* The parameters are read on as what stands there: they may hold braces. */
static int read_command(struct reader *r, struct err *e)
{
	const size_t at = r->at;
	const char first = (char)toupper((unsigned char)ahead(r, 1));
	const char second = (char)toupper((unsigned char)ahead(r, 2));

	if (!isalpha((unsigned char)first) || second == '\0')
		return refuse(r, at, e,
		    "^ and ~ begin a command; as a character they are _5E and _7E");
	r->data = r->data && ahead(r, 0) == '~'; /* a ~ command is done at once, the data goes on */
	r->at += first == 'A' ? 2 : 3;           /* ^A is one letter and a font */
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (commands[i].code[0] != first ||
		    (commands[i].code[1] != second && commands[i].code[1] != '*'))
			continue;
		if (commands[i].before_data && r->over)
			return refuse(r, at, e,
			    "this field has its ^FD already: its ^FS is missing");
		return commands[i].read(r, at, e);
	}
	return 0;
}

static int read_next(struct reader *r, struct err *e)
{
	const char c = ahead(r, 0);

	if (c == '^' || c == '~')
		return read_command(r, e);
	if (c == '{' || c == '}')
		return read_brace(r, e);
	if (iscntrl((unsigned char)c) && c != '\n' && c != '\r' && c != '\t')
		return refuse(r, r->at, e, "a control character: a label is text");
	r->at++;
	return 0;
}

static int read_all(struct reader *r, struct err *e)
{
	while (r->at < r->label->text.len)
		if (read_next(r, e) != 0)
			return -1;
	if (r->open)
		return refuse(r, r->opened, e, "an ^XA without its ^XZ");
	if (!r->any)
		return refuse(r, 0, e, "no label: it begins with ^XA and ends with ^XZ");
	return end_literal(r, e);
}

int label_parse(struct label **ret, const char *name, const char *text, size_t len, struct err *e)
{
	AUTO_PTR(label) *l = calloc(1, sizeof(*l));
	struct reader r = { .label = l };

	if (l == NULL || (l->name = strdup(name)) == NULL)
		return err_nomem(e);
	if (len > LABEL_TEXT_MAX)
		return err_set(e, ERR_CONFIG, "label", "%s: longer than a label may be (%d bytes)",
		    name, LABEL_TEXT_MAX);
	if (buf_add(&l->text, text, len, e) != 0 || read_all(&r, e) != 0)
		return -1;
	*ret = steal(&l);
	return 0;
}

int label_load(struct label **ret, const char *path, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (file_read(path, LABEL_TEXT_MAX, &text, e) != 0)
		return -1;
	return label_parse(ret, path, (const char *)text.data, text.len, e);
}

void label_free(struct label *l)
{
	free(l->name);
	free(l->parts);
	buf_free(&l->text);
	free(l);
}

bool label_uses(const struct label *l, enum label_field field)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->parts[i].field == (int)field)
			return true;
	return false;
}
