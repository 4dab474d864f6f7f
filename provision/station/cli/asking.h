/* A command's end of the control socket: connects to a running station and asks it, synchronously. */
#ifndef KILN_ASKING_H
#define KILN_ASKING_H

#include "config.h"
#include "line.h"

/* { 0 } is not connected. */
struct asking {
	struct line line;
	int64_t id;
	json_t *greeting;
};

/* Errors: OPERATOR "station.absent" (nobody listens there), "control.peer"; RECORDS never. */
must_check int asking_open(struct asking *a, const struct config *config, struct err *e);
void asking_close(struct asking *a);
OWNED_STRUCT(asking, asking_close)

/* request is taken over; *ret is the "ok" object. What the station tells meanwhile is dropped. */
must_check int asking_ask(struct asking *a, json_t *request, json_t **ret, struct err *e);
/* The next thing that the station tells; *ret is NULL at its end. Blocks until then. */
must_check int asking_hear(struct asking *a, json_t **ret, struct err *e);

#endif
