#include "statement.h"

#include <string.h>

enum { TEXT_MAX = 512 };

enum type {
	TYPE_GROUP,   /* an object; its members are the rows of that group */
	TYPE_TEXT,    /* no control characters; may be empty: "the device does not say" */
	TYPE_NAME,    /* the same, not empty */
	TYPE_WORD,    /* one of words */
	TYPE_COUNT,   /* an integer from 1 */
	TYPE_FLAG,    /* true or false */
	TYPE_DIGEST,  /* 32 bytes, lower-case hex */
	TYPE_ID,      /* STATEMENT_ID_LEN bytes, lower-case hex */
	TYPE_NUMBER,  /* a certificate's serial number, lower-case hex of 1 to 21 bytes */
	TYPE_VERSION, /* STATEMENT_VERSION */
};

enum need { REQUIRED, OPTIONAL, BY_SIGNER /* required in a signed statement, else refused */ };

static const char *const types[] = { STATEMENT_TYPE, NULL };
static const char *const origins[] = { "on-chip", "unknown", NULL };
static const char *const outcomes[] = { "passed", NULL };
static const char *const time_sources[] = { "ntp", "free-running", "unknown", NULL };

static const struct claim {
	const char *group; /* "" for the statement's own members */
	const char *name;
	enum type type;
	enum need need;
	const char *const *words;
} claims[] = {
	{ "", "typ", TYPE_WORD, REQUIRED, types },
	{ "", "ver", TYPE_VERSION, REQUIRED, NULL },
	{ "", "iat", TYPE_COUNT, REQUIRED, NULL },
	{ "", "jti", TYPE_ID, BY_SIGNER, NULL },
	{ "", "device", TYPE_GROUP, REQUIRED, NULL },
	{ "device", "serial", TYPE_NAME, REQUIRED, NULL },
	{ "device", "model", TYPE_NAME, REQUIRED, NULL },
	{ "device", "firmware", TYPE_TEXT, REQUIRED, NULL },
	{ "device", "lifecycle", TYPE_TEXT, REQUIRED, NULL },
	{ "", "key", TYPE_GROUP, REQUIRED, NULL },
	{ "key", "alg", TYPE_NAME, REQUIRED, NULL },
	{ "key", "spki_sha256", TYPE_DIGEST, REQUIRED, NULL },
	{ "key", "origin", TYPE_WORD, REQUIRED, origins },
	{ "key", "origin_evidence", TYPE_NAME, REQUIRED, NULL },
	{ "key", "pop_verified", TYPE_FLAG, REQUIRED, NULL },
	{ "", "csr_sha256", TYPE_DIGEST, REQUIRED, NULL },
	{ "", "certificate", TYPE_GROUP, REQUIRED, NULL },
	{ "certificate", "sha256", TYPE_DIGEST, REQUIRED, NULL },
	{ "certificate", "issuer", TYPE_NAME, REQUIRED, NULL },
	{ "certificate", "number", TYPE_NUMBER, REQUIRED, NULL },
	{ "", "anchors_sha256", TYPE_DIGEST, OPTIONAL, NULL },
	{ "", "readback_ok", TYPE_FLAG, REQUIRED, NULL },
	{ "", "proof", TYPE_GROUP, REQUIRED, NULL },
	{ "proof", "scheme", TYPE_NAME, REQUIRED, NULL },
	{ "proof", "nonce", TYPE_DIGEST, REQUIRED, NULL },
	{ "proof", "preimage_sha256", TYPE_DIGEST, REQUIRED, NULL },
	{ "proof", "signature_sha256", TYPE_DIGEST, REQUIRED, NULL },
	{ "", "outcome", TYPE_WORD, REQUIRED, outcomes },
	{ "", "profile", TYPE_GROUP, REQUIRED, NULL },
	{ "profile", "product", TYPE_NAME, REQUIRED, NULL },
	{ "profile", "version", TYPE_NAME, REQUIRED, NULL },
	{ "profile", "sha256", TYPE_DIGEST, REQUIRED, NULL },
	{ "", "tool", TYPE_GROUP, REQUIRED, NULL },
	{ "tool", "version", TYPE_NAME, REQUIRED, NULL },
	{ "tool", "build", TYPE_NAME, REQUIRED, NULL },
	{ "", "station", TYPE_GROUP, REQUIRED, NULL },
	{ "station", "id", TYPE_NAME, REQUIRED, NULL },
	{ "station", "slot", TYPE_NAME, REQUIRED, NULL },
	{ "station", "line", TYPE_NAME, OPTIONAL, NULL },
	{ "station", "site", TYPE_NAME, OPTIONAL, NULL },
	{ "", "order", TYPE_GROUP, OPTIONAL, NULL },
	{ "order", "id", TYPE_NAME, REQUIRED, NULL },
	{ "order", "ordinal", TYPE_COUNT, REQUIRED, NULL },
	{ "order", "quantity", TYPE_COUNT, REQUIRED, NULL },
	{ "", "operator", TYPE_NAME, OPTIONAL, NULL },
	{ "", "chain", TYPE_GROUP, REQUIRED, NULL },
	{ "chain", "station", TYPE_NAME, REQUIRED, NULL },
	{ "chain", "seq", TYPE_COUNT, REQUIRED, NULL },
	{ "chain", "head", TYPE_DIGEST, REQUIRED, NULL },
	{ "", "time_source", TYPE_WORD, REQUIRED, time_sources },
};

