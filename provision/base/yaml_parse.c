#include "yaml_tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

enum {
	YAML_TEXT_MAX = 256 * 1024,
	YAML_DEPTH_MAX = 16,
	YAML_CHILDREN_MAX = 1024,
};

struct reader {
	struct yaml *yaml;
	struct fy_diag *diag;
	struct fy_parser *parser;
	const char *text;
	struct yaml_node *stack[YAML_DEPTH_MAX];
	size_t depth;
	char *key; /* read, waits for its value */
	struct yaml_mark key_at;
	int documents;
};

int yaml_error_at(const struct yaml *y, struct yaml_mark at, struct err *e, const char *fmt, ...)
{
	char message[sizeof(e->message)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_CONFIG, "yaml", "%s:%d:%d: %s", y->name, at.line, at.column, message);
}

static size_t utf8_len(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t mask, lead;
		size_t len;
		uint32_t min;
	} forms[] = { { 0x80, 0x00, 1, 0 }, { 0xe0, 0xc0, 2, 0x80 }, { 0xf0, 0xe0, 3, 0x800 },
		{ 0xf8, 0xf0, 4, 0x10000 } };

	for (size_t i = 0; i < COUNT(forms); i++) {
		uint32_t point = (uint32_t)(p[0] & ~forms[i].mask);

		if ((p[0] & forms[i].mask) != forms[i].lead)
			continue;
		if (forms[i].len > left)
			return 0;
		for (size_t k = 1; k < forms[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
			point = point << 6 | (p[k] & 0x3f);
		}
		if (point < forms[i].min || point > 0x10ffff ||
		    (point >= 0xd800 && point <= 0xdfff))
			return 0;
		return forms[i].len;
	}
	return 0;
}

/* libfyaml 0.7 takes NUL and bad UTF-8; neither has a place in a file people write. */
static int check_bytes(const struct yaml *y, const char *text, size_t len, struct err *e)
{
	const uint8_t *p = (const uint8_t *)text;
	struct yaml_mark at = { 1, 1 };
	size_t step;

	for (size_t i = 0; i < len; i += step) {
		step = utf8_len(p + i, len - i);
		if (step == 0)
			return yaml_error_at(y, at, e, "byte 0x%02x is not UTF-8", p[i]);
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\r' && p[i] != '\t') || p[i] == 0x7f)
			return yaml_error_at(y, at, e, "control character 0x%02x", p[i]);
		if (step == 3 && memcmp(p + i, "\xef\xbb\xbf", 3) == 0)
			return yaml_error_at(y, at, e,
			    "byte order mark; save the file as plain UTF-8");
		at.column++;
		if (p[i] == '\n')
			at = (struct yaml_mark){ at.line + 1, 1 };
	}
	return 0;
}

static struct yaml_mark mark_of(const struct fy_mark *m)
{
	return m != NULL ? (struct yaml_mark){ m->line + 1, m->column + 1 }
			 : (struct yaml_mark){ 1, 1 };
}

static struct yaml_node *new_node(struct reader *r, enum yaml_kind kind, struct fy_event *event)
{
	const struct fy_mark *start = fy_event_start_mark(event);
	const struct fy_mark *end = fy_event_end_mark(event);
	struct yaml_node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->yaml = r->yaml;
	n->kind = kind;
	n->at = start != NULL ? mark_of(start) : r->key_at;
	n->start = start != NULL ? start->input_pos : 0;
	n->end = end != NULL ? end->input_pos : n->start;
	n->made_before = r->yaml->newest;
	r->yaml->newest = n;
	return n;
}

static int add_child(struct yaml_node *parent, struct yaml_node *child, struct err *e)
{
	if (parent->count == YAML_CHILDREN_MAX)
		return yaml_error_at(parent->yaml, child->at, e, "more than %d entries",
		    YAML_CHILDREN_MAX);
	if ((parent->count & (parent->count - 1)) == 0) {
		size_t room = parent->count == 0 ? 1 : 2 * parent->count;
		struct yaml_node **grown =
		    realloc(parent->children, room * sizeof(struct yaml_node *));

		if (grown == NULL)
			return err_nomem(e);
		parent->children = grown;
	}
	parent->children[parent->count++] = child;
	return 0;
}

