#include "address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ADDRESS_KEYS_MAX where there is no such key. */
static size_t find_key(const char *const keys[], const char *name, size_t len)
{
	for (size_t i = 0; i < ADDRESS_KEYS_MAX && keys[i] != NULL; i++)
		if (strlen(keys[i]) == len && strncmp(keys[i], name, len) == 0)
			return i;
	return ADDRESS_KEYS_MAX;
}

static int refuse_key(const char *text, const char *const keys[], const char *setting, size_t len,
    struct err *e)
{
	bool two = keys[0] != NULL && keys[1] != NULL;

	return err_set(e, ERR_LINK, "link.address", "'%s': unknown setting '%.*s'; known is %s%s%s",
	    text, (int)len, setting, keys[0] != NULL ? keys[0] : "none", two ? ", " : "",
	    two ? keys[1] : "");
}

/* "key=value" of that length */
static int parse_setting(const char *text, const char *const keys[], const char *setting,
    size_t len, struct address *ret, struct err *e)
{
	size_t name = strcspn(setting, "=&");
	size_t i = find_key(keys, setting, name);

	if (i == ADDRESS_KEYS_MAX)
		return refuse_key(text, keys, setting, name, e);
	if (ret->values[i][0] != '\0')
		return err_set(e, ERR_LINK, "link.address", "'%s': %s is set twice", text, keys[i]);
	if (name + 1 >= len || len - name - 1 > ADDRESS_VALUE_MAX)
		return err_set(e, ERR_LINK, "link.address",
		    "'%s': %s= has a value of 1 to %d characters", text, keys[i],
		    ADDRESS_VALUE_MAX);
	memcpy(ret->values[i], setting + name + 1, len - name - 1);
	return 0;
}

int address_parse(const char *text, const char *const keys[static ADDRESS_KEYS_MAX],
    struct address *ret, struct err *e)
{
	const char *where = strchr(text, ':') + 1; /* transport_open has seen the scheme */
	size_t len = strcspn(where, "?");
	const char *at = where + len;

	*ret = (struct address){ 0 };
	if (len == 0 || len > ADDRESS_WHERE_MAX)
		return err_set(e, ERR_LINK, "link.address",
		    "'%s': 1 to %d characters must say where, after the colon", text,
		    ADDRESS_WHERE_MAX);
	memcpy(ret->where, where, len);
	while (*at != '\0') { /* at ? or & */
		size_t setting = strcspn(at + 1, "&");

		if (parse_setting(text, keys, at + 1, setting, ret, e) != 0)
			return -1;
		at += 1 + setting;
	}
	return 0;
}

int address_number(const char *text, const char *key, const char *value, long min, long max,
    long *ret, struct err *e)
{
	char *end = NULL;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (*value < '0' || *value > '9' || errno != 0 || *end != '\0' || number < min ||
	    number > max)
		return err_set(e, ERR_LINK, "link.address",
		    "'%s': %s is not a number from %ld to %ld", text, key, min, max);
	*ret = number;
	return 0;
}
