/*
 * Where a job goes on: one const table over how far its records are and what its device says now. It is
 * asked at every claim, so a new unit, one whose station died, and one that comes back days later in
 * another slot go by the same rows. Pure: no I/O, no clock.
 */
#ifndef KILN_RECOVERY_H
#define KILN_RECOVERY_H

#include <jansson.h>

#include "profile.h"

/* The furthest that is durable, in the order in which it becomes so. */
enum recovery_state {
	RECOVERY_NEW,       /* claimed; no key of this unit is known to be our making */
	RECOVERY_KNOWN,     /* claimed; an earlier job made a key, whose CSR is recorded */
	RECOVERY_MADE,      /* claimed; an earlier job intended a key that no CSR has shown */
	RECOVERY_REWORK,    /* claimed; the unit passed and may have a second identity */
	RECOVERY_KEYGEN,    /* keygen intended, no answer */
	RECOVERY_KEYED,     /* the key was made, its CSR is not recorded */
	RECOVERY_REQUESTED, /* CSR recorded; no CA has it, or the one that had it said no */
	RECOVERY_PENDING,   /* the CA has it and has not decided */
	RECOVERY_ASKED,     /* enrol intended, no answer: only the CA knows */
	RECOVERY_MAYBE,     /* possibly issued, or issued and of no use */
	RECOVERY_ISSUED,    /* the certificate is recorded */
	RECOVERY_INSTALLED,
	RECOVERY_PROVEN,
	RECOVERY_ATTESTED,
	RECOVERY_SEALING, /* seal intended, no answer */
	RECOVERY_SEALED,
	RECOVERY_STATES,
};

/* job: as the records give it (records.h). */
enum recovery_state recovery_state_of(const json_t *job);

enum recovery_device {
	RECOVERY_NO_KEY,
	RECOVERY_A_KEY,   /* which one only a CSR shows */
	RECOVERY_ITS_KEY, /* the job's own; for RECOVERY_KNOWN one that is recorded for this unit */
	RECOVERY_OTHER_KEY, /* another than that: the unit has lost its key */
	RECOVERY_IS_SEALED,
	RECOVERY_DEVICES,
};

/* What a CA can be asked after an answer was lost; the enroller's backend declares it. */
enum enrol_class {
	ENROL_POST, /* nothing: the identical CSR again, after the attempt is marked possibly issued */
	ENROL_CLASSES,
};
/* By name; false where this station has no rows for it. */
bool enrol_class_parse(const char *name, enum enrol_class *ret);

enum recovery_action {
	RECOVERY_MAKE_KEY,    /* keygen; a key that is there after all is used */
	RECOVERY_REPLACE_KEY, /* keygen, which erases what is there */
	RECOVERY_USE_KEY,     /* no keygen: the CSR of the key that is there */
	RECOVERY_ASK_KEY, /* have the device make a CSR, to see which key it is; then look again */
	RECOVERY_SEND,    /* the recorded CSR, byte by byte */
	RECOVERY_SEND_AGAIN,    /* the same, where it may have been issued on before */
	RECOVERY_FINISH,        /* the recorded certificate is installed and proved */
	RECOVERY_FINISH_SEALED, /* nothing can be written any more: read back and prove */
	RECOVERY_BEGIN_ANEW, /* the job ends, what may be issued is an orphan, a new job follows */
	RECOVERY_REFUSE_KEY, /* key.present */
	RECOVERY_REFUSE_SEALED, /* device.sealed: not by this job */
	RECOVERY_ACTIONS,
};

struct recovery_case {
	enum recovery_state state;
	enum recovery_device device;
	enum existing_key policy;
	enum enrol_class class;
};

enum recovery_action recovery_find(const struct recovery_case *c);
/* The first step of an action; rows of the step table before it are not for this job. */
enum step_id recovery_from(enum recovery_action action);
const char *recovery_action_name(enum recovery_action action);

/* For the test: how many rows fit. It must be one. */
size_t recovery_count(const struct recovery_case *c);

#endif
