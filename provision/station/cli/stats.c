#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

struct samples {
	int64_t *ms;
	size_t count, cap;
};

enum share { SHARE_DEVICE, SHARE_CA, SHARE_HSM, SHARE_STATION, SHARE_COUNT };

static const char *const share_members[SHARE_COUNT] = { "device_ms", "ca_ms", "hsm_ms",
	"station_ms" };
static const char *const share_names[SHARE_COUNT] = { "device", "CA", "HSM", "station" };

struct unit_row {
	char serial[IDENTITY_MAX + 1], slot[16], outcome[16];
	int64_t ms, shares[SHARE_COUNT];
};

struct stats {
	struct unit_row rows[STATS_UNITS_SHOWN]; /* a ring; ended counts what went in */
	char who[STEP_COUNT][16];
	struct samples steps[STEP_COUNT];
	struct samples shares[SHARE_COUNT];
	struct samples units;
	long ended;
	int64_t first_ms, last_ms;
};

int stats_new(struct stats **ret, struct err *e)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret != NULL ? 0 : err_nomem(e);
}

void stats_free(struct stats *s)
{
	for (size_t i = 0; i < STEP_COUNT; i++)
		free(s->steps[i].ms);
	for (size_t i = 0; i < SHARE_COUNT; i++)
		free(s->shares[i].ms);
	free(s->units.ms);
	free(s);
}

/* A sample lost for want of memory makes a figure less exact and nothing else. */
static void add(struct samples *s, int64_t ms)
{
	if (s->count == s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		int64_t *grown = reallocarray(s->ms, cap, sizeof(*grown));

		if (grown == NULL)
			return;
		s->ms = grown;
		s->cap = cap;
	}
	s->ms[s->count++] = ms;
}

static void copy(char *ret, size_t size, const json_t *event, const char *member)
{
	(void)snprintf(ret, size, "%s", json_opt_str(event, member, ""));
}

static void take_step(struct stats *s, enum step_id step, const json_t *event)
{
	add(&s->steps[step], json_opt_int(event, "ms", 0));
	copy(s->who[step], sizeof(s->who[step]), event, "who");
}

static void keep_unit(struct stats *s, const json_t *event)
{
	struct unit_row *u = &s->rows[s->ended++ % STATS_UNITS_SHOWN];

	copy(u->serial, sizeof(u->serial), event, "serial");
	copy(u->slot, sizeof(u->slot), event, "slot");
	copy(u->outcome, sizeof(u->outcome), event, "outcome");
	u->ms = json_opt_int(event, "ms", 0);
	for (size_t i = 0; i < SHARE_COUNT; i++)
		u->shares[i] = json_opt_int(event, share_members[i], 0);
}

void stats_take(struct stats *s, const json_t *event)
{
	const char *kind = json_opt_str(event, "event", "");
	enum step_id step;

	if (strcmp(kind, "arrived") == 0 && s->first_ms == 0)
		s->first_ms = clock_now_ms();
	if (strcmp(kind, "step") == 0 && strcmp(json_opt_str(event, "outcome", ""), "ok") == 0 &&
	    step_parse(json_opt_str(event, "step", ""), &step))
		take_step(s, step, event);
	if (strcmp(kind, "unit") != 0)
		return;
	keep_unit(s, event);
	s->last_ms = clock_now_ms();
	if (strcmp(json_opt_str(event, "outcome", ""), "passed") != 0)
		return;
	add(&s->units, json_opt_int(event, "ms", 0));
	for (size_t i = 0; i < SHARE_COUNT; i++)
		add(&s->shares[i], json_opt_int(event, share_members[i], 0));
}

long stats_ended(const struct stats *s)
{
	return s->ended;
}

double stats_per_hour(const struct stats *s)
{
	int64_t ms = s->last_ms - s->first_ms;

	return s->ended > 0 && ms > 0 ? (double)s->ended * 3600000.0 / (double)ms : 0;
}

long stats_seconds_left(const struct stats *s, long total)
{
	double rate = stats_per_hour(s);

	if (rate <= 0 || total <= s->ended)
		return rate <= 0 ? -1 : 0;
	return (long)((double)(total - s->ended) * 3600.0 / rate + 0.5);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_row(FILE *out, const char *name, const char *who, const struct samples *s)
{
	if (s->count == 0)
		return;
	qsort(s->ms, s->count, sizeof(*s->ms), by_value);
	(void)fprintf(out, "  %-10s %-8s %8zu %10lld %10lld\n", name, who, s->count,
	    (long long)s->ms[s->count / 2], (long long)s->ms[s->count * 95 / 100]);
}

void stats_print_units(const struct stats *s, FILE *out)
{
	long first = s->ended > STATS_UNITS_SHOWN ? s->ended - STATS_UNITS_SHOWN : 0;

	(void)fprintf(out, "\n  %-5s %-16s %-8s %8s %8s %6s %6s %8s  ms\n", "slot", "serial",
	    "outcome", "whole", "device", "CA", "HSM", "station");
	for (long i = first; i < s->ended; i++) {
		const struct unit_row *u = &s->rows[i % STATS_UNITS_SHOWN];

		(void)fprintf(out, "  %-5s %-16s %-8s %8lld", u->slot, u->serial, u->outcome,
		    (long long)u->ms);
		(void)fprintf(out, " %8lld %6lld %6lld %8lld\n", (long long)u->shares[SHARE_DEVICE],
		    (long long)u->shares[SHARE_CA], (long long)u->shares[SHARE_HSM],
		    (long long)u->shares[SHARE_STATION]);
	}
	if (first > 0)
		(void)fprintf(out, "  (and %ld before these)\n", first);
}

void stats_print(const struct stats *s, FILE *out)
{
	(void)fprintf(out, "\n  %-10s %-8s %8s %10s %10s\n", "step", "by", "times", "p50 ms",
	    "p95 ms");
	for (size_t i = 0; i < STEP_COUNT; i++)
		print_row(out, step_name((enum step_id)i), s->who[i], &s->steps[i]);
	if (s->units.count == 0)
		return;
	(void)fprintf(out, "\n  %-10s %-8s %8s %10s %10s\n", "passed", "", "units", "p50 ms",
	    "p95 ms");
	for (size_t i = 0; i < SHARE_COUNT; i++)
		print_row(out, share_names[i], "", &s->shares[i]);
	print_row(out, "whole", "", &s->units);
	(void)fprintf(out, "\n  %.0f units per hour\n", stats_per_hour(s));
}
