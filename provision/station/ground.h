/*
 * The ground a station works on: a clock that tells the time and a disk with room. Where it is not
 * sound nothing new is made; it is looked at again at the next unit, so what is mended heals by itself.
 * Pure: times and free bytes are the caller's.
 */
#ifndef KILN_GROUND_H
#define KILN_GROUND_H

#include <stdint.h>

#include "err.h"
#include "own.h"

enum {
	GROUND_CLOCK_MS = 300 * 1000, /* what clocks may differ by: smaller jumps never matter */
	GROUND_FREE_MIB = 64,         /* several shifts of records */
	GROUND_LOW_MIB = 4 * GROUND_FREE_MIB,
};

struct ground {
	/* Wall ms at which something was made last, by the records or by a check here; 0: not known. */
	int64_t made_ms;
	/* What the CA's clock said, and when that was (monotonic ms); 0: not known. */
	int64_t ca_ms, ca_now_ms;
};

/* The CA's answer that came at now_ms (monotonic) bore this date. What is no time (0 or less) says nothing. */
void ground_ca_said(struct ground *g, int64_t ca_ms, int64_t now_ms);

/* May something be made at this wall time? CONFIG "clock.backwards" where it is long before what was made
 * already, "clock.ca" where the CA's clock says another time. Both times are in the message. */
must_check int ground_check_clock(struct ground *g, int64_t wall_ms, int64_t now_ms, struct err *e);
/* RECORDS "records.space": too little is left on the disk of the records to begin another unit. */
must_check int ground_check_space(uint64_t free_bytes, const char *path, struct err *e);

enum ground_space { GROUND_SPACE_UP, GROUND_SPACE_LOW, GROUND_SPACE_DOWN };
/* How it stands before that. *ret_why: RECORDS "records.space-low" or "records.space", domain NONE for up. */
enum ground_space ground_space(uint64_t free_bytes, const char *path, struct err *ret_why);

#endif