static int attach(struct reader *r, struct yaml_node *n, struct err *e)
{
	struct yaml_node *parent = r->depth > 0 ? r->stack[r->depth - 1] : NULL;

	if (parent == NULL) {
		r->yaml->root = n;
		return 0;
	}
	if (parent->kind == YAML_MAP && r->key == NULL)
		return yaml_error_at(r->yaml, n->at, e,
		    "a key must be one word, not a map or a list");
	n->key = steal(&r->key);
	n->key_at = r->key_at;
	return add_child(parent, n, e);
}

static int take_key(struct reader *r, struct yaml_node *n, struct err *e)
{
	const struct yaml_node *map = r->stack[r->depth - 1];

	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->children[i]->key, n->text) == 0)
			return yaml_error_at(r->yaml, n->at, e,
			    "duplicate key \"%s\" (first in line %d)", n->text,
			    map->children[i]->key_at.line);
	r->key = steal(&n->text);
	r->key_at = n->at;
	return 0;
}

static int set_text(struct yaml_node *n, struct fy_token *token, struct err *e)
{
	size_t len = 0;
	const char *text = token != NULL ? fy_token_get_text(token, &len) : "";

	if (text == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') ||
		    text[i] == 0x7f)
			return yaml_error_at(n->yaml, n->at, e, "control character in a text");
	n->text = malloc(len + 1);
	if (n->text == NULL)
		return err_nomem(e);
	memcpy(n->text, text, len);
	n->text[len] = '\0';
	return 0;
}

static void set_style(struct yaml_node *n, struct fy_token *token)
{
	enum fy_scalar_style style = token != NULL ? fy_token_scalar_style(token) : FYSS_PLAIN;

	n->quoted = style != FYSS_PLAIN && style != FYSS_ANY;
	n->block = style == FYSS_LITERAL || style == FYSS_FOLDED;
	if (n->quoted && !n->block) {
		n->start--;
		n->end++;
		n->at.column--;
	}
}

static int on_scalar(struct reader *r, struct fy_event *event, struct err *e)
{
	bool in_map = r->depth > 0 && r->stack[r->depth - 1]->kind == YAML_MAP;
	struct yaml_node *n = new_node(r, YAML_SCALAR, event);

	if (n == NULL)
		return err_nomem(e);
	set_style(n, event->scalar.value);
	if (set_text(n, event->scalar.value, e) < 0)
		return -1;
	if (in_map && r->key == NULL)
		return take_key(r, n, e);
	return attach(r, n, e);
}

static int on_open(struct reader *r, struct fy_event *event, enum yaml_kind kind, struct err *e)
{
	struct yaml_node *n = new_node(r, kind, event);

	if (n == NULL)
		return err_nomem(e);
	if (attach(r, n, e) < 0)
		return -1;
	if (r->depth == YAML_DEPTH_MAX)
		return yaml_error_at(r->yaml, n->at, e, "more than %d levels deep", YAML_DEPTH_MAX);
	r->stack[r->depth++] = n;
	return 0;
}

/* A block collection's own end mark lies behind the blanks that follow it; its last child's does not. */
static void on_close(struct reader *r, struct fy_event *event)
{
	const struct fy_mark *end = fy_event_end_mark(event);
	struct yaml_node *n = r->stack[--r->depth];
	bool flow = r->text[n->start] == '{' || r->text[n->start] == '[';

	if (flow && end != NULL && end->input_pos > n->start)
		n->end = end->input_pos;
	else if (n->count > 0)
		n->end = n->children[n->count - 1]->end;
}

static int on_document(struct reader *r, struct fy_event *event, struct err *e)
{
	struct fy_document_state *state = event->document_start.document_state;
	struct yaml_mark at = mark_of(fy_event_start_mark(event));

	if (++r->documents > 1)
		return yaml_error_at(r->yaml, at, e, "a second document; a file is one document");
	if (fy_document_state_version_explicit(state) || fy_document_state_tags_explicit(state))
		return yaml_error_at(r->yaml, at, e, "a %% directive; remove it");
	return 0;
}

static bool is_decorated(struct fy_event *event)
{
	return fy_event_get_anchor_token(event) != NULL || fy_event_get_tag_token(event) != NULL;
}

