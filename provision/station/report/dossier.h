/*
 * What the records hold of one unit, as one object for a screen. Everything in it is of the records: what a
 * judge has passed is said because the event that only a passed judge records is there.
 *
 *   v             1
 *   serial, model
 *   status        of the newest job ("open" "parked" "passed" "failed" "refused"), or "scrapped", or
 *                 "turned-away": it never had a job
 *   jobs          newest first, at most DOSSIER_JOBS_MAX:
 *     job, status, station, slot, model, firmware, lifecycle, profile (sha256), product, version, order,
 *     ordinal, opened_at, ended_at, step (the furthest done), spki, csr (digests), attempts_made
 *     operator    who was signed in at the last claim, where the records say it
 *     retest, rework (bools: an earlier job failed and none passed; an earlier job passed)
 *     passages    how often it was claimed: 1 plus the times it went on
 *     whole_ms    of what passed: since it was claimed last
 *     spent       {device, ca, hsm, station}: ms of the last passage, station (what is left) where it passed
 *     steps       [{step, who, ms, at, passage}] that were done, oldest first. To identify and to claim
 *                 are no events with a time of their own: they are in the station's part
 *     checks      [{judge, step, at, passed: [ids], warnings: [{id, message}]}]: which checks a judge has
 *                 passed in the last passage that asked it; an id is the code that an error would have had
 *     attempts    [{attempt, at, state, answered_at, message}] of enrolment
 *     parks       [{at, error}]
 *     error       why it is not passed
 *     origin_evidence  the scheme of the chip's own word on its key, where that was judged good
 *     certificate {subject, issuer, number, sha256, spki, key, not_before, not_after, sans, test_ca, read_back
 *                 (bool: the device stores it), chain: [{subject, sha256}], trust: {issuer,
 *                 intermediates, anchors, attestation: [{subject, sha256}]}}; trust is the profile's
 *   turned_away   [{at, slot, station, error}]: never got as far as a job
 *   orphans       as records_orphans
 *   decisions     [{what, at, by, reason}]: rework and scrap
 *   counts        {jobs, retests, reworks}
 *   left_out      how many entries of lists were too many; the newest are there. kiln log has them all
 *
 * An error has domain, scope, code, message, retry, and advice: what to do. Members without a value are absent.
 */
#ifndef KILN_DOSSIER_H
#define KILN_DOSSIER_H

#include "records.h"

enum { DOSSIER_JOBS_MAX = 6 };

/* *ret is owned by the caller. Errors: OPERATOR "unit.unknown"; as of records.h. */
must_check int dossier_make(struct records *r, const char *serial, json_t **ret, struct err *e);

/* The parts. job is as records_job gives it; *ret NULL where it has no certificate. */
must_check int dossier_certificate(struct records *r, const json_t *job, json_t **ret,
    struct err *e);
/* The checks that an event stands for, to be put into list, which belongs to one job: what a judge is asked
 * again replaces what it was asked before. */
must_check int dossier_add_checks(json_t *list, const json_t *event, struct err *e);

#endif
