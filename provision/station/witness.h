/*
 * Who else remembers how far the records of this station were: the checkpoint beside them (records.h
 * compares with that one by itself) and the signer's position. Records that are behind either are an
 * old copy, and nothing is written into them.
 */
#ifndef KILN_WITNESS_H
#define KILN_WITNESS_H

#include "config.h"
#include "records.h"

/* What the signer remembers of this station's chain; seq 0 where it has attested nothing. Errors: HSM
 * "signer.state" where its file can not be read. */
must_check int witness_position(const struct config *c, struct records_place *ret, struct err *e);

/*
 * Opens the records for writing, as the configured station, once both witnesses hold. A checkpoint
 * that is missing or torn (a power cut) is no reason to stop where the signer's position holds, or
 * nothing was ever attested.
 * Errors: those of records_open; RECORDS "records.restored", "records.unwitnessed" (neither is there).
 */
must_check int witness_open(struct records **ret, const struct config *c, bool create,
    struct err *e);
/* Records that the checkpoint was missing or damaged, where it was; the records go on from there. */
must_check int witness_note(struct records *r, struct err *e);

#endif
