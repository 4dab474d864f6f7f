/*
 * What a job owes the records: a step that is done, and whose loss does no harm, becomes durable with the
 * next record that something must not happen before (step.h: owes). One commit then does for several.
 */
#ifndef KILN_JOB_OWED_H
#define KILN_JOB_OWED_H

#include "job.h"

/* j->record, which is moved, is owed from now on. */
must_check int job_owe(struct job *j, struct err *e);
/* j->record, which is to be submitted, takes along what is owed. */
void job_pay(struct job *j);
/* The job is to wait for others, who knows how long: what is owed must be durable before. */
bool job_must_pay(const struct job *j);
/* What is owed becomes j->record by itself. */
void job_pay_alone(struct job *j);
/* j->record came back, and something that was owed with it is refused. */
bool job_owed_refused(const struct job *j);
/* Where j->record came back refused: the row that failed is that whose step it says. */
void job_owed_blame(struct job *j);
void job_owed_free(struct job *j);

#endif
