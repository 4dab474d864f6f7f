#include "account.h"

#include <stdio.h>

#include "clock.h"

int account_open(const char *path, FILE **ret, struct err *e)
{
	*ret = NULL;
	if (path == NULL)
		return 0;
	*ret = fopen(path, "ae");
	return *ret != NULL ? 0 : err_errno(e, ERR_CONFIG, "twin.log", "opening %s", path);
}

static json_t *describe(const struct fleet *f, const struct fleet_slot *s)
{
	const struct twin_account *a = &s->plugged->account;

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "serial",
	    f->devices[s->device].serial, "slot", (json_int_t)(s - f->slots) + 1, "plugged_us",
	    (json_int_t)a->shown_us, "unplugged_us", (json_int_t)clock_now_us(), "busy_us",
	    (json_int_t)a->busy_us, "line_us", (json_int_t)a->line_us, "late_us",
	    (json_int_t)a->late_us, "in", (json_int_t)a->in, "out", (json_int_t)a->out);
}

void account_log(const struct fleet *f, const struct fleet_slot *s)
{
	AUTO(json_t) *line = NULL;

	if (f->log == NULL)
		return;
	line = describe(f, s);
	if (line == NULL || json_dumpf(line, f->log, JSON_COMPACT) != 0 ||
	    fputc('\n', f->log) == EOF || fflush(f->log) != 0)
		(void)fprintf(stderr, "kiln-twin: an account of %s could not be written\n",
		    f->devices[s->device].serial);
}
