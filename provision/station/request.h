/* What a running station is asked beside control.h's own requests, and by whom. */
#ifndef KILN_REQUEST_H
#define KILN_REQUEST_H

#include "control.h"

enum { ACTOR_NAME_MAX = 64 };

/* Each may do what those before it may. */
enum role { ROLE_NONE, ROLE_OPERATOR, ROLE_ENGINEER };

/* Who asks. */
struct actor {
	char name[ACTOR_NAME_MAX + 1];
	enum role role;
};

struct service;

struct request_kind {
	const char *name; /* "do" */
	enum role needs;
	/*
	 * Takes the question over where it returns 0, and answers it now or later. Where it returns -1
	 * the question is refused with e. by is gone when it returns.
	 */
	int (*run)(struct service *s, struct control_question *q, const struct actor *by,
	    struct err *e);
};

/* The table, NULL name at the end. */
extern const struct request_kind request_kinds[];

/* "operator", "engineer"; "none". */
const char *role_name(enum role role);

#endif
