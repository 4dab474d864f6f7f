/*
 * What a station did in a stretch of time, as numbers, from the events of its records alone: the same
 * records, period and zone give the same numbers, whoever asks and when. What happened after the period is
 * left out. What each number is:
 *
 * unit      a serial with an event of a job in the period, or one that was turned away before it had a job.
 *           Its outcome is that of its last job as the period ends:
 *             passed   that job ended PASS
 *             failed   that job ended FAIL, or the unit was scrapped; or, without a job in the period, it
 *                      was turned away for what the device or a certificate is
 *             refused  that job ended REFUSED (list, order, operator); or, without a job in the period, it
 *                      was turned away for such a reason. A unit that has a job stays what its job says
 *             waiting  WAITS: that job is parked. CA, HSM, records and cable faults park; they are the
 *                      station's, never the unit's
 *             in work  that job is open
 * job       one passage of a unit through the steps, from the claim that opened it to its end; parked and
 *           continued it is the same job. With an order, only jobs of that order are looked at
 * ended     passed + failed. Refused, waiting and in work are in no yield
 * yield     passed / ended
 * first job of a unit: the first that ended PASS or FAIL, in all its history
 * first-pass yield: of the units whose first job ended in the period, those that passed in it without
 *           having waited: never parked, never continued. So each unit counts in it once, for ever
 * failure   a job that ended FAIL (also by scrapping), or a device that was turned away before it had a job
 *           for what it is. Its reason is the error's code
 * retest    a job opened for a unit of which an earlier job failed, and none passed
 * rework    a job opened for a unit that had passed before
 * continued a claim that went on with a job: the unit had waited, or the station had been restarted
 * wait      a job that was parked, each time; or a device turned away before it had a job for a fault of
 *           the station's or the cable's
 * unidentified: turned away before it said its serial. Times, not units; in no yield
 * step time of each "step" event in the period: from when the step began, with what it waited for the CA or
 *           the HSM, to its judgement. p50 and p95 as in histogram.h
 * split     of jobs that passed: the step times since the job was claimed last, summed by who did them; whole
 *           is from that claim to the end; station is what is left of it
 * rate      passes and failures by when they were recorded; per hour: units that ended / time from the first
 *           claim of the period to the last end
 * orphans   certificates and requests listed since a time in the period; their state is of now
 * outage    of the CA or the HSM, the part within the period
 * operator  who was signed in when the job was claimed, where the records say it
 */
#ifndef KILN_REPORT_H
#define KILN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "job.h"
#include "profile.h"
#include "records.h"

/* Bounds. What is beyond them is summed up in a last row named REPORT_OTHERS. */
#define REPORT_OTHERS "(others)"
enum {
	REPORT_BUCKETS_MAX = 48,
	REPORT_REASONS_MAX = 100,
	REPORT_TALLIES_MAX = 128,
	REPORT_STATIONS_MAX = 16,
	REPORT_ORPHANS_SHOWN = 20,
	REPORT_TEXT = 129, /* a name of the records, with its NUL */
};

enum report_outcome {
	REPORT_NONE, /* not in the period */
	REPORT_PASSED,
	REPORT_FAILED,
	REPORT_REFUSED,
	REPORT_WAITING,
	REPORT_IN_WORK,
	REPORT_OUTCOMES,
};
const char *report_outcome_name(enum report_outcome outcome); /* "passed" ... "in-work" */

/* One unit as the period ends: the row of a list. Texts are "" where there is none. */
struct report_unit {
	char serial[REPORT_TEXT], model[REPORT_TEXT];
	enum report_outcome outcome;
	bool first_pass;
	char reason[40], message[480]; /* of what is not passed */
	int64_t begin_ms, end_ms;      /* its last job was opened; its last event. Wall ms */
	int64_t jobs;                  /* of its history, this one counted */
	int64_t step_ms[STEP_COUNT];   /* of its last job; -1: was not done */
	int64_t whole_ms;              /* of what passed: since it was claimed last; else -1 */
	char slot[REPORT_TEXT], order[REPORT_TEXT], operator[REPORT_TEXT];
	int64_t ordinal; /* of the order; 0: none */
};

/* A reason, and how often it was one. */
struct report_reason {
	char code[40], domain[16];
	char message[480]; /* the first one of this code */
	int64_t times;     /* failures; waits; refused units; unidentified */
	int64_t units;     /* of them that are that way as the period ends, for it */
};
struct report_reasons {
	struct report_reason list[REPORT_REASONS_MAX + 1];
	size_t count; /* most times first */
};

