/* How a job waits: for a time, or at the door of whom all jobs ask. */
#ifndef KILN_JOB_WAIT_H
#define KILN_JOB_WAIT_H

#include "door.h"
#include "job.h"

/* The door of whom the present row asks; NULL for the device and the records. */
struct door *job_door(const struct job *j);
/* True where it queues at the present row's door: job_let_in or job_turned_away will be called. */
must_check bool job_must_queue(struct job *j);
/*
 * What the answer, judged so, says of who gave it: opens or closes his door for all. pause_ms is what he
 * asks for. Returns the verdict; FAIL for a unit whose own question brings him down again and again.
 */
must_check enum verdict job_report(struct job *j, enum verdict verdict, int64_t pause_ms,
    const struct err *why);

/* Who waits for the CA or the HSM needs no device meanwhile; nobody waits without one, nor when all
 * leave. */
bool job_may_wait(const struct job *j);
/* The timer calls for the present row again. why may be of domain NONE. */
void job_wait_for(struct job *j, int64_t ms, const struct err *why);
/* As job_wait_for, and tells nobody. */
void job_wait_ms(struct job *j, int64_t ms);
/* It waits no more; the time counts as that of whom it waited for. */
void job_wait_ended(struct job *j);
/* What the slot's process answered means that its device has left (see job_slot_away). */
bool job_says_away(const struct err *said);

#endif
