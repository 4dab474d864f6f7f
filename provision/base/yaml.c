#include "yaml_tree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct yaml_node *yaml_root(const struct yaml *y)
{
	return y->root;
}

int yaml_error(const struct yaml_node *n, struct err *e, const char *fmt, ...)
{
	char message[sizeof(e->message)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return yaml_error_at(n->yaml, n->at, e, "%s", message);
}

/* "a, b, c" of a NULL-terminated list; cut where it is too long. */
static void list_names(const char *const names[], char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; names[i] != NULL && used < size; i++) {
		int len = snprintf(ret + used, size - used, "%s%s", i > 0 ? ", " : "", names[i]);

		used += len > 0 ? (size_t)len : 0;
	}
}

static bool is_one_of(const char *text, const char *const names[], int *ret_index)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

static int require_map(const struct yaml_node *n, struct err *e)
{
	if (n->kind != YAML_MAP)
		return yaml_error(n, e, "%s%smust be a map of keys to values",
		    n->key != NULL ? n->key : "", n->key != NULL ? " " : "");
	return 0;
}

int yaml_keys(const struct yaml_node *map, const char *const keys[], struct err *e)
{
	char accepted[300];
	int index;

	if (require_map(map, e) < 0)
		return -1;
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *n = map->children[i];

		if (is_one_of(n->key, keys, &index))
			continue;
		list_names(keys, accepted, sizeof(accepted));
		return yaml_error_at(map->yaml, n->key_at, e, "unknown key \"%.40s\"; accepted: %s",
		    n->key, accepted);
	}
	return 0;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (map == NULL || map->kind != YAML_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->children[i]->key, key) == 0)
			return map->children[i];
	return NULL;
}

static int get_member(const struct yaml_node *map, const char *key, bool required,
    const struct yaml_node **ret, struct err *e)
{
	const struct yaml_node *n;

	if (require_map(map, e) < 0)
		return -1;
	n = yaml_get(map, key);
	if (n == NULL && required)
		return yaml_error(map, e, "key \"%s\" is missing", key);
	*ret = n;
	return 0;
}

int yaml_map(const struct yaml_node *map, const char *key, bool required,
    const struct yaml_node **ret, struct err *e)
{
	const struct yaml_node *n;

	if (get_member(map, key, required, &n, e) < 0 || (n != NULL && require_map(n, e) < 0))
		return -1;
	*ret = n;
	return 0;
}

int yaml_list(const struct yaml_node *map, const char *key, bool required,
    const struct yaml_node **ret, struct err *e)
{
	const struct yaml_node *n;

	if (get_member(map, key, required, &n, e) < 0)
		return -1;
	if (n != NULL && n->kind != YAML_LIST)
		return yaml_error(n, e, "%s must be a list", key);
	*ret = n;
	return 0;
}

bool yaml_is_map(const struct yaml_node *n)
{
	return n->kind == YAML_MAP;
}

bool yaml_is_list(const struct yaml_node *n)
{
	return n->kind == YAML_LIST;
}

size_t yaml_len(const struct yaml_node *list)
{
	return list->count;
}

const struct yaml_node *yaml_at(const struct yaml_node *list, size_t i)
{
	return i < list->count ? list->children[i] : NULL;
}

int yaml_line(const struct yaml_node *n)
{
	return n->at.line;
}

const char *yaml_key_at(const struct yaml_node *map, size_t i)
{
	return i < map->count ? map->children[i]->key : NULL;
}

const struct yaml_node *yaml_value_at(const struct yaml_node *map, size_t i)
{
	return yaml_at(map, i);
}

