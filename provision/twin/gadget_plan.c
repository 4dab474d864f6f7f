#include "gadget_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

static const struct {
	const char *name;
	enum gadget_fault fault;
} faults[] = {
	{ "usb-stall", GADGET_FAULT_STALL },
	{ "usb-short", GADGET_FAULT_SHORT },
	{ "usb-no-zlp", GADGET_FAULT_NO_ZLP },
	{ "usb-unplug", GADGET_FAULT_UNPLUG },
	{ "usb-babble", GADGET_FAULT_BABBLE },
};

const char *const gadget_plan_faults[] = {
	"usb-stall",
	"usb-short",
	"usb-no-zlp",
	"usb-unplug",
	"usb-babble",
	NULL,
};

bool gadget_plan_is(const char *fault)
{
	return fault != NULL && strncmp(fault, "usb-", 4) == 0;
}

static int choose(struct gadget_plan *p, const char *where, bool tells_step, struct err *e)
{
	enum step_id step;
	char *end = NULL;

	if (tells_step && step_parse(where, &step)) {
		p->step = (int)step;
		return 0;
	}
	p->nth = strtol(where, &end, 10);
	if (*where >= '0' && *where <= '9' && *end == '\0' && p->nth >= 1 &&
	    p->nth <= GADGET_PLAN_NTH_MAX)
		return 0;
	return err_set(e, ERR_CONFIG, "twin.fault",
	    "a USB fault strikes at %sthe N-th message, 1 to %d, not at \"%s\"",
	    tells_step ? "a step or " : "", GADGET_PLAN_NTH_MAX, where);
}

int gadget_plan_parse(struct gadget_plan *ret, const char *fault, uint64_t seed, bool tells_step,
    struct err *e)
{
	size_t len = strcspn(fault, ":");
	struct gadget_plan p = { .step = -1, .nth = 1 + (int64_t)(seed % GADGET_PLAN_PICK) };

	for (size_t i = 0; i < COUNT(faults); i++)
		if (strlen(faults[i].name) == len && strncmp(fault, faults[i].name, len) == 0)
			p.fault = faults[i].fault;
	if (p.fault == GADGET_FAULT_NONE)
		return err_set(e, ERR_CONFIG, "twin.fault", "unknown fault \"%s\"", fault);
	if (fault[len] == ':' && choose(&p, fault + len + 1, tells_step, e) != 0)
		return -1;
	*ret = p;
	return 0;
}

bool gadget_plan_strikes(struct gadget_plan *p, int step)
{
	p->count++;
	if (p->fault == GADGET_FAULT_NONE || p->struck)
		return false;
	p->struck = p->step >= 0 ? p->step == step : p->count == p->nth;
	return p->struck;
}
