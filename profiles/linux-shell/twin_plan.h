/* The fault of an emulated shell device: which, and in which step of its provisioning it strikes. */
#ifndef KILN_SHELL_TWIN_PLAN_H
#define KILN_SHELL_TWIN_PLAN_H

#include <stdbool.h>

#include "own.h"
#include "profile.h"
#include "twin.h"

enum shell_fault {
	SHELL_FAULT_NONE,
	SHELL_FAULT_DROP,    /* once: an answer is lost */
	SHELL_FAULT_CORRUPT, /* once: a byte of an answer is another */
	SHELL_FAULT_RESET,   /* once: the device restarts instead of answering */
	SHELL_FAULT_STALL,   /* nothing is answered any more */
	SHELL_FAULT_REFUSE,  /* the command fails */
	SHELL_FAULT_LYING_READBACK,
	SHELL_FAULT_WRONG_KEY,
	SHELL_FAULT_WRONG_NONCE,
	SHELL_FAULT_WRONG_SERIAL, /* says another serial once it has a key */
	SHELL_FAULT_OTHER_CSR_SUBJECT,
	SHELL_FAULT_BAD_CSR_SIGNATURE,
	SHELL_FAULT_POWER_CUT,        /* once: the power goes in the middle of a write */
	SHELL_FAULT_DUPLICATE_SERIAL, /* kiln-twin gives a serial twice; the device knows nothing of it */
};

enum { SHELL_CUT_MAX = 9999, SHELL_CUT_PICK = 20 };

struct shell_plan {
	enum shell_fault fault;
	enum step_id step;
	int cut;         /* the write, from 1, of a power cut */
	unsigned random; /* for choices inside the step */
};

/* What --fault takes, NULL at the end. */
extern const char *const shell_plan_faults[];

/* Errors: CONFIG "twin.fault" (an unknown name, a step where the fault makes no sense). */
must_check int shell_plan_parse(struct shell_plan *ret, const struct twin_config *config,
    struct err *e);

/* The step that a line sent to the device belongs to, STEP_COUNT where it could be any. */
enum step_id shell_plan_step_of(const char *line);

#endif
