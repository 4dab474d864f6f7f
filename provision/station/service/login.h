/*
 * Who a badge, or a name and a PIN, belongs to: one after the other, and the slower the more were wrong.
 * Nobody is ever locked out: whoever guesses makes the next ones wait, up to LOGIN_DELAY_MAX_MS.
 */
#ifndef KILN_LOGIN_H
#define KILN_LOGIN_H

#include <event2/event.h>

#include "json.h"
#include "people.h"

enum {
	LOGIN_QUEUE_MAX = 4,
	LOGIN_DELAY_MS =
	    500, /* before the next one after the first that was wrong; then twice that */
	LOGIN_DELAY_MAX_MS = 8000,
	LOGIN_PATIENCE_MS = 9000, /* whoever would wait longer is refused: its client does not */
	LOGIN_FORGET_MS = 600000, /* without a wrong one: they are counted anew */
	LOGIN_REST = 4,           /* times as long as a look-up took, before the next one */
	LOGIN_REST_MAX_MS = 1000,
};

/* What a person shows. */
struct credential {
	char name[PERSON_NAME_MAX + 1]; /* "" with a badge */
	struct secret badge, pin;
};
void credential_free(struct credential *c);
OWNED_STRUCT(credential, credential_free)

/* {"badge"} or {"name", "pin"}, whose texts are wiped in object. Errors: OPERATOR "operator.credential". No
 * message quotes anything of it. */
must_check int credential_read(struct credential *ret, json_t *object, struct err *e);

struct login;

/* Reads the file of operators, and again whenever it has changed. Errors: as people_load. */
must_check int login_new(struct login **ret, struct event_base *loop, const char *path,
    struct err *e);
/* Whoever waits is told OPERATOR "station.ending". */
void login_free(struct login *l);
OWNED_PTR(login, login_free)

/* who is borrowed until it returns; or NULL and why: OPERATOR "operator.unknown" (the same for whatever is
 * wrong), an error of the file. */
typedef void login_done(void *context, const struct person *who, const struct err *why);

/*
 * Takes what c holds. done is called once, from the loop, after as long as the wrong ones before it demand. Where this returns -1 it is never called: OPERATOR "operator.busy" (too many at once, or
 * too long to wait).
 */
must_check int login_try(struct login *l, struct credential *c, login_done *done, void *context,
    struct err *e);

/* How many were wrong, with less than LOGIN_FORGET_MS between them; right ones among them or not. */
unsigned login_failures(const struct login *l);

#endif
