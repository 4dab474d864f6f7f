/* The parts of the profile loader, one file each. Private to profile*.c. */
#ifndef KILN_PROFILE_READ_H
#define KILN_PROFILE_READ_H

#include "profile.h"

/* "name:line:col: <fmt>", domain CONFIG, code "profile". Returns -1. */
int profile_error(const struct yaml_node *n, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The text is one word of a NULL-terminated list / a dotted object identifier. */
bool profile_is_one_of(const char *text, const char *const names[]);
bool profile_is_oid(const char *text);

/* map[key] is a list of different texts, each one of names (may be NULL) or, with oids, an object
 * identifier. ret has room for PROFILE_LIST_MAX with the NULL at the end. */
must_check int profile_read_words(const struct yaml_node *map, const char *key, bool required,
    const char *const names[], bool oids, const char *ret[static PROFILE_LIST_MAX], struct err *e);

/* The sections: `identity`; `subject` and `san`; `certificate`; `trust`. */
must_check int profile_read_identity(struct profile *p, const struct yaml_node *root,
    struct err *e);
must_check int profile_read_subject(struct profile *p, const struct yaml_node *root, struct err *e);
must_check int profile_read_san(struct profile *p, const struct yaml_node *root, struct err *e);
must_check int profile_read_certificate(struct profile *p, const struct yaml_node *root,
    struct err *e);
must_check int profile_read_trust(struct profile *p, const struct yaml_node *root, struct err *e);
void profile_free_identity(struct profile *p);
void profile_free_trust(struct profile *p);

#endif
