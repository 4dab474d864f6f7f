/* Records whose events happen when the test says, and reports of them. */
#ifndef KILN_TEST_REPORT_WORLD_H
#define KILN_TEST_REPORT_WORLD_H

#include "../records/records_world.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "report_view.h"

/* What the wall clock says; 0: the machine's. */
static int64_t line_now_ms;

/* In front of libc's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	if (id != CLOCK_REALTIME || line_now_ms == 0)
		return (int)syscall(SYS_clock_gettime, id, t);
	*t = (struct timespec){ line_now_ms / 1000, line_now_ms % 1000 * 1000000 };
	return 0;
}

static inline void line_zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
}

/* Moves the clock to a time of ISO 8601. */
static inline void line_at(const char *text)
{
	assert_true(zone_time_parse(text, &line_now_ms));
}

static inline int64_t line_ms(const char *text)
{
	int64_t ms = -1;

	assert_true(zone_time_parse(text, &ms));
	return ms;
}

/* Each event takes a moment. */
static inline void line_tick(struct record *record)
{
	(void)record;
	line_now_ms += 10;
}

static inline int line_setup(void **state)
{
	struct world *w;

	line_zone("UTC");
	line_at("2026-11-01T00:00Z");
	if (world_setup(state) != 0)
		return -1;
	w = *state;
	w->told = line_tick;
	world_profile(w);
	return 0;
}

static inline int line_teardown(void **state)
{
	int rc = world_teardown_verified(state);

	line_now_ms = 0;
	return rc;
}

#define line_test(f) cmocka_unit_test_setup_teardown(f, line_setup, line_teardown)

/* From T to T, of an order or (NULL) of all; made as the period ends. */
static inline struct report *line_report_with(struct world *w, const char *from, const char *to,
    const char *order, const struct report_hook *hook)
{
	struct records_span span = { line_ms(from), line_ms(to), order };
	struct report *ret = NULL;
	struct err e = { 0 };

	assert_ok(report_new(&ret, w->r, &span, span.to_ms, hook, &e), &e);
	return ret;
}

static inline struct report *line_report(struct world *w, const char *from, const char *to)
{
	return line_report_with(w, from, to, NULL, NULL);
}

static inline const struct report_reason *line_reason(const struct report_reasons *reasons,
    const char *code)
{
	for (size_t i = 0; i < reasons->count; i++)
		if (strcmp(reasons->list[i].code, code) == 0)
			return &reasons->list[i];
	fail_msg("there is no reason %s", code);
	return NULL;
}

/* passed, failed, refused, waiting, in work */
static inline void assert_units(const struct report *r, int passed, int failed, int refused,
    int waiting, int in_work)
{
	assert_int_equal(r->units[REPORT_PASSED], passed);
	assert_int_equal(r->units[REPORT_FAILED], failed);
	assert_int_equal(r->units[REPORT_REFUSED], refused);
	assert_int_equal(r->units[REPORT_WAITING], waiting);
	assert_int_equal(r->units[REPORT_IN_WORK], in_work);
}

static inline void assert_first(const struct report *r, int passed, int jobs)
{
	assert_int_equal(r->first_passed, passed);
	assert_int_equal(r->first_jobs, jobs);
}

static inline void assert_reason(const struct report_reasons *reasons, const char *code, int times,
    int units)
{
	const struct report_reason *row = line_reason(reasons, code);

	assert_int_equal(row->times, times);
	assert_int_equal(row->units, units);
}

#endif
