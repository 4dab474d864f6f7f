/*
 * Devices that refuse the station's secret (family.h, secret_refusals), one after the other. One may have
 * another secret, and that is its own fault; two say that the station's is wrong, and each further device
 * would lose a try by it.
 */
#ifndef KILN_REFUSALS_H
#define KILN_REFUSALS_H

#include "family.h"
#include "streak.h"

enum { REFUSALS_UNITS = 2 };

struct refusals {
	struct streak units; /* since one passed */
	struct err first;
};

/* A unit has ended so; why's domain NONE: it passed. Other ends than these two say nothing of the secret. -1
 * where that is one refusal too many: CONFIG "device.secret", which names both units and codes. */
must_check int refusals_note(struct refusals *r, const struct family *f, const char *serial,
    const struct err *why, struct err *e);

#endif
