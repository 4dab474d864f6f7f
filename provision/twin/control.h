/* kiln-twin's channel: JSON lines in, devices plugged and unplugged, JSON lines out. */
#ifndef KILN_TWIN_CONTROL_H
#define KILN_TWIN_CONTROL_H

#include "fleet.h"

/*
 * Greets on out and answers what comes on in until its end, SIGTERM or SIGINT (both blocked by the
 * caller). Errors: CONFIG: the channel is unusable.
 */
must_check int control_run(struct fleet *f, int in, int out, struct err *e);

#endif
