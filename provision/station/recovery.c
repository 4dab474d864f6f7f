#include "recovery.h"

#include <string.h>

#include "json.h"

#define BIT(x) (1U << (x))
enum {
	REFUSE = BIT(EXISTING_REFUSE),
	REUSE = BIT(EXISTING_REUSE),
	REPLACE = BIT(EXISTING_REPLACE),
	ANY = REFUSE | REUSE | REPLACE,
	POST = BIT(ENROL_POST),
	ANY_CLASS = BIT(ENROL_CLASSES) - 1,
};

/*
 * A key whose CSR is recorded is never made again: a certificate for it may exist. A key that nobody has
 * seen and that our keygen made, or may have made, is replaced: it has certified nothing, and half of a
 * key is none. Where the profile says reuse it is used instead, for such devices may know no other.
 */
static const struct row {
	enum recovery_state first, last;
	enum recovery_device from, to;
	unsigned policies, classes;
	enum recovery_action action;
} rows[] = {
	/* No certificate can have been asked for. */
	{ RECOVERY_NEW, RECOVERY_KEYED, RECOVERY_NO_KEY, RECOVERY_NO_KEY, ANY, ANY_CLASS,
	    RECOVERY_MAKE_KEY },
	/* Not our key, as far as anybody knows: the profile's policy. */
	{ RECOVERY_NEW, RECOVERY_NEW, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REFUSE, ANY_CLASS,
	    RECOVERY_REFUSE_KEY },
	{ RECOVERY_NEW, RECOVERY_NEW, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REUSE, ANY_CLASS,
	    RECOVERY_USE_KEY },
	{ RECOVERY_NEW, RECOVERY_NEW, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REPLACE, ANY_CLASS,
	    RECOVERY_REPLACE_KEY },
	/* Our key of an ended job, or somebody's: only refuse needs to know. */
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_A_KEY, RECOVERY_A_KEY, REFUSE, ANY_CLASS,
	    RECOVERY_ASK_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, REFUSE, ANY_CLASS,
	    RECOVERY_REPLACE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_OTHER_KEY, RECOVERY_OTHER_KEY, REFUSE, ANY_CLASS,
	    RECOVERY_REFUSE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REUSE, ANY_CLASS,
	    RECOVERY_USE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REPLACE, ANY_CLASS,
	    RECOVERY_REPLACE_KEY },
	/* Our own making, and seen by nobody; or a key that a rework takes away. */
	{ RECOVERY_MADE, RECOVERY_KEYGEN, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REFUSE | REPLACE,
	    ANY_CLASS, RECOVERY_REPLACE_KEY },
	{ RECOVERY_MADE, RECOVERY_REWORK, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REUSE, ANY_CLASS,
	    RECOVERY_USE_KEY },
	{ RECOVERY_KEYGEN, RECOVERY_KEYGEN, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, REUSE, ANY_CLASS,
	    RECOVERY_MAKE_KEY }, /* the intent wants its answer */
	{ RECOVERY_KEYED, RECOVERY_KEYED, RECOVERY_A_KEY, RECOVERY_OTHER_KEY, ANY, ANY_CLASS,
	    RECOVERY_USE_KEY },
	/* The job is bound to its key. */
	{ RECOVERY_REQUESTED, RECOVERY_SEALED, RECOVERY_NO_KEY, RECOVERY_NO_KEY, ANY, ANY_CLASS,
	    RECOVERY_BEGIN_ANEW },
	{ RECOVERY_REQUESTED, RECOVERY_SEALED, RECOVERY_A_KEY, RECOVERY_A_KEY, ANY, ANY_CLASS,
	    RECOVERY_ASK_KEY },
	{ RECOVERY_REQUESTED, RECOVERY_SEALED, RECOVERY_OTHER_KEY, RECOVERY_OTHER_KEY, ANY,
	    ANY_CLASS, RECOVERY_BEGIN_ANEW },
	{ RECOVERY_REQUESTED, RECOVERY_PENDING, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, ANY, ANY_CLASS,
	    RECOVERY_SEND },
	{ RECOVERY_ASKED, RECOVERY_MAYBE, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, ANY, POST,
	    RECOVERY_SEND_AGAIN },
	{ RECOVERY_ISSUED, RECOVERY_SEALED, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, ANY, ANY_CLASS,
	    RECOVERY_FINISH },
	/* Only our own seal is expected. */
	{ RECOVERY_NEW, RECOVERY_ATTESTED, RECOVERY_IS_SEALED, RECOVERY_IS_SEALED, ANY, ANY_CLASS,
	    RECOVERY_REFUSE_SEALED },
	{ RECOVERY_SEALING, RECOVERY_SEALED, RECOVERY_IS_SEALED, RECOVERY_IS_SEALED, ANY, ANY_CLASS,
	    RECOVERY_FINISH_SEALED },
};

