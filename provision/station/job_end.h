/* How a job ends without a PASS, and how the next one begins on the same device. */
#ifndef KILN_JOB_END_H
#define KILN_JOB_END_H

#include "job.h"

/* "parked" "refused" "failed" */
const char *job_end_outcome(const struct job *j, const struct err *why);
/* The event that says so; NULL without memory. */
json_t *job_end_record(const struct job *j, const struct err *why);
/* Its device goes now: that is its link's fault. Also where the link has failed, and it waits to try again
 * or for that to be recorded. */
bool job_end_is_by_link(const struct job *j);
/* The unit lost the key that its job is bound to: a new job follows, once in an attachment. */
bool job_end_is_beginning(const struct job *j);
/* That new job knows the device, and nothing of the one that has ended; its row is the claim. */
void job_end_begin_anew(struct job *j);
/* The unit was taken out before that new job began: it is as good as any that was taken out. */
void job_end_between(struct job *j);

#endif
