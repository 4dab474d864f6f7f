#include "ground.h"

#include "clock.h"

void ground_ca_said(struct ground *g, int64_t ca_ms, int64_t now_ms)
{
	if (ca_ms <= 0)
		return;
	g->ca_ms = ca_ms;
	g->ca_now_ms = now_ms;
}

/* a - b, and no further than a clock can be from another. */
static int64_t difference(int64_t a, int64_t b)
{
	int64_t d;

	if (__builtin_sub_overflow(a, b, &d))
		return a > b ? INT64_MAX : INT64_MIN;
	return d;
}

static int wrong(const char *code, const char *who, int64_t theirs_ms, int64_t wall_ms,
    struct err *e)
{
	char ours[CLOCK_TEXT], theirs[CLOCK_TEXT];

	clock_text(wall_ms, ours);
	clock_text(theirs_ms, theirs);
	return err_set(e, ERR_CONFIG, code,
	    "this machine's clock says %s, and %s %s: set the clock right (NTP); nothing is made "
	    "until then, and units go on when they are plugged in again",
	    ours, who, theirs);
}

int ground_check_clock(struct ground *g, int64_t wall_ms, int64_t now_ms, struct err *e)
{
	int64_t ca_ms, off;

	if (g->made_ms > 0 && difference(g->made_ms, wall_ms) > GROUND_CLOCK_MS)
		return wrong("clock.backwards", "the last unit was made at", g->made_ms, wall_ms,
		    e);
	if (g->ca_ms > 0) {
		ca_ms = g->ca_ms + (now_ms - g->ca_now_ms);
		off = difference(ca_ms, wall_ms);
		if (off > GROUND_CLOCK_MS || off < -GROUND_CLOCK_MS)
			return wrong("clock.ca", "the CA's says", ca_ms, wall_ms, e);
	}
	if (wall_ms > g->made_ms)
		g->made_ms = wall_ms;
	return 0;
}

int ground_check_space(uint64_t free_bytes, const char *path, struct err *e)
{
	if (free_bytes >= (uint64_t)GROUND_FREE_MIB << 20)
		return 0;
	return err_set(e, ERR_RECORDS, "records.space",
	    "%llu MiB are free for %s and %d are needed to begin a unit: make room; units that are "
	    "begun still end",
	    (unsigned long long)(free_bytes >> 20), path, GROUND_FREE_MIB);
}

enum ground_space ground_space(uint64_t free_bytes, const char *path, struct err *ret_why)
{
	*ret_why = (struct err){ 0 };
	if (ground_check_space(free_bytes, path, ret_why) != 0)
		return GROUND_SPACE_DOWN;
	if (free_bytes >= (uint64_t)GROUND_LOW_MIB << 20)
		return GROUND_SPACE_UP;
	(void)err_set(ret_why, ERR_RECORDS, "records.space-low",
	    "%llu MiB are free for %s: with less than %d no unit begins any more",
	    (unsigned long long)(free_bytes >> 20), path, GROUND_FREE_MIB);
	return GROUND_SPACE_LOW;
}
