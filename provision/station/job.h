/*
 * A job: one unit's passage through the steps. The steps are one const table (step.c); this is the
 * only loop over it: ask, judge, make durable, go on. Nothing here blocks.
 */
#ifndef KILN_JOB_H
#define KILN_JOB_H

#include "family.h"
#include "gate.h"
#include "recovery.h"
#include "slot.h"

enum who { WHO_DEVICE, WHO_CA, WHO_HSM, WHO_STATION, WHO_COUNT };
const char *who_name(enum who who);

enum verdict {
	VERDICT_FAIL,  /* the error says why */
	VERDICT_DONE,  /* on to the next row */
	VERDICT_AGAIN, /* ask the same row again, after a pause */
	VERDICT_WAIT, /* who is asked can not answer anybody: wait at his gate, ask the row again */
};

/* An SPDM unit needs two resets. What wants more wants the slot for ever. */
enum { JOB_CSR_MAX = 16 * 1024, JOB_RESETS_MAX = 8 };

/* What a job waits for: it says what an unplugged device means for it. */
enum job_wait {
	WAIT_NOTHING,
	WAIT_DEVICE,
	WAIT_POOL,
	WAIT_GATE, /* in the queue of a door; its device may be taken out */
	WAIT_RECORD,
	WAIT_TIMER, /* or for a person, and then it is not running */
	WAIT_RESET,
};

enum { JOB_ORIGIN_MAX = 16 * 1024 }; /* of evidence of a key's origin */

struct job {
	struct job *next, **link; /* of the station's list */
	struct station *station;
	struct slot *slot; /* NULL once the device is gone */
	const char *slot_name;
	const char *place; /* in USB, where it began; NULL: the slot has an address */
	int64_t number;    /* the claim's seq; 0 before it */
	size_t row;        /* of the step table */
	unsigned tries;    /* of this row */
	size_t object;     /* of the profile's install list, in install and readback */
	enum job_wait wait;
	struct err
	    waits; /* with WAIT_TIMER: what for, where the device may be taken out meanwhile */
	struct job *behind;    /* the door's queue */
	struct gate_pass pass; /* of the present row's gate */
	bool over;             /* its last record is on its way */
	size_t reset_row,
	    reset_object; /* where to go on once a reset device is identified; 0: no reset */
	unsigned resets;
	struct err lost;    /* domain NONE while the device is there */
	struct err verdict; /* why it ends, while its last record is on its way */
	const char *outcome;

	struct identity identity;
	bool claimed;
	bool first, waited;          /* of what it tells at its end (station.h) */
	bool made_key;               /* a keygen of this job has taken effect */
	bool sealed;                 /* a seal of this job has taken effect */
	enum recovery_state state;   /* what the claim found in the records */
	enum recovery_action action; /* and what is done about it */
	bool anew;                   /* it has begun anew once, in this attachment */
	json_t *keys;                /* recorded for this unit: SPKI digests */
	char spki[2 * SHA256_LEN + 1];
	char origin[ORIGIN_SCHEME_MAX]; /* evidence of the key's that was judged good; "": none */
	int64_t ordinal;
	int64_t attempt;             /* of enrolment, in all passages */
	unsigned asks;               /* of enrolment that may have issued, in this passage */
	unsigned pending_asks;       /* the CA wants to decide later */
	int64_t pending_since_ms;    /* monotonic; of this passage */
	int64_t retry_at_ms;         /* wall; an earlier passage is pending until then. 0: none */
	struct buf csr, leaf, chain; /* chain: leaf, intermediates, root as DERs */
	X509 *issued;                /* the newest that this passage has judged good; or NULL */
	json_t *found;               /* base64: for our key, in an answer that is of no use */
	X509 *readback;              /* leaf as the device stores it */
	json_t *statement;           /* what the signer was asked to sign */
	uint8_t nonce[32];
	struct proof proof;
	EVP_PKEY *key;
	struct record *owed; /* what is done and not durable yet, oldest first (job_owed.h) */
	int64_t position;    /* of the attesting event, and its hash */
	uint8_t head[SHA256_LEN];

	struct record record; /* the one on its way, and what happens when it is durable: */
	enum verdict record_verdict;
	int64_t record_pause_ms;
	struct err record_why;
	struct event *timer;
	int64_t begun_us, step_us, asked_us;
	int64_t spent_us[WHO_COUNT];
};

/* A device is open in the slot: begins with identify. */
must_check int job_start(struct job **ret, struct slot *slot, struct err *e);
/* The slot's process ended or the device was unplugged; the slot has forgotten the job. */
void job_slot_lost(struct job *j, const struct err *why);
/* The device is back after its reset. */
void job_slot_back(struct job *j);
/* It left again while it was being identified after a reset: it is waited for as before. False where it
 * was not, or too often: it is lost. */
must_check bool job_slot_away(struct job *j);
/* It may ask: it holds j->pass. */
void job_let_in(struct job *j);
/* It no longer waits for whom it queued for: parked. */
void job_turned_away(struct job *j, const struct err *why);
/* The station is to end: a unit that the CA wants to decide on later is parked. */
void job_leave(struct job *j);
/* The station closes: frees it, records nothing; it stays open in the records. */
void job_abandon(struct job *j);

#endif
