/*
 * How a job goes through the table of steps (step.h): asks, judges, records, and on to the next row, until it
 * is over.
 */
#ifndef KILN_JOB_WALK_H
#define KILN_JOB_WALK_H

#include "job.h"

/* On to the present row: begins it, or waits until it may. */
void job_walk(struct job *j);
/* Asks the present row, having made durable what must be. */
void job_begin(struct job *j);
/* The unit's passage ends here, except for a PASS, which the last row of the table records. */
void job_give_up(struct job *j, const struct err *why);
/* It is over, as the records have it: told, and freed. */
void job_over(struct job *j);

#endif
