/* What the hooks are told of a job (station.h). */
#ifndef KILN_JOB_TELL_H
#define KILN_JOB_TELL_H

#include "job.h"

/* Of the present step; why may be NULL. */
void job_tell_step(struct job *j, const char *outcome, const struct err *why);
/* The unit's end: j->outcome, j->verdict. */
void job_tell_unit(struct job *j);

#endif
