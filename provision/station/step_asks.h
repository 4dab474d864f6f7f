/* The members of the step table: step_device.c, step_claim.c, step_enrol.c, step_attest.c. */
#ifndef KILN_STEP_ASKS_H
#define KILN_STEP_ASKS_H

#include "step.h"

typedef json_t *step_ask(struct job *j, struct err *e);
typedef int step_intend(struct job *j, struct record *r, struct err *e);
typedef enum verdict step_judge(struct job *j, const json_t *answer, struct record *r,
    int64_t *ret_wait_ms, struct err *e);

step_ask ask_identify, ask_keygen, ask_request, ask_install, ask_readback, ask_prove, ask_seal;
step_ask ask_enrol, ask_attest;
int64_t pause_enrol(struct job *j, struct err *why);
/* How long a pending request still waits, by the wall clock: never longer than max_ms, whatever the clock
 * did meanwhile. */
int64_t enrol_pause_ms(int64_t retry_at_ms, int64_t now_ms, int64_t max_ms);
json_t *enrol_unanswered(struct job *j, const struct err *why, struct err *e);
step_intend intend_keygen, intend_enrol, intend_seal, intend_attest;
step_judge judge_identity, judge_same_unit, judge_claim, judge_which_key, judge_keygen,
    judge_request, judge_enrol;
step_judge judge_install, judge_stored, judge_possession, judge_seal, judge_attestation,
    judge_finish;
int claimed(struct job *j, const struct record *r, struct err *e);
int enrol_recorded(struct job *j, const struct record *r, struct err *e);
/* What the recovery table says, now that the device has shown this; its refusals are errors. */
must_check int step_recover(struct job *j, enum recovery_device device, struct err *e);
void attest_intended(struct job *j, const struct record *r);

/* The body of a "step" event of this job's present step. */
must_check int step_event(struct job *j, struct record *r, struct err *e);
/* The body of an "intent" event; attempt counts from 1. */
must_check int step_intent(struct job *j, struct record *r, const char *kind, int64_t attempt,
    struct err *e);

#endif
