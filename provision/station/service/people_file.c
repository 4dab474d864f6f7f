/* operators.yaml as a text: read strictly, written anew as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "people_internal.h"
#include "yaml.h"

/* A scalar that is a hash; "" where it is absent and not required. */
static int read_hash(const struct yaml_node *map, const char *key, bool required,
    char ret[static PERSON_HASH_MAX + 1], struct err *e)
{
	const char *text;

	if (yaml_str(map, key, required ? NULL : "", &text, e) != 0)
		return -1;
	if (yaml_get(map, key) != NULL && !people_is_hash(text))
		return yaml_error(yaml_get(map, key), e, "%s is no hash that kiln operator writes",
		    key);
	(void)snprintf(ret, PERSON_HASH_MAX + 1, "%s", text);
	return 0;
}

/* Under the salt of all badges, or a scan would never find it. */
static int check_badge(const struct people *p, const struct yaml_node *map,
    const struct person *who, struct err *e)
{
	size_t len = strlen(p->badge_salt);

	if (who->badge[0] == '\0')
		return 0;
	if (strncmp(who->badge, p->badge_salt, len) != 0 || who->badge[len] != '$')
		return yaml_error(yaml_get(map, "badge"), e,
		    "this badge's hash has another salt than badge_salt");
	if (people_with_hash(p, who->badge) != NULL)
		return yaml_error(yaml_get(map, "badge"), e, "this badge is another operator's");
	return 0;
}

static int read_name(const struct people *p, const struct yaml_node *map, struct person *who,
    struct err *e)
{
	struct err why = { 0 };
	const char *name;

	if (yaml_str(map, "name", NULL, &name, e) != 0)
		return -1;
	if (people_check_name(name, &why) != 0)
		return yaml_error(yaml_get(map, "name"), e, "%s", why.message);
	if (people_find(p, name) != NULL)
		return yaml_error(yaml_get(map, "name"), e, "there is an operator of this name");
	(void)snprintf(who->name, sizeof(who->name), "%s", name);
	return 0;
}

static int read_person(struct people *p, const struct yaml_node *map, struct err *e)
{
	static const char *const keys[] = { "name", "role", "badge", "pin", NULL };
	static const char *const roles[] = { "operator", "engineer", NULL };
	struct person who = { 0 };
	int role = 0;

	if (yaml_keys(map, keys, e) != 0 || read_name(p, map, &who, e) != 0 ||
	    yaml_enum(map, "role", true, roles, &role, e) != 0 ||
	    read_hash(map, "badge", false, who.badge, e) != 0 ||
	    read_hash(map, "pin", false, who.pin, e) != 0)
		return -1;
	who.role = role == 0 ? ROLE_OPERATOR : ROLE_ENGINEER;
	if (who.badge[0] == '\0' && who.pin[0] == '\0')
		return yaml_error(map, e, "an operator needs a badge or a PIN");
	if (check_badge(p, map, &who, e) != 0)
		return -1;
	return people_put(p, &who, e);
}

/* badge_salt is the beginning of a hash, which ends before the '$' that the hash itself follows. */
static int check_salt(const struct people *p, const struct yaml_node *root, struct err *e)
{
	const char *salt = strrchr(p->badge_salt, '$');
	size_t dollars = 0;

	for (const char *c = p->badge_salt; *c != '\0'; c++)
		dollars += *c == '$';
	if (dollars == 3 && salt[1] != '\0')
		return 0;
	return yaml_error(yaml_get(root, "badge_salt"), e,
	    "badge_salt is no salt that kiln operator writes");
}

static int read_list(struct people *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "badge_salt", "operators", NULL };
	const struct yaml_node *list;

	if (yaml_keys(root, keys, e) != 0 ||
	    read_hash(root, "badge_salt", true, p->badge_salt, e) != 0 ||
	    check_salt(p, root, e) != 0 || yaml_list(root, "operators", true, &list, e) != 0)
		return -1;
	if (yaml_len(list) > PEOPLE_MAX)
		return yaml_error(list, e, "there is room for %d operators", PEOPLE_MAX);
	for (size_t i = 0; i < yaml_len(list); i++)
		if (read_person(p, yaml_at(list, i), e) != 0)
			return -1;
	return 0;
}

int people_parse(struct people **ret, const char *name, const char *text, size_t len, struct err *e)
{
	AUTO_PTR(people) *p = calloc(1, sizeof(*p));
	AUTO_PTR(yaml) *y = NULL;

	if (p == NULL)
		return err_nomem(e);
	if (yaml_parse(&y, name, text, len, e) != 0 || read_list(p, yaml_root(y), e) != 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

/* As a double-quoted scalar; names hold no control characters. */
static int add_quoted(struct buf *text, const char *key, const char *value, struct err *e)
{
	if (buf_printf(text, e, "%s: \"", key) != 0)
		return -1;
	for (const char *c = value; *c != '\0'; c++)
		if (((*c == '"' || *c == '\\') && buf_add_u8(text, '\\', e) != 0) ||
		    buf_add_u8(text, (uint8_t)*c, e) != 0)
			return -1;
	return buf_add_u8(text, '"', e);
}

static int add_hash(struct buf *text, const char *key, const char *hash, struct err *e)
{
	if (hash[0] == '\0')
		return 0;
	return buf_printf(text, e, ",\n      %s: \"%s\"", key, hash);
}

static int write_person(struct buf *text, const struct person *who, struct err *e)
{
	if (buf_printf(text, e, "  - { ") != 0 || add_quoted(text, "name", who->name, e) != 0 ||
	    buf_printf(text, e, ", role: %s", role_name(who->role)) != 0 ||
	    add_hash(text, "badge", who->badge, e) != 0 || add_hash(text, "pin", who->pin, e) != 0)
		return -1;
	return buf_printf(text, e, " }\n");
}

int people_save(const struct people *p, const char *path, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (buf_printf(&text, e,
		"# Written by kiln operator. It holds hashes of badges and PINs: nobody but the\n"
		"# station's user may read it.\n"
		"badge_salt: \"%s\"\noperators:%s\n",
		p->badge_salt, p->count == 0 ? " []" : "") != 0)
		return -1;
	for (size_t i = 0; i < p->count; i++)
		if (write_person(&text, &p->list[i], e) != 0)
			return -1;
	return file_write(path, text.data, text.len, 0600, e);
}
