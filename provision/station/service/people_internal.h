/* What people.c and people_file.c share. */
#ifndef KILN_PEOPLE_INTERNAL_H
#define KILN_PEOPLE_INTERNAL_H

#include <stdbool.h>

#include "people.h"

struct people {
	int cost;
	char badge_salt[PERSON_HASH_MAX + 1];
	struct person *list;
	size_t count;
};

/* As people_load, of a text. */
must_check int people_parse(struct people **ret, const char *name, const char *text, size_t len,
    struct err *e);
/* Adds whoever was judged good. OPERATOR "operator.many". */
must_check int people_put(struct people *p, const struct person *who, struct err *e);
/* Whose badge has this hash; "" is nobody's. */
const struct person *people_with_hash(const struct people *p, const char *badge);
/* A hash or a setting of the one method. */
bool people_is_hash(const char *text);

#endif
