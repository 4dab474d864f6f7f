#include "profile_read.h"

#include <string.h>

#include <openssl/objects.h>

bool profile_is_one_of(const char *text, const char *const names[])
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++)
		if (strcmp(text, names[i]) == 0)
			return true;
	return false;
}

/* Digits and dots in the one spelling that a dotted identifier has. */
static bool is_dotted(const char *text)
{
	const char *p = text;
	size_t arcs = 0;

	for (;; p++) {
		size_t digits = strspn(p, "0123456789");

		if (digits == 0 || (p[0] == '0' && digits > 1))
			return false;
		arcs++;
		p += digits;
		if (*p == '\0')
			return arcs >= 3 && p - text <= 128;
		if (*p != '.')
			return false;
	}
}

bool profile_is_oid(const char *text)
{
	ASN1_OBJECT *oid = is_dotted(text) ? OBJ_txt2obj(text, 1) : NULL;
	bool is_oid = oid != NULL;

	ASN1_OBJECT_free(oid);
	return is_oid;
}

static int refuse_word(const struct yaml_node *n, const char *word, const char *const names[],
    bool oids, struct err *e)
{
	char accepted[300] = "";
	size_t used = 0;

	for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
		size_t len = strlen(names[i]);

		if (used + len + 3 > sizeof(accepted))
			break;
		memcpy(accepted + used, names[i], len);
		memcpy(accepted + used + len, ", ", 3);
		used += len + 2;
	}
	if (oids)
		return profile_error(n, e,
		    "\"%.40s\" is unknown; accepted: %san object identifier (1.2.3)", word,
		    accepted);
	accepted[used > 2 ? used - 2 : 0] = '\0';
	return profile_error(n, e, "\"%.40s\" is unknown; accepted: %s", word, accepted);
}

int profile_read_words(const struct yaml_node *map, const char *key, bool required,
    const char *const names[], bool oids, const char *ret[static PROFILE_LIST_MAX], struct err *e)
{
	const struct yaml_node *list;
	size_t count;

	if (yaml_list(map, key, required, &list, e) < 0)
		return -1;
	count = list != NULL ? yaml_len(list) : 0;
	if (count >= PROFILE_LIST_MAX)
		return profile_error(list, e, "%s has more than %d entries", key,
		    PROFILE_LIST_MAX - 1);
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *n = yaml_at(list, i);
		const char *word;

		if (yaml_text(n, &word, e) < 0)
			return -1;
		if (!profile_is_one_of(word, names) && !(oids && profile_is_oid(word)))
			return refuse_word(n, word, names, oids, e);
		if (profile_is_one_of(word, ret))
			return profile_error(n, e, "%s is there twice", word);
		ret[i] = word;
	}
	return 0;
}
