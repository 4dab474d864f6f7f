/* A device while it is plugged: one process, through the resets the device makes. */
#ifndef KILN_TWIN_ATTACHMENT_H
#define KILN_TWIN_ATTACHMENT_H

#include <sys/types.h>

#include "skin.h"

/*
 * Starts the process, in a process group of its own, and waits until the device can be found. Killing
 * the group unplugs the device; it dies with this process. Errors: CONFIG "twin.start".
 */
must_check int attachment_start(const struct skin_ops *ops, struct skin *skin,
    const struct skin_plug *plug, pid_t *ret, struct err *e);

#endif
