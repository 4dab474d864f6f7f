/* Durations of a run, by step and by who took them, from the station's events. */
#ifndef KILN_STATS_H
#define KILN_STATS_H

#include <stdio.h>

#include "json.h"
#include "profile.h"

struct stats;

must_check int stats_new(struct stats **ret, struct err *e);
void stats_free(struct stats *s);
OWNED_PTR(stats, stats_free)

/* Takes what it needs of any event. */
void stats_take(struct stats *s, const json_t *event);
/* Units that have ended, and per hour since the first device arrived. */
long stats_ended(const struct stats *s);
double stats_per_hour(const struct stats *s);
/* Seconds until `total` units have ended at the rate so far; -1 while it is unknown. */
long stats_seconds_left(const struct stats *s, long total);
/* One line for each unit that has ended, the last STATS_UNITS_SHOWN of them: times split by who took them. */
enum { STATS_UNITS_SHOWN = 200 };
void stats_print_units(const struct stats *s, FILE *out);
/* The table: p50 and p95 per step, the shares of device, CA, HSM and station, units per hour. */
void stats_print(const struct stats *s, FILE *out);

#endif
