#include "deed_text.h"

#include <string.h>

/* Members that are not known are not passed on, and not passed over either. */
static int check_members(const json_t *body, struct err *e)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)body, key, value)
	{
		if (strcmp(key, "do") != 0 && strcmp(key, "reason") != 0)
			return err_set(e, ERR_OPERATOR, "console.unknown",
			    "a request has \"do\" and \"reason\", and no \"%.40s\"", key);
	}
	return 0;
}

int deed_parse(const char *text, size_t len, json_t **ret, struct err *e)
{
	AUTO(json_t) *body = NULL;
	const char *what, *reason = NULL;

	if (json_parse(text, len, &body, ERR_OPERATOR, e) != 0 || check_members(body, e) != 0 ||
	    json_get_str(body, "do", &what, ERR_OPERATOR, e) != 0)
		return -1;
	if (json_object_get(body, "reason") != NULL &&
	    json_get_str(body, "reason", &reason, ERR_OPERATOR, e) != 0)
		return -1;
	if (strcmp(what, "stop") != 0 && strcmp(what, "start") != 0)
		return err_set(e, ERR_OPERATOR, "console.unknown",
		    "\"do\" is \"stop\" or \"start\"");
	*ret = json_pack("{s:s, s:s*}", "do", what, "reason", reason);
	return *ret != NULL ? 0 : err_nomem(e);
}
