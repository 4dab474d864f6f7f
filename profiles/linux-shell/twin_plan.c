#include "twin_plan.h"

#include <stdlib.h>
#include <string.h>

const char *const shell_plan_faults[] = { "drop", "corrupt", "reset", "stall", "refuse",
	"lying-readback", "wrong-key", "wrong-nonce", "wrong-serial", "other-csr-subject",
	"bad-csr-signature", "power-cut", "duplicate-serial", NULL };

/* How the lines of a step can be told from those of the others. */
static const struct {
	enum step_id step;
	const char *text, *other; /* of openssl; of a token's tools, where they differ */
} traces[] = {
	{ STEP_IDENTIFY, "identity/serial", NULL },
	{ STEP_KEYGEN, " genpkey ", " --keypairgen " },
	{ STEP_REQUEST, " req -new ", " --generate-request " },
	{ STEP_PROVE, " -sign ", " --sign " },
	{ STEP_INSTALL, "mv -f '\\''certs/", NULL }, /* quoted by the driver, twice */
	{ STEP_READBACK, "base64 '\\''certs/", NULL },
};

enum step_id shell_plan_step_of(const char *line)
{
	for (size_t i = 0; i < COUNT(traces); i++)
		if (strstr(line, traces[i].text) != NULL ||
		    (traces[i].other != NULL && strstr(line, traces[i].other) != NULL))
			return traces[i].step;
	return STEP_COUNT;
}

static enum shell_fault find(const char *name, size_t len)
{
	for (size_t i = 0; shell_plan_faults[i] != NULL; i++)
		if (strlen(shell_plan_faults[i]) == len &&
		    memcmp(shell_plan_faults[i], name, len) == 0)
			return (enum shell_fault)(i + 1);
	return SHELL_FAULT_NONE;
}

/* The one step where the fault makes sense, STEP_COUNT where all with commands do. */
static enum step_id only_step(enum shell_fault fault)
{
	switch (fault) {
	case SHELL_FAULT_LYING_READBACK:
		return STEP_READBACK;
	case SHELL_FAULT_WRONG_KEY:
	case SHELL_FAULT_WRONG_NONCE:
		return STEP_PROVE;
	case SHELL_FAULT_WRONG_SERIAL:
	case SHELL_FAULT_DUPLICATE_SERIAL:
		return STEP_IDENTIFY;
	case SHELL_FAULT_OTHER_CSR_SUBJECT:
	case SHELL_FAULT_BAD_CSR_SIGNATURE:
		return STEP_REQUEST;
	case SHELL_FAULT_NONE:
	case SHELL_FAULT_DROP:
	case SHELL_FAULT_CORRUPT:
	case SHELL_FAULT_RESET:
	case SHELL_FAULT_STALL:
	case SHELL_FAULT_REFUSE:
	case SHELL_FAULT_POWER_CUT:
		break;
	}
	return STEP_COUNT;
}

static bool has_trace(enum step_id step)
{
	for (size_t i = 0; i < COUNT(traces); i++)
		if (traces[i].step == step)
			return true;
	return false;
}

/* SplitMix64 (Steele, Lea, Flood 2014): near seeds give far numbers. */
static unsigned mix(uint64_t seed)
{
	uint64_t z = seed + 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned)(z >> 33);
}

/* Of a power cut: not a step, a number. */
static int choose_write(struct shell_plan *p, uint64_t seed, const char *number, struct err *e)
{
	char *end = NULL;
	long cut = 1 + (long)(p->random % SHELL_CUT_PICK);

	if (*number == ':') {
		cut = strtol(number + 1, &end, 10);
		if (number[1] < '0' || number[1] > '9' || *end != '\0' || cut < 1 ||
		    cut > SHELL_CUT_MAX)
			return err_set(e, ERR_CONFIG, "twin.fault",
			    "power-cut%s: which write to the flash, 1 to %d?", number,
			    SHELL_CUT_MAX);
	}
	p->cut = (int)cut;
	p->random = mix(seed + (uint64_t)cut);
	return 0;
}

int shell_plan_parse(struct shell_plan *ret, const struct twin_config *config, struct err *e)
{
	struct shell_plan plan = { .random = mix(config->seed) };
	const char *colon;
	enum step_id only;

	if (config->fault == NULL) {
		*ret = plan;
		return 0;
	}
	colon = strchrnul(config->fault, ':');
	plan.fault = find(config->fault, (size_t)(colon - config->fault));
	only = only_step(plan.fault);
	plan.step = only != STEP_COUNT ? only : traces[plan.random % COUNT(traces)].step;
	if (plan.fault == SHELL_FAULT_NONE)
		return err_set(e, ERR_CONFIG, "twin.fault", "a shell device has no fault \"%s\"",
		    config->fault);
	if (plan.fault == SHELL_FAULT_POWER_CUT) {
		if (choose_write(&plan, config->seed, colon, e) != 0)
			return -1;
		*ret = plan;
		return 0;
	}
	if (*colon == ':' && (!step_parse(colon + 1, &plan.step) || !has_trace(plan.step) ||
				 (only != STEP_COUNT && plan.step != only)))
		return err_set(e, ERR_CONFIG, "twin.fault",
		    "\"%s\": the fault makes no sense there", config->fault);
	*ret = plan;
	return 0;
}
