/*
 * Which scanned label belongs to which unit. Pure: it knows slots by their place in the configuration.
 *
 * With "first" labels are scanned before their units are plugged in: they wait in a queue, and each device
 * that comes takes the oldest; one that comes while none waits takes the next that is scanned. With "after"
 * a scan is of a device that is there already. Either way a scan without a slot goes to the slot that has
 * waited longest since its person was asked, else to the first that came.
 *
 * A label holds for as long as its device stays plugged in, so that a unit that is tried again in its place
 * is not scanned again; one that was wrong does not. A device that bounced out before anything began gives
 * its label back. Labels that wait are not kept over a restart.
 */
#ifndef KILN_SCANS_H
#define KILN_SCANS_H

#include "config.h"
#include "scan_label.h"

enum { SCANS_PENDING_MAX = 16, SCAN_BY_MAX = 128 };

struct scan {
	char text[SCAN_TEXT_MAX + 1], serial[IDENTITY_MAX + 1];
	char by[SCAN_BY_MAX]; /* who scanned it */
};

enum scan_need {
	SCAN_NEED_NONE,
	SCAN_NEED_SOON, /* a device has come, and has no label */
	SCAN_NEED_NOW,  /* ... and its person was asked for it */
};

struct scan_slot {
	enum scan_need need;
	bool has;      /* label is its device's */
	bool is_used;  /* a unit has begun by it */
	bool is_wrong; /* it was another unit's */
	int64_t since; /* counts arrivals, and questions */
	struct scan label;
};

/* Zeroed: nothing is scanned, and no unit waits for it. */
struct scans {
	const struct config *config; /* NULL with order SCAN_NONE */
	enum scan_order order;
	/* Oldest first; what was given back has room too. */
	struct scan pending[SCANS_PENDING_MAX + CONFIG_SLOTS_MAX];
	size_t pending_count;
	struct scan_slot slots[CONFIG_SLOTS_MAX];
	int64_t clock;
};

/* By config->scan; config outlives it. */
void scans_init(struct scans *s, const struct config *config);

/* A device has come into the slot. True where it took a label that waited. */
bool scans_arrived(struct scans *s, size_t slot);
/* The label of the slot's device, or NULL: borrowed until the device leaves. */
const struct scan *scans_of(const struct scans *s, size_t slot);
/* Its person is asked for it now. */
void scans_ask(struct scans *s, size_t slot);
/* Whom the next scan is for where it names no slot: who has waited longest. The number of slots: nobody. */
size_t scans_next(const struct scans *s);
/* Its unit has ended, or was given up. */
void scans_ended(struct scans *s, size_t slot);
/* Its label was another unit's: it is gone when the unit has ended. */
void scans_wrong(struct scans *s, size_t slot);
/* The device has gone. True where its label waits again. */
bool scans_left(struct scans *s, size_t slot);

/*
 * A label was scanned. slot: its name, or NULL. *ret_slot: whose label it is now; config->slot_count: it
 * waits. Errors: OPERATOR "scan.none" (nothing is to be scanned), "slot.unknown", "scan.twice" (it waits, or its
 * unit is there), "scan.nobody", "scan.full".
 */
must_check int scans_take(struct scans *s, const struct scan *scan, const char *slot,
    size_t *ret_slot, struct err *e);
/* A label that waits is taken back. Errors: OPERATOR "scan.unknown". */
must_check int scans_drop(struct scans *s, const char *serial, struct err *e);

#endif
