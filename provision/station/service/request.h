/* What a running station is asked beside control.h's own requests, and by whom. */
#ifndef KILN_REQUEST_H
#define KILN_REQUEST_H

#include "control.h"
#include "people.h"

enum { ACTOR_NAME_MAX = PERSON_NAME_MAX };

/* Who asks: an operator, or a user of this machine ("unix:root" where there are operators). */
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

#endif
