/* A device while it is plugged: one process on one port, through the resets the device makes. */
#ifndef KILN_TWIN_ATTACHMENT_H
#define KILN_TWIN_ATTACHMENT_H

#include <sys/types.h>

#include "own.h"
#include "twin.h"

/*
 * Starts the process, in a process group of its own, and waits until its port is there. Killing it
 * unplugs the device; it dies with this process. Errors: CONFIG "twin.start".
 */
must_check int attachment_start(const struct twin_family *family, const struct twin_config *config,
    const char *link, pid_t *ret, struct err *e);

#endif
