/* The process behind a slot: it serves a device while it is plugged, through the resets the device makes. */
#ifndef KILN_TWIN_ATTACHMENT_H
#define KILN_TWIN_ATTACHMENT_H

#include <sys/types.h>

#include "skin.h"

enum { ATTACHMENT_UNPLUGGED = 3 /* for config's unplugged */ };

struct attachment {
	pid_t pid;           /* 0: there is none */
	int orders, answers; /* pipes to and from it; where there is one */
};

/*
 * Starts the process, in a process group of its own, and waits until the device can be found. It dies with this one.
 * plug and what it points to are read there, plug->config through memory that both have. Errors: CONFIG "twin.start".
 */
must_check int attachment_start(struct attachment *ret, const struct skin_ops *ops,
    struct skin *skin, const struct skin_plug *plug, struct err *e);
/* Unplugs the device, for another to follow. False where the process does not answer: then it is to be ended. */
must_check bool attachment_leave(const struct attachment *a);
/* The device that plug describes now is plugged, after another has left. Errors: CONFIG "twin.start". */
must_check int attachment_follow(const struct attachment *a, struct err *e);
/* Kills the group: what is plugged is unplugged. */
void attachment_end(struct attachment *a);
/* Whether it has ended by itself; what it may have left behind is killed then. */
bool attachment_has_ended(struct attachment *a);

#endif
