#include "refusals.h"

static bool is_refusal(const struct family *f, const struct err *why)
{
	for (const char *const *code = f->secret_refusals; code != NULL && *code != NULL; code++)
		if (err_is(why, *code))
			return true;
	return false;
}

int refusals_note(struct refusals *r, const struct family *f, const char *serial,
    const struct err *why, struct err *e)
{
	if (why->domain == ERR_NONE)
		streak_pass(&r->units);
	if (!is_refusal(f, why))
		return 0;
	if (r->units.count == 0)
		r->first = *why;
	if (!streak_reaches(&r->units, REFUSALS_UNITS, serial))
		return 0;
	return err_set(e, ERR_CONFIG, "device.secret",
	    "unit %s refuses the secret (%s), and before it unit %s (%s): the profile's secret "
	    "file is "
	    "probably wrong; nothing is tried with it any more",
	    serial, why->code, r->units.serials[0], r->first.code);
}
