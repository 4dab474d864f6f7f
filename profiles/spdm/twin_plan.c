#include "twin_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(step) (1U << (step))
enum {
	ANY = BIT(STEP_IDENTIFY) | BIT(STEP_KEYGEN) | BIT(STEP_REQUEST) | BIT(STEP_INSTALL) |
	      BIT(STEP_READBACK) | BIT(STEP_PROVE),
};

/* steps: where it can be put, seal on top for those of ANY; the seed picks among them. */
static const struct {
	const char *name;
	enum twin_fault fault;
	unsigned steps;
	int64_t times; /* 0: always */
} faults[] = {
	{ "drop", TWIN_FAULT_DROP, ANY, 1 },
	{ "corrupt", TWIN_FAULT_CORRUPT, ANY, 1 },
	{ "corrupt-message", TWIN_FAULT_CORRUPT_MESSAGE, ANY, 1 },
	{ "stall", TWIN_FAULT_STALL, ANY, 0 },
	{ "reset", TWIN_FAULT_RESET, ANY, 1 },
	{ "refuse", TWIN_FAULT_REFUSE, ANY, 0 },
	{ "busy", TWIN_FAULT_BUSY, ANY & ~BIT(STEP_IDENTIFY), TWIN_BUSY_TIMES },
	{ "lying-readback", TWIN_FAULT_LYING_READBACK, BIT(STEP_READBACK), 0 },
	{ "short-portions", TWIN_FAULT_SHORT_PORTIONS, BIT(STEP_READBACK), 0 },
	{ "wrong-key", TWIN_FAULT_WRONG_KEY, BIT(STEP_PROVE), 0 },
	{ "wrong-nonce", TWIN_FAULT_WRONG_NONCE, BIT(STEP_PROVE), 0 },
	{ "wrong-serial", TWIN_FAULT_WRONG_SERIAL, BIT(STEP_INSTALL) | BIT(STEP_PROVE), 0 },
	{ "other-csr-subject", TWIN_FAULT_OTHER_CSR_SUBJECT, BIT(STEP_REQUEST), 0 },
	{ "bad-csr-signature", TWIN_FAULT_BAD_CSR_SIGNATURE, BIT(STEP_REQUEST), 0 },
	{ "garbage", TWIN_FAULT_GARBAGE, BIT(STEP_IDENTIFY), 0 },
	{ "power-cut", TWIN_FAULT_POWER_CUT, 0, 1 },
	{ "duplicate-serial", TWIN_FAULT_DUPLICATE_SERIAL, BIT(STEP_IDENTIFY), 0 },
};

const char *const twin_plan_faults[] = {
	"drop",
	"corrupt",
	"corrupt-message",
	"stall",
	"reset",
	"refuse",
	"busy",
	"lying-readback",
	"short-portions",
	"wrong-key",
	"wrong-nonce",
	"wrong-serial",
	"other-csr-subject",
	"bad-csr-signature",
	"garbage",
	"power-cut",
	"duplicate-serial",
	NULL,
};

/* splitmix64 */
uint32_t twin_plan_random(struct twin_plan *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return (uint32_t)(z >> 32);
}

static enum step_id pick_step(struct twin_plan *p, unsigned steps)
{
	unsigned skip = twin_plan_random(p) % (unsigned)__builtin_popcount(steps);

	for (enum step_id step = 0; step < STEP_COUNT; step++)
		if ((steps & BIT(step)) != 0 && skip-- == 0)
			return step;
	return STEP_IDENTIFY;
}

/* Of a power cut: not a step, a number. Most jobs write four times and more. */
static int choose_write(struct twin_plan *p, const char *number, struct err *e)
{
	char *end = NULL;

	p->cut = 1 + (int64_t)(twin_plan_random(p) % TWIN_CUT_PICK);
	if (number == NULL)
		return 0;
	p->cut = strtol(number, &end, 10);
	if (*number < '0' || *number > '9' || *end != '\0' || p->cut < 1 || p->cut > TWIN_CUT_MAX)
		return err_set(e, ERR_CONFIG, "twin.fault",
		    "power-cut:%s: which write to the flash, 1 to %d?", number, TWIN_CUT_MAX);
	return 0;
}

static int choose_step(struct twin_plan *p, unsigned steps, const char *name, const char *step,
    struct err *e)
{
	if (step == NULL) {
		p->step = pick_step(p, steps);
		return 0;
	}
	if ((steps & BIT(STEP_PROVE)) != 0 && (steps & BIT(STEP_REQUEST)) != 0)
		steps |= BIT(STEP_SEAL);
	if (!step_parse(step, &p->step) || (steps & BIT(p->step)) == 0)
		return err_set(e, ERR_CONFIG, "twin.fault",
		    "fault %s can not strike at step \"%s\"", name, step);
	return 0;
}

int twin_plan_parse(struct twin_plan *ret, const char *fault, uint64_t seed, bool has_keygen,
    struct err *e)
{
	struct twin_plan p = { .random = seed };
	unsigned no_steps = has_keygen ? 0 : BIT(STEP_KEYGEN);
	char name[32];

	p.before = (twin_plan_random(&p) & 1) != 0;
	p.not_ready = (twin_plan_random(&p) & 1) != 0;
	*ret = p;
	if (fault == NULL)
		return 0;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(fault, ":"), fault);
	for (size_t i = 0; i < COUNT(faults); i++) {
		const char *colon = strchr(fault, ':');

		if (strcmp(name, faults[i].name) != 0)
			continue;
		ret->fault = faults[i].fault;
		if (ret->fault == TWIN_FAULT_POWER_CUT)
			return choose_write(ret, colon != NULL ? colon + 1 : NULL, e);
		return choose_step(ret, faults[i].steps & ~no_steps, name,
		    colon != NULL ? colon + 1 : NULL, e);
	}
	return err_set(e, ERR_CONFIG, "twin.fault", "unknown fault \"%s\"", name);
}

bool twin_plan_strikes(const struct twin_plan *p, enum twin_fault fault, enum step_id step,
    int64_t struck)
{
	if (p->fault != fault || p->step != step)
		return false;
	for (size_t i = 0; i < COUNT(faults); i++)
		if (faults[i].fault == fault)
			return faults[i].times == 0 || struck < faults[i].times;
	return false;
}
