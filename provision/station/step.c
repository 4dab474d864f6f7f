#include "step.h"

#include "step_asks.h"

/* What an earlier passage made durable is not done again; nor is a key made where none can be. */
static bool skip_done(const struct job *j)
{
	enum step_id step = steps[j->row].id;

	return step < recovery_from(j->action) ||
	       (step == STEP_KEYGEN && !j->station->family->keygen);
}

static bool skip_which_key(const struct job *j)
{
	return j->action != RECOVERY_ASK_KEY;
}

/* The lifecycle answers a seal that was asked for and never heard of. */
static bool skip_has_sealed(const struct job *j)
{
	return j->action != RECOVERY_FINISH_SEALED || j->state != RECOVERY_SEALING;
}

static bool skip_seal(const struct job *j)
{
	return !j->station->profile->seal || j->sealed;
}

static bool skip_after_seal(const struct job *j)
{
	return !j->station->profile->seal;
}

/*
 * A job that is continued identifies and claims again, shows its key by a CSR, and goes on where the
 * recovery table says (recovery.c): it enrols only if nothing was issued, and installs and proves again,
 * for those are harmless.
 */
const struct step steps[] = {
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_identify,
	    .judge = judge_identity },
	{ .id = STEP_CLAIM, .who = WHO_STATION, .judge = judge_claim, .recorded = claimed },
	{ .id = STEP_REQUEST,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .skip = skip_which_key,
	    .ask = ask_request,
	    .judge = judge_which_key },
	{ .id = STEP_SEAL, .who = WHO_STATION, .skip = skip_has_sealed, .judge = judge_seal },
	{ .id = STEP_KEYGEN,
	    .who = WHO_DEVICE,
	    .skip = skip_done,
	    .intend = intend_keygen,
	    .ask = ask_keygen,
	    .judge = judge_keygen,
	    .owes = true },
	{ .id = STEP_REQUEST,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .skip = skip_done,
	    .ask = ask_request,
	    .judge = judge_request,
	    .owes = true },
	{ .id = STEP_ENROL,
	    .who = WHO_CA,
	    .skip = skip_done,
	    .pause = pause_enrol,
	    .intend = intend_enrol,
	    .ask = ask_enrol,
	    .unanswered = enrol_unanswered,
	    .judge = judge_enrol,
	    .recorded = enrol_recorded },
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_identify,
	    .judge = judge_same_unit },
	{ .id = STEP_INSTALL,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .skip = skip_done,
	    .ask = ask_install,
	    .judge = judge_install,
	    .owes = true },
	{ .id = STEP_READBACK,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_readback,
	    .judge = judge_stored,
	    .owes = true },
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_identify,
	    .judge = judge_same_unit },
	{ .id = STEP_PROVE,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_prove,
	    .judge = judge_possession,
	    .owes = true },
	{ .id = STEP_SEAL,
	    .who = WHO_DEVICE,
	    .skip = skip_seal,
	    .intend = intend_seal,
	    .ask = ask_seal,
	    .judge = judge_seal },
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .skip = skip_after_seal,
	    .ask = ask_identify,
	    .judge = judge_same_unit },
	{ .id = STEP_PROVE,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .skip = skip_after_seal,
	    .ask = ask_prove,
	    .judge = judge_possession,
	    .owes = true },
	{ .id = STEP_ATTEST,
	    .who = WHO_HSM,
	    .tries = 3,
	    .intend = intend_attest,
	    .intended = attest_intended,
	    .ask = ask_attest,
	    .judge = judge_attestation,
	    .owes = true },
	{ .id = STEP_FINISH, .who = WHO_STATION, .judge = judge_finish },
};

const size_t step_count = COUNT(steps);