static bool is_text(const json_t *v, size_t min)
{
	const char *s = json_string_value(v);
	size_t len = json_is_string(v) ? json_string_length(v) : 0;

	if (!json_is_string(v) || len < min || len > TEXT_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

static bool is_word(const json_t *v, const char *const words[])
{
	for (; json_is_string(v) && *words != NULL; words++)
		if (strcmp(json_string_value(v), *words) == 0)
			return true;
	return false;
}

static bool is_hex(const json_t *v, size_t min, size_t max)
{
	size_t len = json_is_string(v) ? json_string_length(v) : 0;

	return len % 2 == 0 && len / 2 >= min && len / 2 <= max &&
	       strspn(json_string_value(v), "0123456789abcdef") == len;
}

static bool is_type(const json_t *v, const struct claim *c)
{
	switch (c->type) {
	case TYPE_GROUP:
		return json_is_object(v);
	case TYPE_TEXT:
		return is_text(v, 0);
	case TYPE_NAME:
		return is_text(v, 1);
	case TYPE_WORD:
		return is_word(v, c->words);
	case TYPE_COUNT:
		return json_is_integer(v) && json_integer_value(v) >= 1;
	case TYPE_FLAG:
		return json_is_boolean(v);
	case TYPE_DIGEST:
		return is_hex(v, SHA256_LEN, SHA256_LEN);
	case TYPE_ID:
		return is_hex(v, STATEMENT_ID_LEN, STATEMENT_ID_LEN);
	case TYPE_NUMBER:
		return is_hex(v, 1, 21);
	case TYPE_VERSION:
		return json_is_integer(v) && json_integer_value(v) == STATEMENT_VERSION;
	}
	return false;
}

static int refuse(const char *group, const char *name, const char *why, enum err_domain domain,
    struct err *e)
{
	return err_set(e, domain, "statement", "claim \"%s%s%s\" of a statement %s", group,
	    group[0] != '\0' ? "." : "", name, why);
}

static const struct claim *claim_find(const char *group, const char *name)
{
	for (size_t i = 0; i < COUNT(claims); i++)
		if (strcmp(claims[i].group, group) == 0 && strcmp(claims[i].name, name) == 0)
			return &claims[i];
	return NULL;
}

static int no_unknown(const char *group, const json_t *object, enum err_domain domain,
    struct err *e)
{
	json_t *members = (json_t *)(uintptr_t)object; /* jansson's iterators only read it */

	for (void *i = json_object_iter(members); i != NULL; i = json_object_iter_next(members, i))
		if (claim_find(group, json_object_iter_key(i)) == NULL)
			return refuse(group, json_object_iter_key(i), "is unknown", domain, e);
	return 0;
}

static int check_claim(const json_t *object, const struct claim *c, enum statement_stage stage,
    enum err_domain domain, struct err *e)
{
	const json_t *v = json_object_get(object, c->name);

	if (v != NULL && c->need == BY_SIGNER && stage == STATEMENT_REQUESTED)
		return refuse(c->group, c->name, "is the signer's to make", domain, e);
	if (v == NULL &&
	    (c->need == REQUIRED || (c->need == BY_SIGNER && stage == STATEMENT_SIGNED)))
		return refuse(c->group, c->name, "is missing", domain, e);
	if (v == NULL)
		return 0;
	if (!is_type(v, c))
		return refuse(c->group, c->name, "has a wrong type or value", domain, e);
	return c->type == TYPE_GROUP ? no_unknown(c->name, v, domain, e) : 0;
}

/* Rules that bind two claims. */
static int check_sense(const json_t *statement, enum err_domain domain, struct err *e)
{
	const json_t *order = json_object_get(statement, "order");
	const json_t *station = json_object_get(statement, "station");

	if (order != NULL && json_opt_int(order, "ordinal", 0) > json_opt_int(order, "quantity", 0))
		return refuse("order", "ordinal", "is beyond the quantity", domain, e);
	if (strcmp(json_opt_str(station, "id", ""), statement_chain(statement).station) != 0)
		return refuse("chain", "station", "is not the statement's station", domain, e);
	return 0;
}

int statement_check(const json_t *statement, enum statement_stage stage, enum err_domain domain,
    struct err *e)
{
	if (!json_is_object(statement))
		return err_set(e, domain, "statement", "a statement is not an object");
	if (no_unknown("", statement, domain, e) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(claims); i++) {
		const struct claim *c = &claims[i];
		const json_t *object =
		    c->group[0] == '\0' ? statement : json_object_get(statement, c->group);

		/* A group that is optional and absent has no members to miss. */
		if (object != NULL && check_claim(object, c, stage, domain, e) != 0)
			return -1;
	}
	return check_sense(statement, domain, e);
}

int statement_parse(const uint8_t *bytes, size_t len, json_t **ret, enum err_domain domain,
    struct err *e)
{
	AUTO(json_t) *statement = NULL;
	AUTO_STRUCT(buf) canonical = { 0 };

	if (len > STATEMENT_MAX)
		return err_set(e, domain, "statement", "a statement is longer than %d bytes",
		    STATEMENT_MAX);
	if (json_parse((const char *)bytes, len, &statement, domain, e) != 0 ||
	    statement_check(statement, STATEMENT_SIGNED, domain, e) != 0 ||
	    json_canonical(statement, &canonical, e) != 0)
		return -1;
	if (canonical.len != len || memcmp(canonical.data, bytes, len) != 0)
		return err_set(e, domain, "statement", "a statement is not in its canonical form");
	*ret = steal(&statement);
	return 0;
}

struct statement_chain statement_chain(const json_t *statement)
{
	const json_t *chain = json_object_get(statement, "chain");

	return (struct statement_chain){
		.station = json_opt_str(chain, "station", ""),
		.seq = json_opt_int(chain, "seq", 0),
		.head = json_opt_str(chain, "head", ""),
	};
}
