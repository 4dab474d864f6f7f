#include "people.h"

#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "file.h"
#include "json.h"
#include "people_internal.h"

enum { FILE_MAX = 512 * 1024 };

static const char method[] = "$y$";
static const char *const role_names[] = { "none", "operator", "engineer", NULL };

const char *role_name(enum role role)
{
	return role_names[role];
}

enum role role_parse(const char *name)
{
	for (int i = ROLE_OPERATOR; role_names[i] != NULL; i++)
		if (strcmp(role_names[i], name) == 0)
			return (enum role)i;
	return ROLE_NONE;
}

/* What holds the secret meanwhile is wiped by whoever frees it. */
static int hash(const char *secret, const char *setting, char ret[static PERSON_HASH_MAX + 1],
    struct err *e)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *text = data != NULL ? crypt_r(secret, setting, data) : NULL;
	int why = data != NULL ? errno : ENOMEM;
	size_t len = text != NULL ? strlen(text) : 0;

	if (len > 0 && text[0] != '*' && len <= PERSON_HASH_MAX)
		memcpy(ret, text, len + 1);
	else
		len = 0;
	if (data != NULL)
		explicit_bzero(data, sizeof(*data));
	free(data);
	if (len > 0)
		return 0;
	if (why == ENOMEM)
		return err_nomem(e);
	return err_set(e, ERR_CONFIG, "operator.hash",
	    "the file of operators has a hash that can not be used");
}

/* A new salt with its method and cost. */
static int make_setting(int cost, char ret[static PERSON_HASH_MAX + 1], struct err *e)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (crypt_gensalt_rn(method, (unsigned long)cost, NULL, 0, setting, sizeof(setting)) ==
		NULL ||
	    strlen(setting) > PERSON_HASH_MAX)
		return err_errno(e, ERR_CONFIG, "random", "making a salt");
	(void)snprintf(ret, PERSON_HASH_MAX + 1, "%s", setting);
	return 0;
}

bool people_is_hash(const char *text)
{
	size_t len = strlen(text);

	return strncmp(text, method, strlen(method)) == 0 && len <= PERSON_HASH_MAX &&
	       crypt_checksalt(text) == CRYPT_SALT_OK;
}

int people_new(struct people **ret, int cost, struct err *e)
{
	AUTO_PTR(people) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	p->cost = cost;
	if (make_setting(cost, p->badge_salt, e) != 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

void people_free(struct people *p)
{
	free(p->list);
	free(p);
}

int people_load(struct people **ret, const char *path, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (access(path, F_OK) != 0 && errno == ENOENT)
		return err_set(e, ERR_CONFIG, "operator.file", "there is no %s", path);
	if (file_read_private(path, FILE_MAX, &text, e) != 0)
		return -1;
	return people_parse(ret, path, (const char *)text.data, text.len, e);
}

size_t people_count(const struct people *p)
{
	return p->count;
}

const struct person *people_at(const struct people *p, size_t i)
{
	return &p->list[i];
}

const struct person *people_find(const struct people *p, const char *name)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->list[i].name, name) == 0)
			return &p->list[i];
	return NULL;
}

/* UTF-8 without C0, DEL, C1. */
static bool does_print(const char *name)
{
	AUTO(json_t) *text = json_string(name); /* NULL where it is no UTF-8 */

	for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] < 0xa0))
			return false;
	return text != NULL;
}

int people_check_name(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len > PERSON_NAME_MAX)
		return err_set(e, ERR_OPERATOR, "operator.name",
		    "an operator's name has 1 to %d bytes", PERSON_NAME_MAX);
	if (name[0] == ' ' || name[len - 1] == ' ' || strchr(name, ':') != NULL ||
	    !does_print(name))
		return err_set(e, ERR_OPERATOR, "operator.name",
		    "an operator's name is printable text without a blank at its ends or a ':'");
	return 0;
}

int people_put(struct people *p, const struct person *who, struct err *e)
{
	struct person *list;

	if (p->count == PEOPLE_MAX)
		return err_set(e, ERR_OPERATOR, "operator.many", "there is room for %d operators",
		    PEOPLE_MAX);
	list = realloc(p->list, (p->count + 1) * sizeof(*list));
	if (list == NULL)
		return err_nomem(e);
	p->list = list;
	p->list[p->count++] = *who;
	return 0;
}

