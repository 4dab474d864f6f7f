/* The steps of a job, as one const table: who is asked what, how the answer is judged, how often. */
#ifndef KILN_STEP_H
#define KILN_STEP_H

#include "job.h"

struct step {
	enum step_id id;
	enum who who;
	unsigned tries; /* how often the row may be asked where the error says retry */
	/* True where this unit does not need the row. May be NULL. */
	bool (*skip)(const struct job *j);
	/* How long not to ask at all (ms, 0: ask), because an earlier passage was told so, and why. May be
	 * NULL. */
	int64_t (*pause)(struct job *j, struct err *why);
	/* Fills r->body with what must be durable before the question is asked. May be NULL. */
	int (*intend)(struct job *j, struct record *r, struct err *e);
	/* ... and is told its place in the chain. May be NULL. */
	void (*intended)(struct job *j, const struct record *r);
	/* The question; NULL with e where it can not be made. NULL member: nobody is asked. */
	json_t *(*ask)(struct job *j, struct err *e);
	/* What it means that whoever was asked died, did not answer in time, was never asked or said no:
	 * an answer to be judged (NULL with e for none). NULL member: the error it is. */
	json_t *(*unanswered)(struct job *j, const struct err *why, struct err *e);
	/*
	 * Judges the answer on raw evidence (NULL where nobody is asked). What it puts into r->body is
	 * durable before the verdict takes effect; without a body nothing is recorded. An event "step" gets its
	 * ms from the walk.
	 */
	enum verdict (*judge)(struct job *j, const json_t *answer, struct record *r,
	    int64_t *ret_wait_ms, struct err *e);
	/* Its record, of a step that is done, may become durable with the next one: what is asked until then
	 * does no harm if it is asked again. */
	bool owes;
	/* What became durable takes effect on the job (claim: resume). May be NULL. */
	int (*recorded)(struct job *j, const struct record *r, struct err *e);
};

extern const struct step steps[];
extern const size_t step_count;

#endif