static size_t digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* [-+]?([.][0-9]+|[0-9]+([.][0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *text)
{
	size_t whole, part = 0;

	text += *text == '-' || *text == '+';
	whole = digits(text);
	text += whole;
	if (*text == '.') {
		part = digits(++text);
		text += part;
	}
	if (whole + part == 0)
		return false;
	if (*text != 'e' && *text != 'E')
		return *text == '\0';
	text++;
	text += *text == '-' || *text == '+';
	return digits(text) > 0 && text[digits(text)] == '\0';
}

static bool is_in_base(const char *text, const char *prefix, const char *accepted)
{
	size_t len;

	if (strncmp(text, prefix, strlen(prefix)) != 0)
		return false;
	text += strlen(prefix);
	len = strspn(text, accepted);
	return len > 0 && text[len] == '\0';
}

/* What YAML 1.2 reads as null, bool or number (core schema, 10.3.2). */
static bool is_text_in_core_schema(const char *text)
{
	static const char *const words[] = { "~", "null", "Null", "NULL", "true", "True", "TRUE",
		"false", "False", "FALSE", ".nan", ".NaN", ".NAN", NULL };
	static const char *const infinite[] = { ".inf", ".Inf", ".INF", NULL };
	int ignored;

	return !is_one_of(text, words, &ignored) &&
	       !is_one_of(text + (*text == '-' || *text == '+'), infinite, &ignored) &&
	       !is_float(text) && !is_in_base(text, "0o", "01234567") &&
	       !is_in_base(text, "0x", "0123456789abcdefABCDEF");
}

static const char *name_of(const struct yaml_node *n)
{
	return n->key != NULL ? n->key : "the value";
}

int yaml_text(const struct yaml_node *n, const char **ret, struct err *e)
{
	if (n->kind != YAML_SCALAR)
		return yaml_error(n, e, "%s must be a text", name_of(n));
	if (!n->quoted && n->text[0] == '\0')
		return yaml_error(n, e, "%s has no value; give one or remove the line", name_of(n));
	if (!n->quoted && !is_text_in_core_schema(n->text))
		return yaml_error(n, e, "%s must be a text; write \"%.60s\" in quotes", name_of(n),
		    n->text);
	*ret = n->text;
	return 0;
}

/* Plain decimal, one spelling for each number: no sign but '-', no leading zero. */
static bool is_decimal(const char *text)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	size_t len = strspn(digits, "0123456789");

	return len > 0 && digits[len] == '\0' && (digits[0] != '0' || (len == 1 && digits == text));
}

int yaml_number(const struct yaml_node *n, int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	long long value;

	if (n->kind != YAML_SCALAR || n->quoted || !is_decimal(n->text))
		return yaml_error(n, e, "%s must be a whole number from %lld to %lld", name_of(n),
		    (long long)min, (long long)max);
	errno = 0;
	value = strtoll(n->text, NULL, 10);
	if (errno != 0 || value < min || value > max)
		return yaml_error(n, e, "%s is %.20s; it must be from %lld to %lld", name_of(n),
		    n->text, (long long)min, (long long)max);
	*ret = value;
	return 0;
}

int yaml_str(const struct yaml_node *map, const char *key, const char *fallback, const char **ret,
    struct err *e)
{
	const struct yaml_node *n;

	if (get_member(map, key, fallback == NULL, &n, e) < 0)
		return -1;
	if (n != NULL)
		return yaml_text(n, ret, e);
	*ret = fallback;
	return 0;
}

int yaml_int(const struct yaml_node *map, const char *key, bool required, int64_t min, int64_t max,
    int64_t *ret, struct err *e)
{
	const struct yaml_node *n;

	if (get_member(map, key, required, &n, e) < 0)
		return -1;
	return n != NULL ? yaml_number(n, min, max, ret, e) : 0;
}

int yaml_bool(const struct yaml_node *map, const char *key, bool required, bool *ret, struct err *e)
{
	static const char *const words[] = { "false", "true", NULL };
	const struct yaml_node *n;
	int index;

	if (get_member(map, key, required, &n, e) < 0)
		return -1;
	if (n == NULL)
		return 0;
	if (n->kind != YAML_SCALAR || n->quoted || !is_one_of(n->text, words, &index))
		return yaml_error(n, e, "%s must be true or false", key);
	*ret = index == 1;
	return 0;
}

int yaml_enum(const struct yaml_node *map, const char *key, bool required,
    const char *const names[], int *ret, struct err *e)
{
	const struct yaml_node *n;
	char accepted[300];
	const char *text;

	if (get_member(map, key, required, &n, e) < 0)
		return -1;
	if (n == NULL)
		return 0;
	if (yaml_text(n, &text, e) < 0)
		return -1;
	if (is_one_of(text, names, ret))
		return 0;
	list_names(names, accepted, sizeof(accepted));
	return yaml_error(n, e, "%s is \"%.40s\"; accepted: %s", key, text, accepted);
}

static const struct yaml_node *find(const struct yaml_node *n, const char *path)
{
	char key[64];

	while (n != NULL && *path == '/') {
		size_t len = strcspn(path + 1, "/");

		if (len >= sizeof(key))
			return NULL;
		memcpy(key, path + 1, len);
		key[len] = '\0';
		if (n->kind == YAML_LIST)
			n = yaml_at(n, strtoul(key, NULL, 10));
		else
			n = yaml_get(n, key);
		path += len + 1;
	}
	return n;
}

/* Where the new value goes, and which bytes it takes the place of. */
static int splice(const char *text, size_t len, size_t start, size_t end, const char *before,
    const char *value, struct buf *ret, struct err *e)
{
	if (buf_add(ret, text, start, e) < 0 || buf_add_str(ret, before, e) < 0 ||
	    buf_add_str(ret, value, e) < 0)
		return -1;
	return buf_add(ret, text + end, len - end, e);
}

int yaml_replace(const char *name, const char *text, size_t len, const char *path,
    const char *value, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) replaced = { 0 };
	AUTO_PTR(yaml) *before = NULL;
	AUTO_PTR(yaml) *after = NULL;
	const struct yaml_node *n;

	if (yaml_parse(&before, name, text, len, e) < 0)
		return -1;
	n = find(before->root, path);
	if (n == NULL || n == before->root)
		return yaml_error(before->root, e, "there is no %s to replace", path);
	if (n->block || n->start == 0 || n->end < n->start || n->end > len)
		return yaml_error(n, e, "%s can not be replaced; write its value in one line",
		    path);
	if (splice(text, len, n->start, n->end, " ", value, &replaced, e) < 0)
		return -1;
	if (yaml_parse(&after, name, (const char *)replaced.data, replaced.len, e) < 0)
		return err_while(e, "replacing %s", path);
	return buf_add(ret, replaced.data, replaced.len, e);
}
