#include "report_internal.h"

#include "zone.h"

enum { MINUTE_MS = 60 * 1000, DAY_MIN = 24 * 60 };

static void add(struct report *r, int64_t from_ms)
{
	if (r->bucket_count < REPORT_BUCKETS_MAX)
		r->buckets[r->bucket_count++].from_ms = from_ms;
}

/* Cut where a clock on the wall would: at full quarters, hours ... of the first day's midnight. */
static void cut_hours(struct report *r, int64_t width_ms)
{
	int64_t midnight = zone_ms(zone_day_of(r->span.from_ms), 0);
	int64_t cut = midnight + ((r->span.from_ms - midnight) / width_ms + 1) * width_ms;

	add(r, r->span.from_ms);
	for (; cut < r->span.to_ms; cut += width_ms)
		add(r, cut);
}

static void cut_days(struct report *r, int days)
{
	struct zone_day day = zone_day_of(r->span.from_ms);

	add(r, r->span.from_ms);
	for (;;) {
		day = zone_day_add(day, days);
		if (zone_ms(day, 0) >= r->span.to_ms)
			return;
		add(r, zone_ms(day, 0));
	}
}

/* The narrowest of the usual widths by which there are not too many; a first one may be cut short. */
void rate_cut(struct report *r)
{
	static const int minutes[] = { 5, 10, 15, 30, 60, 120, 180, 360, 720 };
	int64_t length_ms = r->span.to_ms - r->span.from_ms;
	int64_t most = 40, days = 1; /* a day that is changed by an hour stays in hours */

	for (size_t i = 0; i < COUNT(minutes); i++) {
		if (length_ms / MINUTE_MS <= minutes[i] * most) {
			cut_hours(r, (int64_t)minutes[i] * MINUTE_MS);
			r->buckets[r->bucket_count].from_ms = r->span.to_ms;
			return;
		}
	}
	while (length_ms / MINUTE_MS > days * DAY_MIN * most)
		days *= days == 1 ? 7 : 2;
	cut_days(r, (int)days);
	r->buckets[r->bucket_count].from_ms = r->span.to_ms;
}
