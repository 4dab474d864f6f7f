/* The station's signer and enrollers, and what their answers say of the ground it stands on (station.h:
 * station_check_clock, station_check_space, station_note_time). */
#ifndef KILN_STATION_CHILDREN_H
#define KILN_STATION_CHILDREN_H

#include "station.h"

enum { STATION_SIGNERS = 1 };

/* Starts the signer; once it answers the enrollers; hooks.ready is called when both have, or with why
 * they do not. */
must_check int station_start_children(struct station *s, struct err *e);

#endif
