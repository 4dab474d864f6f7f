/* What a unit's label says, by the records: a reprint is the same label again. */
#ifndef KILN_LABEL_UNIT_H
#define KILN_LABEL_UNIT_H

#include "config.h"
#include "label.h"
#include "profile.h"
#include "records.h"

/*
 * Appends the label of a unit. Errors: OPERATOR "label.none" (it has not passed, or is scrapped); CONFIG
 * "label.value"; RECORDS. Reads a few rows.
 */
must_check int label_of_unit(const struct label *l, struct records *r, const char *serial,
    struct buf *ret, struct err *e);
/* The label of a unit as this profile would make one; with no profile, for looking whether the station can
 * fill it. CONFIG "label.value": {order} without an order. */
must_check int label_of_example(const struct label *l, const struct config *config,
    const struct profile *p, struct buf *ret, struct err *e);

#endif
