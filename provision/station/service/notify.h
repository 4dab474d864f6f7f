/* What a service says to its manager (sd_notify(3)): that it is ready, alive, and what it does. */
#ifndef KILN_NOTIFY_H
#define KILN_NOTIFY_H

#include <stdint.h>

#include "err.h"

/*
 * Sends state ("READY=1", "WATCHDOG=1", "STATUS=...") to $NOTIFY_SOCKET. Nothing where there is none.
 * Errors: CONFIG "notify".
 */
int notify_send(const char *state, struct err *e);

/* How often WATCHDOG=1 is to be sent (half of what the manager waits), ms; 0 where it does not watch. */
int64_t notify_watchdog_ms(void);

#endif
