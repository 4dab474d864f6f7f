#include "twin_fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(step) (1U << (step))
enum {
	ANY = BIT(STEP_IDENTIFY) | BIT(STEP_KEYGEN) | BIT(STEP_REQUEST) | BIT(STEP_INSTALL) |
	      BIT(STEP_READBACK) | BIT(STEP_PROVE),
};

/* steps: where it can be put; the seed picks among them. */
static const struct {
	enum twin_fault_kind kind;
	unsigned steps;
	bool once;
} faults[] = {
	{ FAULT_DROP, ANY, true },
	{ FAULT_CORRUPT, ANY, true },
	{ FAULT_STALL, ANY, false },
	{ FAULT_RESET, ANY, true },
	{ FAULT_REFUSE, ANY, false },
	{ FAULT_MUTE, ANY, false },
	{ FAULT_REMOVED, ANY, false },
	{ FAULT_ENDLESS, BIT(STEP_KEYGEN) | BIT(STEP_REQUEST) | BIT(STEP_PROVE), false },
	{ FAULT_PIN_BLOCKED, BIT(STEP_REQUEST), false },
	{ FAULT_WRONG_KEY, BIT(STEP_PROVE), false },
	{ FAULT_WRONG_NONCE, BIT(STEP_PROVE), false },
	{ FAULT_BAD_CSR_SIGNATURE, BIT(STEP_REQUEST), false },
	{ FAULT_LYING_READBACK, BIT(STEP_READBACK), false },
	{ FAULT_SHORT_ATTESTATION, BIT(STEP_REQUEST), false },
	{ FAULT_FOREIGN_ATTESTATION, BIT(STEP_REQUEST), false },
	{ FAULT_POWER_CUT, 0, true },
	{ FAULT_DUPLICATE_SERIAL, BIT(STEP_IDENTIFY), false },
};

/* In the order of the table. */
const char *const twin_fault_names[] = { "drop", "corrupt", "stall", "reset", "refuse", "mute",
	"removed", "endless", "pin-blocked", "wrong-key", "wrong-nonce", "bad-csr-signature",
	"lying-readback", "short-attestation", "foreign-attestation", "power-cut",
	"duplicate-serial", NULL };
_Static_assert(COUNT(twin_fault_names) == COUNT(faults) + 1, "a name for each");

/* splitmix64 */
static uint32_t draw(struct twin_fault *f)
{
	uint64_t z = f->random += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return (uint32_t)(z >> 32);
}

static enum step_id pick_step(struct twin_fault *f, unsigned steps)
{
	unsigned skip = draw(f) % (unsigned)__builtin_popcount(steps);

	for (enum step_id step = 0; step < STEP_COUNT; step++)
		if ((steps & BIT(step)) != 0 && skip-- == 0)
			return step;
	return STEP_IDENTIFY;
}

/* Of a power cut: not a step, a number. Most jobs write six times and more. */
static int choose_write(struct twin_fault *f, const char *number, struct err *e)
{
	char *end = NULL;

	f->cut = 1 + (int64_t)(draw(f) % TWIN_FAULT_CUT_PICK);
	if (number == NULL)
		return 0;
	f->cut = strtol(number, &end, 10);
	if (*number < '0' || *number > '9' || *end != '\0' || f->cut < 1 ||
	    f->cut > TWIN_FAULT_CUT_MAX)
		return err_set(e, ERR_CONFIG, "twin.fault",
		    "power-cut:%s: which write to the flash, 1 to %d?", number, TWIN_FAULT_CUT_MAX);
	return 0;
}

static int choose_step(struct twin_fault *f, unsigned steps, const char *name, const char *step,
    struct err *e)
{
	if (step == NULL) {
		f->step = pick_step(f, steps);
		return 0;
	}
	if (!step_parse(step, &f->step) || (steps & BIT(f->step)) == 0)
		return err_set(e, ERR_CONFIG, "twin.fault",
		    "fault %s can not strike at step \"%s\"", name, step);
	return 0;
}

int twin_fault_parse(struct twin_fault *ret, const char *text, uint64_t seed, struct err *e)
{
	struct twin_fault f = { .random = seed };
	const char *colon = text != NULL ? strchr(text, ':') : NULL;
	char name[32];

	f.before = (draw(&f) & 1) != 0;
	f.torn = (draw(&f) & 1) != 0;
	*ret = f;
	if (text == NULL)
		return 0;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, ":"), text);
	for (size_t i = 0; i < COUNT(faults); i++) {
		if (strcmp(name, twin_fault_names[i]) != 0)
			continue;
		ret->kind = faults[i].kind;
		if (ret->kind == FAULT_POWER_CUT)
			return choose_write(ret, colon != NULL ? colon + 1 : NULL, e);
		return choose_step(ret, faults[i].steps, name, colon != NULL ? colon + 1 : NULL, e);
	}
	return err_set(e, ERR_CONFIG, "twin.fault", "unknown fault \"%s\"", name);
}

bool twin_fault_strikes(const struct twin_fault *f, enum twin_fault_kind kind, enum step_id step,
    int64_t struck)
{
	if (f->kind != kind || f->step != step)
		return false;
	for (size_t i = 0; i < COUNT(faults); i++)
		if (faults[i].kind == kind)
			return !faults[i].once || struck == 0;
	return false;
}
