#include "options.h"

#include <string.h>

int shell_quote(const char *text, struct buf *ret, struct err *e)
{
	if (buf_add_u8(ret, '\'', e) != 0)
		return -1;
	for (const char *at = text; *at != '\0'; at++)
		if ((*at == '\'' ? buf_add_str(ret, "'\\''", e) : buf_add(ret, at, 1, e)) != 0)
			return -1;
	return buf_add_u8(ret, '\'', e);
}

static const struct shell_value *find(const struct shell_value *values, const char *name,
    size_t len)
{
	for (const struct shell_value *v = values; v->name != NULL; v++)
		if (strlen(v->name) == len && memcmp(v->name, name, len) == 0)
			return v;
	return NULL;
}

static int unknown(const char *at, const struct shell_value *values, struct err *e)
{
	AUTO_STRUCT(buf) names = { 0 };
	const char *text;

	for (const struct shell_value *v = values; v->name != NULL; v++)
		if (buf_printf(&names, e, " {%s}", v->name) != 0)
			return -1;
	text = buf_str(&names, e);
	if (text == NULL)
		return -1;
	return err_set(e, ERR_CONFIG, "profile",
	    "no template: \"%.20s\"; known here:%s, and {{ }} for braces", at, text);
}

/* The value that the template at the front of text names; *ret_len is how much text that takes. */
static int expand_one(const char *text, const struct shell_value *values, size_t *ret_len,
    struct buf *ret, struct err *e)
{
	const char *end = *text == '{' ? strchr(text, '}') : NULL;
	const struct shell_value *v =
	    end != NULL ? find(values, text + 1, (size_t)(end - text - 1)) : NULL;

	if (v == NULL)
		return unknown(text, values, e);
	*ret_len = (size_t)(end - text) + 1;
	return shell_quote(v->value, ret, e);
}

int shell_expand(const char *text, const struct shell_value *values, struct buf *ret, struct err *e)
{
	size_t step;

	for (const char *at = text; *at != '\0'; at += step) {
		bool brace = *at == '{' || *at == '}';

		step = brace ? 2 : 1;
		if (brace && at[1] != at[0]) {
			if (expand_one(at, values, &step, ret, e) != 0)
				return -1;
		} else if (buf_add(ret, at, 1, e) != 0) {
			return -1;
		}
	}
	return 0;
}
