/* What the files that build a report share. */
#ifndef KILN_REPORT_INTERNAL_H
#define KILN_REPORT_INTERNAL_H

#include "report.h"

/* The job that a unit is in, or was in last. */
struct unit_job {
	int64_t number, opened_ms, claimed_ms;
	bool open;
	bool counts; /* it is of the order that is asked for */
	bool first, retest, rework;
	bool waited;               /* parked, or claimed more than once */
	int64_t who_ms[WHO_COUNT]; /* since it was claimed last */
	char order[REPORT_TEXT], product[REPORT_TEXT];
};

/* How it came to its last PASS. */
enum way { WAY_AT_ONCE, WAY_WAITED, WAY_RETEST, WAY_REWORK };

/* A unit's history so far. */
struct unit {
	struct unit_job job;
	int64_t jobs;
	bool ended, failed, passed; /* an earlier job did */
	bool active;                /* it has an event of a job in the period */
	enum way way;
	struct report_unit row; /* with reason and outcome as of now */
	char domain[16];        /* of the reason */
	/* Turned away without a job: what counts unless it is active. */
	struct report_unit away;
	char away_domain[16];
};

struct report_builder {
	struct report *r;
	struct report_hook hook;
	struct unit unit;                /* serial "": none yet */
	int64_t ca_down_ms, hsm_down_ms; /* since when, within the period; 0: it is there */
	char orphan[2 * SHA256_LEN + 1]; /* the id before */
};

/* report_count.c. error: as json_from_err makes it. */
void count_reason(struct report_reasons *r, const json_t *error, int64_t times);
/* One unit is that way as the period ends. times: where it was not counted by its events. */
void count_reason_unit(struct report_reasons *r, const char *code, const char *domain,
    const char *message, int64_t times);
/* The row of that name, made where there is none. */
struct report_tally *count_tally(struct report_tallies *t, const char *name);
void count_decision(struct report *r, const char *what, const char *by);
void count_chain(struct report *r, const json_t *event);
/* A pass or a failure at that time. */
void count_end(struct report *r, int64_t at_ms, bool passed);
void count_orphan(struct report *r, const json_t *orphan, bool again);
void count_sort(struct report *r);
void count_text(char *ret, size_t size, const json_t *object, const char *member);
/* report_rate.c: cuts the period into buckets. */
void rate_cut(struct report *r);

/* report_unit.c: an event of the builder's unit, in the period or before it; its end. */
void unit_event(struct report_builder *b, const json_t *event, const char *kind, int64_t at_ms,
    bool in_period);
must_check int unit_end(struct report_builder *b, struct err *e);
/* Where the blame for a device without a job goes: REPORT_FAILED, _REFUSED or _WAITING. */
enum report_outcome unit_turned_away(const json_t *error);

#endif
