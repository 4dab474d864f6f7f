/*
 * Certificates of the factory where emulated cards are made: a root for all cards of a fleet, a key in
 * each card's slot F9 that it certifies, and what that key signs about the card's other keys. The
 * fleet's folder is the one that the card's own lies in; trust attestation-root.pem there.
 */
#ifndef KILN_TWIN_ISSUE_H
#define KILN_TWIN_ISSUE_H

#include "twin_card.h"

#include "twin.h"

#define TWIN_ROOT_FILE TWIN_ATTESTATION_FILE

/* twin_family's prepare: the fleet's root, where it is missing. */
must_check int twin_issue_prepare(const char *folder, struct err *e);
/* Makes the attestation key and its certificate, and before it the fleet's root, where it is missing. */
must_check int twin_issue_factory(struct twin_card *c, struct err *e);
/* The same of another factory, for the fault: in memory. */
must_check int twin_issue_foreign(struct twin_card *c, struct err *e);
/* What the attestation key says of that one: a certificate over it, appended. */
must_check int twin_issue_attestation(const struct twin_card *c, const struct twin_key *key,
    struct buf *ret, struct err *e);

#endif