const struct person *people_with_hash(const struct people *p, const char *badge)
{
	const struct person *found = NULL;
	size_t len = strlen(badge);

	for (size_t i = 0; i < p->count; i++)
		if (strlen(p->list[i].badge) == len &&
		    CRYPTO_memcmp(p->list[i].badge, badge, len) == 0)
			found = &p->list[i];
	return found;
}

static bool has(const struct secret *s)
{
	return s != NULL && secret_len(s) > 0;
}

static int check_length(const struct secret *s, size_t min, const char *code, const char *what,
    struct err *e)
{
	if (secret_len(s) < min || secret_len(s) > PERSON_SECRET_MAX)
		return err_set(e, ERR_OPERATOR, code, "a %s has %zu to %d characters", what, min,
		    PERSON_SECRET_MAX);
	return 0;
}

static int set_badge(const struct people *p, struct person *who, const struct secret *badge,
    struct err *e)
{
	if (check_length(badge, PERSON_BADGE_MIN, "operator.badge", "badge", e) != 0 ||
	    hash(secret_reveal(badge), p->badge_salt, who->badge, e) != 0)
		return -1;
	if (people_with_hash(p, who->badge) != NULL)
		return err_set(e, ERR_OPERATOR, "operator.badge",
		    "this badge is another operator's");
	return 0;
}

static int set_pin(const struct people *p, struct person *who, const struct secret *pin,
    struct err *e)
{
	char setting[PERSON_HASH_MAX + 1];

	if (check_length(pin, PERSON_PIN_MIN, "operator.pin", "PIN", e) != 0 ||
	    make_setting(p->cost, setting, e) != 0)
		return -1;
	return hash(secret_reveal(pin), setting, who->pin, e);
}

int people_add(struct people *p, const char *name, enum role role, const struct secret *badge,
    const struct secret *pin, struct err *e)
{
	struct person who = { .role = role };

	if (people_check_name(name, e) != 0)
		return -1;
	if (people_find(p, name) != NULL)
		return err_set(e, ERR_OPERATOR, "operator.exists",
		    "there is an operator of this name");
	if (!has(badge) && !has(pin))
		return err_set(e, ERR_OPERATOR, "operator.pin",
		    "an operator needs a badge or a PIN");
	(void)snprintf(who.name, sizeof(who.name), "%s", name);
	if ((has(badge) && set_badge(p, &who, badge, e) != 0) ||
	    (has(pin) && set_pin(p, &who, pin, e) != 0))
		return -1;
	return people_put(p, &who, e);
}

int people_remove(struct people *p, const char *name, struct err *e)
{
	const struct person *who = people_find(p, name);
	size_t i = who != NULL ? (size_t)(who - p->list) : 0;

	if (who == NULL)
		return err_set(e, ERR_OPERATOR, "operator.absent",
		    "there is no operator of this name");
	memmove(&p->list[i], &p->list[i + 1], (p->count - i - 1) * sizeof(p->list[0]));
	p->count--;
	return 0;
}

int people_by_badge(const struct people *p, const struct secret *badge, const struct person **ret,
    struct err *e)
{
	char text[PERSON_HASH_MAX + 1];

	if (hash(secret_reveal(badge), p->badge_salt, text, e) != 0)
		return -1;
	*ret = people_with_hash(p, text);
	return 0;
}

/* Whoever is not there, or has no PIN, costs a hash too: of a PIN that nobody has. */
int people_by_pin(const struct people *p, const char *name, const struct secret *pin,
    const struct person **ret, struct err *e)
{
	const struct person *who = people_find(p, name);
	bool known = who != NULL && who->pin[0] != '\0';
	const char *setting = known ? who->pin : p->badge_salt;
	char text[PERSON_HASH_MAX + 1];

	if (hash(secret_reveal(pin), setting, text, e) != 0)
		return -1;
	*ret = known && strlen(text) == strlen(setting) &&
		       CRYPTO_memcmp(text, setting, strlen(text)) == 0
		   ? who
		   : NULL;
	return 0;
}
