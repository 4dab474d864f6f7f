/*
 * Who may work at the station, and as what: operators.yaml, written by kiln operator.
 *
 *   badge_salt: "$y$..."            one for all badges, so that a scan costs one hash
 *   operators:
 *     - { name: eva, role: engineer, badge: "$y$...", pin: "$y$..." }     one of the two, or both
 *
 * Hashes are yescrypt's (crypt(5)). Looking somebody up costs one hash, whether or not there is such a
 * person: some 50 ms.
 */
#ifndef KILN_PEOPLE_H
#define KILN_PEOPLE_H

#include <stddef.h>

#include "buf.h"
#include "err.h"
#include "own.h"
#include "secret.h"

enum {
	PEOPLE_MAX = 512,
	PERSON_NAME_MAX = 64,
	PERSON_PIN_MIN = 4,
	PERSON_BADGE_MIN = 4,
	PERSON_SECRET_MAX = 128,
	PERSON_HASH_MAX = 128,
};

/* Each may do what those before it may. */
enum role { ROLE_NONE, ROLE_OPERATOR, ROLE_ENGINEER };
/* "none", "operator", "engineer". */
const char *role_name(enum role role);
/* ROLE_NONE where there is none of that name. */
enum role role_parse(const char *name);

struct person {
	char name[PERSON_NAME_MAX + 1];
	enum role role;                  /* never NONE */
	char badge[PERSON_HASH_MAX + 1]; /* hashes; "" where there is none */
	char pin[PERSON_HASH_MAX + 1];
};

struct people;

/* Nobody. cost is yescrypt's, 1 to 11; 0 for what the library holds right. */
must_check int people_new(struct people **ret, int cost, struct err *e);
/*
 * Errors: CONFIG "operator.file" (it is not there), "file", "file.mode" (others than its owner may read or write it), "yaml"
 * ("file:line:col: ..."; no message quotes a hash).
 */
must_check int people_load(struct people **ret, const char *path, struct err *e);
/* Atomically, mode 0600. */
must_check int people_save(const struct people *p, const char *path, struct err *e);
void people_free(struct people *p);
OWNED_PTR(people, people_free)

size_t people_count(const struct people *p);
const struct person *people_at(const struct people *p, size_t i);
const struct person *people_find(const struct people *p, const char *name);

/* 1 to 64 bytes of UTF-8 that print, no blank at an end, no ':' (unix:root is no operator). OPERATOR
 * "operator.name". */
must_check int people_check_name(const char *name, struct err *e);
/*
 * badge and pin: NULL or empty where the person has none, but not both. Errors: OPERATOR "operator.name",
 * "operator.exists", "operator.badge" (too short, or another person's), "operator.pin" (too short),
 * "operator.many".
 */
must_check int people_add(struct people *p, const char *name, enum role role,
    const struct secret *badge, const struct secret *pin, struct err *e);
/* OPERATOR "operator.absent". */
must_check int people_remove(struct people *p, const char *name, struct err *e);

/* Who has this badge, or this name and PIN; *ret is NULL where it is nobody. -1 where memory ran out. */
must_check int people_by_badge(const struct people *p, const struct secret *badge,
    const struct person **ret, struct err *e);
must_check int people_by_pin(const struct people *p, const char *name, const struct secret *pin,
    const struct person **ret, struct err *e);

#endif
