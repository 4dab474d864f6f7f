/*
 * A gate on the station's loop, and the queue before it: jobs go in one by one, first come, first
 * served; one timer for all of them. Tells and records when an outage begins and ends.
 */
#ifndef KILN_DOOR_H
#define KILN_DOOR_H

#include <event2/event.h>

#include "err.h"
#include "gate.h"
#include "own.h"

struct job;
struct station;
struct door;

/* name: "ca", "hsm"; with it the events begin. title is for people. Both and the station outlive the
 * door. */
must_check int door_open(struct door **ret, struct station *s, const char *name, const char *title,
    const struct gate_terms *terms, struct err *e);
void door_close(struct door *d);
OWNED_PTR(door, door_close)

/* True where the job may ask now; it then holds j->pass. Else it waits in the queue: job_let_in or
 * job_turned_away is called from the loop, never before this returns. */
must_check bool door_enter(struct door *d, struct job *j);
/* door_enter would be true. */
bool door_is_free(const struct door *d);
/* The job no longer waits, or gives back its pass: nothing came of it. Nothing where neither is so. */
void door_leave(struct door *d, struct job *j);
/* What the job, which holds a pass, got for an answer (gate.h). */
void door_worked(struct door *d, struct job *j);
/* stays: the job waits for the next try where anybody may. True where an outage begins by it. */
bool door_failed(struct door *d, struct job *j, enum gate_cause cause, const struct err *why,
    int64_t retry_ms, bool stays);
/* A child behind the door runs again. */
void door_mended(struct door *d);
/* Nobody is to wait through an outage any more. */
void door_dismiss(struct door *d);

/* Why nobody may ask now; NULL while he answers. */
const struct err *door_why(const struct door *d);
/* Waiting makes no more sense: a unit that was refused itself is parked. */
bool door_gives_up(const struct door *d);

#endif
