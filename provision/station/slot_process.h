/*
 * The kiln-slot process of a slot: one for each attachment of a device, which a stem gives.
 */
#ifndef KILN_SLOT_PROCESS_H
#define KILN_SLOT_PROCESS_H

#include "slot.h"

struct slot_process_events {
	struct child_events of; /* once it has the slot's device open; context is the slot */
	/* None can be had, whatever the device. */
	void (*failed)(struct slot *slot, const struct err *why);
};

/* Begins one that opens what is in the slot. events outlives it. */
void slot_process_start(struct slot *slot, const struct slot_process_events *events);
/* Ends it, or what was begun of it, where there is any. */
void slot_process_end(struct slot *slot);
/* A process is ready for each of the station's slots that may get a device next. */
void slot_process_keep(const struct station *s);

#endif
