/* What the kernel says when a device comes or goes: a reason to look, no more is read of it. */
#ifndef KILN_UEVENT_H
#define KILN_UEVENT_H

/* A descriptor that can be read when something has changed, or -1: then only looking finds out. */
int uevent_open(void);
/* Takes all that has been said. Never blocks. */
void uevent_drain(int fd);

#endif
