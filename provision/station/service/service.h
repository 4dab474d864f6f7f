/* The station as a service: slots always armed, a control socket, and whoever asks is told. */
#ifndef KILN_SERVICE_H
#define KILN_SERVICE_H

#include <event2/event.h>

#include "json.h"

struct service_options {
	const char *config; /* path of station.yaml */
	/* What happens, as station.h's hooks; and once everything is armed. */
	void (*event)(void *context, const json_t *event);
	void *context;
};

/*
 * Runs until SIGTERM or SIGINT (the first finishes what is in flight, the second ends now), or until the
 * station breaks: then *ret_why says why (domain NONE else). Beside control.h's own requests it answers
 *
 *   stop  {reason}   nothing begins any more; units in flight go on, what is plugged in waits
 *   start {}         ... and begins
 *   pause {slot?}    the same without a reason, and for one slot alone
 *   resume {slot?}   ... and begins; also opens a slot that its failures have closed
 *   operator {badge} or {name, pin}   signs on, in place of who was on: {name, role}
 *   operator {off: true}              signs off
 *   label {serial, reason?}           prints a unit's label again: {serial, waiting, printer "up" "down"}; its
 *                                     event comes when the printer has it
 *
 * each but label an event of the records before it is answered. Who does it: without operators (station.yaml) the user
 * of the client's process; with them whoever is signed on, or for this one request "as" {badge} or {name,
 * pin}. The command line of root and of the station's own user acts as an engineer ("unix:root"); a console
 * says "via" and does not.
 *
 *   scan {text, slot?}       a label was scanned (scanning.h): {serial, slot or null}
 *   scan {text, off: true}   one that waits for its unit is taken back
 *
 * are no events of their own: the unit's claim, or what it was turned away for, says label and person. From
 * the records, and no events either:
 *
 *   unit     {serial}  dossier.h
 *   evidence {serial}  {serial, name, tar}: a tar file in base64 (evidence.h)
 *   trend    {hours}   how the line does: of a report of the shift that runs (or of the last 8 hours, or of so many,
 *                      at most 24) its made, period, units, yields, jobs, rate, steps, split, bottleneck and
 *                      outages; failures and waits {list, others (times)}; shift (its name, or null)
 *
 * Returns -1 where it could not begin.
 */
must_check int service_run(struct event_base *loop, const struct service_options *options,
    struct err *ret_why, bool *ret_aborted, struct err *e);

#endif
