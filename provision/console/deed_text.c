#include "deed_text.h"

#include <string.h>

enum { MEMBERS_MAX = 4 };

static const struct deed_row {
	const char *what, *members[MEMBERS_MAX]; /* beside "do" and "as" */
} rows[] = {
	{ "stop", { "reason" } },
	{ "start", { NULL } },
	{ "pause", { "slot" } },
	{ "resume", { "slot" } },
	{ "operator", { "badge", "name", "pin", "off" } },
	{ "scan", { "text", "slot", "off" } },
	{ "retest", { "slot", "serial", "reason" } },
	{ "acknowledge", { "slot" } },
	{ "release", { "reason" } },
	{ "label", { "serial", "reason" } },
};

static const struct deed_row as_row = { "as", { "badge", "name", "pin" } };

static const struct deed_row *find_row(const char *what)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].what, what) == 0)
			return &rows[i];
	return NULL;
}

static bool has_member(const struct deed_row *row, const char *key)
{
	for (size_t i = 0; i < MEMBERS_MAX && row->members[i] != NULL; i++)
		if (strcmp(row->members[i], key) == 0)
			return true;
	return false;
}

/* "off" is yes or no, any other a text. */
static int check_member(const struct deed_row *row, const char *key, const json_t *value,
    struct err *e)
{
	if (!has_member(row, key))
		return err_set(e, ERR_OPERATOR, "console.unknown",
		    "the request \"%s\" has no \"%.40s\"", row->what, key);
	if (strcmp(key, "off") == 0 ? !json_is_boolean(value) : !json_is_string(value))
		return err_set(e, ERR_OPERATOR, "json", "\"%s\" is of another type", key);
	return 0;
}

static int check_as(const json_t *as, struct err *e)
{
	const char *key;
	json_t *value;

	if (!json_is_object(as))
		return err_set(e, ERR_OPERATOR, "json", "\"as\" is of another type");
	json_object_foreach((json_t *)(uintptr_t)as, key, value)
	{
		if (check_member(&as_row, key, value, e) != 0)
			return -1;
	}
	return 0;
}

/* Members that are not known are not passed on, and not passed over either. */
static int check_members(const struct deed_row *row, const json_t *body, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)body, key, value)
	{
		if (strcmp(key, "do") == 0)
			continue;
		if (strcmp(key, "as") == 0 ? check_as(value, e) != 0
					   : check_member(row, key, value, e) != 0)
			return -1;
	}
	return 0;
}

int deed_parse(const char *text, size_t len, json_t **ret, struct err *e)
{
	AUTO(json_t) *body = NULL;
	const struct deed_row *row;
	const char *what;

	if (json_parse(text, len, &body, ERR_OPERATOR, e) != 0 ||
	    json_get_str(body, "do", &what, ERR_OPERATOR, e) != 0)
		return -1;
	row = find_row(what);
	if (row == NULL)
		return err_set(e, ERR_OPERATOR, "console.unknown",
		    "a browser may not ask for \"%.40s\"", what);
	if (check_members(row, body, e) != 0)
		return -1;
	*ret = steal(&body);
	return 0;
}
