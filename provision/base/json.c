#include "json.h"

#include <string.h>

/* Depth of the deepest nesting, read before jansson recurses on it. */
static size_t depth(const char *text, size_t len)
{
	size_t level = 0, deepest = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++level > deepest)
				deepest = level;
		} else if ((c == '}' || c == ']') && level > 0) {
			level--;
		}
	}
	return deepest;
}

/* jansson ends its texts with the token it stopped at: that may be a secret, and it goes. */
static int refuse(const json_error_t *why, enum err_domain domain, struct err *e)
{
	static const char quote[] = " near '";
	const char *end = strstr(why->text, quote);
	int len = end != NULL ? (int)(end - why->text) : (int)strlen(why->text);

	return err_set(e, domain, "json", "not JSON: %.*s at column %d", len, why->text,
	    why->column);
}

int json_parse(const char *text, size_t len, json_t **ret, enum err_domain domain, struct err *e)
{
	AUTO(json_t) *value = NULL;
	json_error_t why;

	if (depth(text, len) > JSON_DEPTH_MAX)
		return err_set(e, domain, "json", "JSON nests deeper than %d levels",
		    JSON_DEPTH_MAX);
	value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (value == NULL)
		return refuse(&why, domain, e);
	if (!json_is_object(value))
		return err_set(e, domain, "json", "not a JSON object");
	*ret = steal(&value);
	return 0;
}

static int wrong(const char *key, const char *want, enum err_domain domain, struct err *e)
{
	return err_set(e, domain, "json", "member \"%s\" is missing or is not %s", key, want);
}

int json_get_str(const json_t *object, const char *key, const char **ret, enum err_domain domain,
    struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v))
		return wrong(key, "a string", domain, e);
	*ret = json_string_value(v);
	return 0;
}

int json_get_int(const json_t *object, const char *key, int64_t *ret, enum err_domain domain,
    struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_integer(v))
		return wrong(key, "an integer", domain, e);
	*ret = json_integer_value(v);
	return 0;
}

int json_get_bool(const json_t *object, const char *key, bool *ret, enum err_domain domain,
    struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_boolean(v))
		return wrong(key, "true or false", domain, e);
	*ret = json_is_true(v);
	return 0;
}

int json_get_object(const json_t *object, const char *key, json_t **ret, enum err_domain domain,
    struct err *e)
{
	json_t *v = json_object_get(object, key);

	if (!json_is_object(v))
		return wrong(key, "an object", domain, e);
	*ret = v;
	return 0;
}

int json_get_bytes(const json_t *object, const char *key, struct buf *ret, enum err_domain domain,
    struct err *e)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v))
		return wrong(key, "base64 text", domain, e);
	buf_clear(ret);
	if (base64_decode(json_string_value(v), json_string_length(v), ret, domain, e) != 0)
		return err_while(e, "member \"%s\"", key);
	return 0;
}

const char *json_opt_str(const json_t *object, const char *key, const char *fallback)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t json_opt_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(object, key);

	return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool json_opt_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *v = json_object_get(object, key);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

int json_set_new(json_t *object, const char *key, json_t *value, struct err *e)
{
	if (value == NULL || json_object_set_new(object, key, value) != 0)
		return err_nomem(e);
	return 0;
}

int json_set_str(json_t *object, const char *key, const char *value, struct err *e)
{
	if (value == NULL)
		return 0;
	return json_set_new(object, key, json_string(value), e);
}

int json_set_int(json_t *object, const char *key, int64_t value, struct err *e)
{
	return json_set_new(object, key, json_integer(value), e);
}

int json_set_bool(json_t *object, const char *key, bool value, struct err *e)
{
	return json_set_new(object, key, json_boolean(value), e);
}

int json_set_bytes(json_t *object, const char *key, const uint8_t *data, size_t len, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (base64_encode(data, len, &text, e) != 0)
		return -1;
	return json_set_new(object, key, json_stringn((const char *)text.data, text.len), e);
}

int json_set_hex(json_t *object, const char *key, const uint8_t *data, size_t len, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	uint8_t *room = buf_room(&text, 2 * len + 1, e);

	if (room == NULL)
		return -1;
	hex_encode(data, len, (char *)room);
	return json_set_new(object, key, json_stringn((const char *)room, 2 * len), e);
}

static int add_to_buf(const char *data, size_t len, void *buf)
{
	struct err ignored = { 0 }; /* json_dump_callback reports only that it failed */

	return buf_add(buf, data, len, &ignored);
}

int json_canonical(const json_t *value, struct buf *ret, struct err *e)
{
	if (json_dump_callback(value, add_to_buf, ret, JSON_COMPACT | JSON_SORT_KEYS) != 0)
		return err_nomem(e);
	return 0;
}

json_t *json_from_err(const struct err *source)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b}", "domain", err_domain_name(source->domain),
	    "scope", err_scope_name(source->scope), "code", source->code, "message",
	    source->message, "retry", source->retry);
}

int json_to_err(const json_t *object, struct err *ret)
{
	enum err_domain domain = ERR_CONFIG;
	const char *code = json_opt_str(object, "code", "");
	enum err_scope scope;

	if (!err_domain_parse(json_opt_str(object, "domain", ""), &domain) || domain == ERR_NONE)
		return err_set(ret, ERR_CONFIG, "json", "an error without a domain was reported");
	(void)err_set(ret, domain, code[0] != '\0' ? code : "unknown", "%s",
	    json_opt_str(object, "message", "no message"));
	scope = ret->scope;
	if (err_scope_parse(json_opt_str(object, "scope", ""), &scope))
		ret->scope = scope;
	ret->retry = json_opt_bool(object, "retry", false);
	return -1;
}
