#include <stdio.h>
#include <string.h>

#include "report_view.h"

const char *view_percent(int64_t ppm, char ret[static VIEW_TEXT])
{
	if (ppm < 0)
		(void)snprintf(ret, VIEW_TEXT, "-");
	else /* cut, not rounded: 100 % means all */
		(void)snprintf(ret, VIEW_TEXT, "%lld.%lld %%", (long long)(ppm / 10000),
		    (long long)(ppm / 1000 % 10));
	return ret;
}

const char *view_duration(int64_t ms, char ret[static VIEW_TEXT])
{
	long long v = ms < 0 ? 0 : ms;

	if (ms < 0)
		(void)snprintf(ret, VIEW_TEXT, "-");
	else if (v < 1000)
		(void)snprintf(ret, VIEW_TEXT, "%lld ms", v);
	else if (v < 60000)
		(void)snprintf(ret, VIEW_TEXT, "%lld.%lld s", v / 1000, v / 100 % 10);
	else if (v < 3600000)
		(void)snprintf(ret, VIEW_TEXT, "%lld min %lld s", v / 60000, v / 1000 % 60);
	else
		(void)snprintf(ret, VIEW_TEXT, "%lld h %lld min", v / 3600000, v / 60000 % 60);
	return ret;
}

int64_t view_share(int64_t part, int64_t whole)
{
	return whole > 0 ? part * 1000000 / whole : 0;
}

static const char *offset_of(const char *text)
{
	size_t len = strlen(text);

	return len > 6 ? text + len - 6 : "";
}

void view_period(const struct report *r, char ret[static VIEW_PERIOD])
{
	char from[ZONE_TEXT], to[ZONE_TEXT], from_iso[ZONE_TEXT], to_iso[ZONE_TEXT];
	char zone[ZONE_NAME];
	const char *until = to;

	zone_say(r->span.from_ms, ZONE_MINUTES, from);
	zone_say(r->span.to_ms, ZONE_MINUTES, to);
	zone_text(r->span.from_ms, from_iso);
	zone_text(r->span.to_ms, to_iso);
	zone_name(r->span.from_ms, zone);
	if (strncmp(from, to, strlen("2026-11-28")) == 0)
		until = to + strlen("2026-11-28 ");
	if (strcmp(offset_of(from_iso), offset_of(to_iso)) == 0)
		(void)snprintf(ret, VIEW_PERIOD, "%s to %s (%s, %s)", from, until, zone,
		    offset_of(from_iso));
	else
		(void)snprintf(ret, VIEW_PERIOD,
		    "%s to %s (%s, %s, then %s: the clock was changed)", from, until, zone,
		    offset_of(from_iso), offset_of(to_iso));
}

void view_bucket(const struct report *r, size_t bucket, char ret[static ZONE_TEXT])
{
	bool days =
	    r->bucket_count > 2 && r->buckets[2].from_ms - r->buckets[1].from_ms > 12 * 3600000;

	zone_say(r->buckets[bucket].from_ms, days ? ZONE_DATE : ZONE_CLOCK, ret);
}

bool view_goes_on(const struct report *r)
{
	return r->made_ms < r->span.to_ms;
}
