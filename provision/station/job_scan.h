/* A job and the label of its unit. Private to the job, its steps and scanning.c. */
#ifndef KILN_JOB_SCAN_H
#define KILN_JOB_SCAN_H

#include "job.h"

/* True where the unit is to be claimed now, and its label is not scanned: it waits for that. Its time does
 * not count. */
bool job_must_scan(struct job *j);
/* It waits for that. */
bool job_waits_for_scan(const struct job *j);
/* Its slot has a label now; where it waits, it goes on. */
void job_scanned(struct job *j);

/* The label of its unit, or NULL. Borrowed. */
const struct scan *job_label(const struct job *j);
/* The label says what the chip says. Errors: OPERATOR "scan.mismatch", "scan.needed" (the station's: parked). */
must_check int job_check_label(struct job *j, struct err *e);

#endif
