#include "look_text.h"

#include <string.h>

static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

/* The value of the only member of a query. NULL where it is another one, or not the only one. */
static const char *value_of(const char *query, const char *name)
{
	size_t len = strlen(name);

	if (query == NULL || strncmp(query, name, len) != 0 || query[len] != '=' ||
	    strpbrk(query, "&;#") != NULL)
		return NULL;
	return query + len + 1;
}

/* False where it is too long, or not printable: then nobody's serial. */
static bool decode(const char *text, char ret[static LOOK_SERIAL_MAX + 1])
{
	size_t len = 0;

	while (*text != '\0') {
		uint8_t byte = (uint8_t)*text;
		char digits[3] = { 0 };

		if (*text == '%') {
			memcpy(digits, text + 1, strnlen(text + 1, 2));
			if (!hex_decode(digits, &byte, 1))
				return false;
			text += 2;
		}
		text++;
		if (byte < 0x20 || byte > 0x7e || len == LOOK_SERIAL_MAX)
			return false;
		ret[len++] = (char)byte;
	}
	ret[len] = '\0';
	return len > 0;
}

static int parse_serial(const char *what, const char *query, json_t **ret, struct err *e)
{
	const char *value = value_of(query, "serial");
	char serial[LOOK_SERIAL_MAX + 1];

	if (value == NULL || !decode(value, serial))
		return err_set(e, ERR_OPERATOR, "console.query",
		    "/%s is asked with ?serial= and 1 to %d printable characters", what,
		    LOOK_SERIAL_MAX);
	*ret = json_pack("{s:s, s:s}", "do", what, "serial", serial);
	return *ret != NULL ? 0 : err_nomem(e);
}

static int parse_hours(const char *what, const char *query, json_t **ret, struct err *e)
{
	const char *value = value_of(query, "hours");
	int hours = 0;

	if (query != NULL && query[0] != '\0') {
		if (value == NULL || value[0] == '\0' || strlen(value) > 2 ||
		    strspn(value, "0123456789") != strlen(value))
			return err_set(e, ERR_OPERATOR, "console.query",
			    "/%s is asked with nothing or ?hours=N", what);
		for (; *value != '\0'; value++)
			hours = 10 * hours + (*value - '0');
	}
	*ret = json_pack("{s:s, s:i}", "do", what, "hours", hours);
	return *ret != NULL ? 0 : err_nomem(e);
}

int look_parse(const char *what, const char *query, json_t **ret, struct err *e)
{
	return strcmp(what, "trend") == 0 ? parse_hours(what, query, ret, e)
					  : parse_serial(what, query, ret, e);
}

void look_file_name(const char *text, char *ret, size_t size)
{
	size_t len = 0;

	for (; text[len] != '\0' && len < size - 1; len++)
		ret[len] = strchr(plain, text[len]) != NULL ? text[len] : '_';
	if (len == 0 || ret[0] == '.')
		ret[0] = '_';
	ret[len > 0 ? len : 1] = '\0';
}
