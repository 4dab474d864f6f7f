/* The shifts of a station: stretches of the local day that people work in, and the periods they make. */
#ifndef KILN_SHIFT_H
#define KILN_SHIFT_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "own.h"
#include "yaml.h"
#include "zone.h"

enum { SHIFTS_MAX = 24, SHIFT_NAME_MAX = 64 };

/* Minutes of the local day. Where end is not after begin, it ends on the next day. */
struct shift {
	const char *name; /* borrowed from the configuration */
	int begin, end;
};

struct shifts {
	struct shift list[SHIFTS_MAX];
	size_t count; /* 0: the configuration has none */
};

/* shifts: [{ name, from: "HH:MM", to: "HH:MM" }], which may be absent. They do not overlap, so that no unit
 * counts in two. Errors as yaml. */
must_check int shifts_load(struct shifts *ret, const struct yaml_node *root, struct err *e);

/* A stretch of wall time, [from, to). */
struct shift_span {
	const struct shift *shift;
	int64_t from_ms, to_ms;
};
/* The shift on the day it begins. A day on which the clock is changed makes it longer or shorter. */
struct shift_span shift_on(const struct shift *s, struct zone_day day);
/*
 * The one that runs at now_ms; with a name, the latest of that name that has begun. Errors CONFIG
 * "shift.none" (the configuration has none), OPERATOR "shift.unknown" (the error lists the names),
 * "shift.off" (none runs now).
 */
must_check int shift_find(const struct shifts *shifts, const char *name, int64_t now_ms,
    struct shift_span *ret, struct err *e);
/* By its name; errors as above. */
must_check int shift_named(const struct shifts *shifts, const char *name, const struct shift **ret,
    struct err *e);

#endif