/* Jobs of a slot, an operator or a product. */
struct report_tally {
	char name[REPORT_TEXT];
	int64_t passed, failed, waits;
};
struct report_tallies {
	struct report_tally list[REPORT_TALLIES_MAX + 1];
	size_t count; /* by name */
};

/* What a person decided: scrap, rework, revoked, accept-restore, accept-clock. */
struct report_decision {
	char what[24], by[REPORT_TEXT];
	int64_t times;
};

/* The first and last event of the report, of one station's chain. */
struct report_chain {
	char station[REPORT_TEXT];
	int64_t events, first_seq, last_seq;
	char first_hash[2 * SHA256_LEN + 1], last_hash[2 * SHA256_LEN + 1];
};

struct report_bucket {
	int64_t from_ms; /* ends where the next begins; the last one where the period ends */
	int64_t passed, failed;
};

struct report_orphan {
	char id[2 * SHA256_LEN + 1], serial[REPORT_TEXT], state[16], reason[160];
	int64_t at_ms;
};

/* About 450 KiB: not for the stack. */
struct report {
	struct records_span span;
	int64_t made_ms; /* where it is before span.to_ms, the period was not over */

	int64_t units[REPORT_OUTCOMES];
	int64_t first_jobs, first_passed; /* of the first-pass yield */
	/* Of what passed, by its last job; the rest passed at once. */
	int64_t passed_after_failure, passed_after_wait, passed_as_rework;
	int64_t unidentified_times;

	int64_t jobs_opened, jobs_passed, jobs_failed, jobs_refused;
	int64_t retests, retests_passed, reworks, continued;

	struct report_reasons failures, waits, refusals, unidentified;
	struct report_tallies slots, operators, products;
	struct report_decision decisions[REPORT_TALLIES_MAX];
	size_t decision_count;

	struct report_bucket
	    buckets[REPORT_BUCKETS_MAX + 1]; /* the end of the last one behind them */
	size_t bucket_count;
	int64_t first_claim_ms, last_end_ms; /* in the period; 0: none */

	struct histogram steps[STEP_COUNT], split[WHO_COUNT], whole;

	int64_t orphans, orphans_unrevoked, orphans_undecided, orphans_revoked;
	struct report_orphan orphan_list[REPORT_ORPHANS_SHOWN];
	size_t orphan_count;

	int64_t ca_outages, ca_outage_ms, hsm_outages, hsm_outage_ms;

	struct report_chain chains[REPORT_STATIONS_MAX];
	size_t chain_count; /* further stations are not told */
};

/* Both in parts per million; -1 where nothing ended. */
int64_t report_yield_ppm(const struct report *r);
int64_t report_first_pass_ppm(const struct report *r);
int64_t report_ended(const struct report *r);
/* Units that ended per hour, -1 where that says nothing. */
int64_t report_per_hour(const struct report *r);
/* Who a step's time is counted to. */
enum who report_who(enum step_id step);
/* Who has the largest part of a passed job, by the medians of split; WHO_COUNT where none passed. The longest step of
 * theirs, by the median; STEP_COUNT where there is none. */
enum who report_bottleneck(const struct report *r);
enum step_id report_longest_step(const struct report *r, enum who who);

/* Told of each unit, in the order of serials, or NULL. */
struct report_hook {
	int (*unit)(void *context, const struct report_unit *unit, struct err *e);
	void *context;
};

/*
 * Reads the records once, unit by unit; memory is bounded by the limits above. now_ms is when it is made. The
 * buckets follow the local clock.
 */
must_check int report_new(struct report **ret, struct records *records,
    const struct records_span *span, int64_t now_ms, const struct report_hook *hook, struct err *e);
void report_free(struct report *r);
OWNED_PTR(report, report_free)

/* For tests and report_new: the same from any source of the events that records_period gives. */
struct report_builder;
must_check int report_builder_new(struct report_builder **ret, const struct records_span *span,
    int64_t now_ms, const struct report_hook *hook, struct err *e);
int report_builder_event(const json_t *event, void *builder, struct err *e);
int report_builder_orphan(const json_t *orphan, void *builder, struct err *e);
/* Ends the last unit, sorts, and hands the report over. */
must_check int report_builder_end(struct report_builder *b, struct report **ret, struct err *e);
void report_builder_free(struct report_builder *b);
OWNED_PTR(report_builder, report_builder_free)

#endif