static int on_event(struct reader *r, struct fy_event *event, struct err *e)
{
	struct yaml_mark at = mark_of(fy_event_start_mark(event));

	switch (event->type) {
	case FYET_ALIAS:
		return yaml_error_at(r->yaml, at, e, "an alias; write the value out");
	case FYET_SCALAR:
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		if (is_decorated(event))
			return yaml_error_at(r->yaml, at, e, "an anchor or a tag; remove it");
		if (event->type == FYET_SCALAR)
			return on_scalar(r, event, e);
		return on_open(r, event, event->type == FYET_MAPPING_START ? YAML_MAP : YAML_LIST,
		    e);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		on_close(r, event);
		return 0;
	case FYET_DOCUMENT_START:
		return on_document(r, event, e);
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		return 0;
	}
	return 0;
}

static int read_failed(struct reader *r, struct err *e)
{
	struct yaml_mark at = { 1, 1 };
	struct fy_diag_error *found;
	void *iterator = NULL;

	found = fy_diag_errors_iterate(r->diag, &iterator);
	if (found == NULL || found->msg == NULL)
		return yaml_error_at(r->yaml, at, e, "not YAML");
	if (found->line > 0)
		at = (struct yaml_mark){ found->line, found->column > 0 ? found->column : 1 };
	return yaml_error_at(r->yaml, at, e, "%s", found->msg);
}

static int read_events(struct reader *r, struct err *e)
{
	struct fy_event *event;
	int rc = 0;

	while (rc == 0 && (event = fy_parser_parse(r->parser)) != NULL) {
		rc = on_event(r, event, e);
		fy_parser_event_free(r->parser, event);
	}
	if (rc < 0)
		return rc;
	if (fy_parser_get_stream_error(r->parser) || r->depth > 0)
		return read_failed(r, e);
	if (r->yaml->root == NULL || r->yaml->root->kind != YAML_MAP)
		return yaml_error_at(r->yaml, (struct yaml_mark){ 1, 1 }, e,
		    "not a map of keys to values");
	return 0;
}

static void drop_diagnostics(struct fy_diag *diag, void *user, const char *text, size_t len)
{
	(void)diag;
	(void)user;
	(void)text;
	(void)len;
}

static int reader_open(struct reader *r, size_t len, struct err *e)
{
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
						FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE |
						FYPCF_DISABLE_MMAP_OPT };
	struct fy_diag_cfg quiet;

	fy_diag_cfg_default(&quiet);
	quiet.fp = NULL;
	quiet.output_fn = drop_diagnostics;
	r->diag = fy_diag_create(&quiet);
	if (r->diag == NULL)
		return err_nomem(e);
	fy_diag_set_collect_errors(r->diag, true);
	config.diag = r->diag;
	r->parser = fy_parser_create(&config);
	if (r->parser == NULL || fy_parser_set_string(r->parser, r->text, len) != 0)
		return err_nomem(e);
	return 0;
}

/* libfyaml 0.7.12 crashes when some parsers that met an error are destroyed: those are left to the end
 * of the process, which such an error ends soon. */
static void reader_close(struct reader *r, bool failed)
{
	free(r->key);
	if (failed)
		return;
	if (r->parser != NULL)
		fy_parser_destroy(r->parser);
	if (r->diag != NULL)
		fy_diag_destroy(r->diag);
}

static int read_text(struct yaml *y, const char *text, size_t len, struct err *e)
{
	struct reader r = { .yaml = y, .text = text };
	int rc;

	if (len > YAML_TEXT_MAX)
		return yaml_error_at(y, (struct yaml_mark){ 1, 1 }, e, "longer than %d bytes",
		    YAML_TEXT_MAX);
	if (check_bytes(y, text, len, e) < 0)
		return -1;
	rc = reader_open(&r, len, e);
	if (rc == 0)
		rc = read_events(&r, e);
	reader_close(&r, rc != 0);
	return rc;
}

int yaml_parse(struct yaml **ret, const char *name, const char *text, size_t len, struct err *e)
{
	AUTO_PTR(yaml) *y = calloc(1, sizeof(*y));

	if (y == NULL)
		return err_nomem(e);
	y->name = strdup(name);
	if (y->name == NULL)
		return err_nomem(e);
	if (read_text(y, text, len, e) < 0)
		return -1;
	*ret = steal(&y);
	return 0;
}

void yaml_free(struct yaml *y)
{
	struct yaml_node *before;

	if (y == NULL)
		return;
	for (struct yaml_node *n = y->newest; n != NULL; n = before) {
		before = n->made_before;
		free(n->key);
		free(n->text);
		free(n->children);
		free(n);
	}
	free(y->name);
	free(y);
}
