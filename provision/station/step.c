#include "step.h"

#include "step_asks.h"

static bool has_finished(const struct job *j, enum step_id step)
{
	return j->resumed && j->resumed_after >= step;
}

static bool skip_keygen(const struct job *j)
{
	return has_finished(j, STEP_KEYGEN) || !j->station->family->keygen ||
	       (j->identity.key_present && j->station->profile->existing_key == EXISTING_REUSE);
}

static bool skip_enrol(const struct job *j)
{
	return has_finished(j, STEP_ENROL);
}

/* A sealed device takes nothing more; what it stores is read back and proven all the same. */
static bool skip_install(const struct job *j)
{
	return j->sealed;
}

static bool skip_seal(const struct job *j)
{
	return !j->station->profile->seal || j->sealed || has_finished(j, STEP_SEAL);
}

static bool skip_after_seal(const struct job *j)
{
	return !j->station->profile->seal;
}

/*
 * A job that is continued identifies and claims again, asks for the CSR again (to see that the key is
 * still there), enrols only if nothing was issued, and installs and proves again: those are harmless.
 */
const struct step steps[] = {
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_identify,
	    .judge = judge_identity },
	{ .id = STEP_CLAIM, .who = WHO_STATION, .judge = judge_claim, .recorded = claimed },
	{ .id = STEP_KEYGEN,
	    .who = WHO_DEVICE,
	    .skip = skip_keygen,
	    .intend = intend_keygen,
	    .ask = ask_keygen,
	    .judge = judge_keygen },
	{ .id = STEP_REQUEST,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_request,
	    .judge = judge_request },
	{ .id = STEP_ENROL,
	    .who = WHO_CA,
	    .skip = skip_enrol,
	    .pause = pause_enrol,
	    .intend = intend_enrol,
	    .ask = ask_enrol,
	    .unanswered = enrol_unanswered,
	    .judge = judge_enrol },
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_identify,
	    .judge = judge_same_unit },
	{ .id = STEP_INSTALL,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .skip = skip_install,
	    .ask = ask_install,
	    .judge = judge_install },
	{ .id = STEP_READBACK,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_readback,
	    .judge = judge_stored },
	{ .id = STEP_IDENTIFY,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_identify,
	    .judge = judge_same_unit },
	{ .id = STEP_PROVE,
	    .who = WHO_DEVICE,
	    .tries = 2,
	    .ask = ask_prove,
	    .judge = judge_possession },
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
	    .judge = judge_possession },
	{ .id = STEP_ATTEST,
	    .who = WHO_HSM,
	    .tries = 3,
	    .intend = intend_attest,
	    .intended = attest_intended,
	    .ask = ask_attest,
	    .judge = judge_attestation },
	{ .id = STEP_FINISH, .who = WHO_STATION, .judge = judge_finish },
};

const size_t step_count = COUNT(steps);
