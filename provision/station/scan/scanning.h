/*
 * What becomes of scanned labels at the station: they find their units (scans.h), units that wait for them go
 * on, and whoever listens is told, by events "station" whose `pending` is what waits now ([{text, serial}]):
 *   what  "scanned"        text serial by [slot]   slot: of the unit it is for; without it waits for one
 *         "label-taken"    text serial by slot     a device came and took one that waited
 *         "label-back"     text serial by slot     a plug bounced: its label waits again
 *         "label-dropped"  serial by               a person took one back
 * Nobody scans for a batch: units wait for labels only after scanning_begin.
 */
#ifndef KILN_SCANNING_H
#define KILN_SCANNING_H

#include "slot.h"

/* From now on units need their labels, as station.yaml says. Before anything is armed. */
void scanning_begin(struct station *s);

/* For slots: a device came; nothing more is done with it; it left. */
void scanning_arrived(struct slot *slot);
void scanning_ended(struct slot *slot);
void scanning_left(struct slot *slot);

/*
 * by scanned a label. slot: name, or NULL. *ret: the answer {serial, slot (null: it waits for its unit)}.
 * Errors: OPERATOR "scan.text", "scan.label", "scan.held" (nothing begins), "station.ending", and scans_take's.
 */
must_check int scanning_take(struct station *s, const char *text, const char *slot, const char *by,
    json_t **ret, struct err *e);
/* ... and takes one back that waits. Errors: OPERATOR "scan.text", "scan.label", "scan.unknown". */
must_check int scanning_drop(struct station *s, const char *text, const char *by, struct err *e);

/* [{text, serial}], the oldest first; owned by the caller. */
json_t *scanning_pending(const struct scans *s);

#endif