static const struct {
	const char *name;
	enum step_id from;
} actions[] = {
	[RECOVERY_MAKE_KEY] = { "make-key", STEP_KEYGEN },
	[RECOVERY_REPLACE_KEY] = { "replace-key", STEP_KEYGEN },
	[RECOVERY_USE_KEY] = { "use-key", STEP_REQUEST },
	[RECOVERY_ASK_KEY] = { "ask-key", STEP_REQUEST },
	[RECOVERY_SEND] = { "send", STEP_ENROL },
	[RECOVERY_SEND_AGAIN] = { "send-again", STEP_ENROL },
	[RECOVERY_FINISH] = { "finish", STEP_INSTALL },
	[RECOVERY_FINISH_SEALED] = { "finish-sealed", STEP_READBACK },
	[RECOVERY_BEGIN_ANEW] = { "begin-anew", STEP_CLAIM },
	[RECOVERY_REFUSE_KEY] = { "refuse-key", STEP_FINISH },
	[RECOVERY_REFUSE_SEALED] = { "refuse-sealed", STEP_FINISH },
};

static bool fits(const struct row *r, const struct recovery_case *c)
{
	return c->state >= r->first && c->state <= r->last && c->device >= r->from &&
	       c->device <= r->to && (r->policies & BIT(c->policy)) != 0 &&
	       (r->classes & BIT(c->class)) != 0;
}

size_t recovery_count(const struct recovery_case *c)
{
	size_t count = 0;

	for (size_t i = 0; i < COUNT(rows); i++)
		count += fits(&rows[i], c);
	return count;
}

enum recovery_action recovery_find(const struct recovery_case *c)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (fits(&rows[i], c))
			return rows[i].action;
	return RECOVERY_REFUSE_KEY; /* there is a row for each: see the test */
}

enum step_id recovery_from(enum recovery_action action)
{
	return actions[action].from;
}

const char *recovery_action_name(enum recovery_action action)
{
	return actions[action].name;
}

bool enrol_class_parse(const char *name, enum enrol_class *ret)
{
	if (strcmp(name, "post") != 0)
		return false;
	*ret = ENROL_POST;
	return true;
}

static enum recovery_state state_of_claim(const json_t *job)
{
	const char *earlier = json_opt_str(job, "earlier_key", "");

	if (json_opt_bool(job, "rework", false))
		return RECOVERY_REWORK;
	if (strcmp(earlier, "unseen") == 0)
		return RECOVERY_MADE;
	return strcmp(earlier, "seen") == 0 ? RECOVERY_KNOWN : RECOVERY_NEW;
}

static enum recovery_state state_of_request(const char *enrol)
{
	if (strcmp(enrol, "") == 0 || strcmp(enrol, "not-sent") == 0 ||
	    strcmp(enrol, "rejected") == 0)
		return RECOVERY_REQUESTED;
	if (strcmp(enrol, "pending") == 0)
		return RECOVERY_PENDING;
	return strcmp(enrol, "open") == 0 ? RECOVERY_ASKED : RECOVERY_MAYBE;
}

static enum recovery_state state_of_certificate(const json_t *job)
{
	enum step_id step = STEP_ENROL;

	if (!step_parse(json_opt_str(job, "step", ""), &step) || step < STEP_INSTALL)
		return RECOVERY_ISSUED;
	if (step < STEP_PROVE)
		return RECOVERY_INSTALLED;
	return step < STEP_ATTEST ? RECOVERY_PROVEN : RECOVERY_ATTESTED;
}

enum recovery_state recovery_state_of(const json_t *job)
{
	const json_t *intents = json_object_get(job, "intents");
	const char *keygen = json_opt_str(intents, "keygen", "");
	const char *seal = json_opt_str(intents, "seal", "");

	if (strcmp(seal, "") != 0)
		return strcmp(seal, "done") == 0 ? RECOVERY_SEALED : RECOVERY_SEALING;
	if (json_object_get(job, "certificate") != NULL)
		return state_of_certificate(job);
	if (json_object_get(job, "csr") != NULL)
		return state_of_request(json_opt_str(intents, "enrol", ""));
	if (strcmp(keygen, "") != 0)
		return strcmp(keygen, "done") == 0 ? RECOVERY_KEYED : RECOVERY_KEYGEN;
	return state_of_claim(job);
}
