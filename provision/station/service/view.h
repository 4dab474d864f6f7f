/*
 * What a person who comes to the station now has to be told: the state of everything, made from the
 * station's events (station.h). Beside them it knows the configuration and the profile; it asks nobody.
 */
#ifndef KILN_VIEW_H
#define KILN_VIEW_H

#include "config.h"
#include "json.h"
#include "profile.h"
#include "scans.h"

struct view;

/* What the station does with a device that is plugged in. */
enum view_state {
	VIEW_STARTING,
	VIEW_RUNNING,
	VIEW_STOPPED, /* nothing begins; a person has said so */
	VIEW_DRAINING,
	VIEW_BROKEN,
};

/* config outlives the view. */
must_check int view_new(struct view **ret, const struct config *config, struct err *e);
void view_free(struct view *v);
OWNED_PTR(view, view_free)

void view_set_profile(struct view *v, const struct profile *p);
/* Units of the order that have their identity. */
void view_set_made(struct view *v, int64_t made);
/* by and reason: NULL where nobody said it. at: NULL for now. */
/* Which labels wait; scans outlive the view. */
void view_set_scans(struct view *v, const struct scans *scans);
void view_set_state(struct view *v, enum view_state state, const char *by, const char *reason,
    const char *at);

/* One slot, or (NULL) the station. */
void view_set_paused(struct view *v, const char *slot, bool paused);

/* There are operators; before that, none. */
void view_set_operators(struct view *v, bool required);
/* Who is signed on, since when; name "": nobody. */
void view_set_operator(struct view *v, const char *name, const char *role, const char *since);

/* A FAIL in this slot waits for a person to acknowledge it. */
void view_set_ack(struct view *v, const char *slot, bool waits);
/* Free for the records. */
void view_set_free(struct view *v, int64_t bytes);
/* The alarms that there are, as the snapshot says them; unseen: only those that nobody has seen. Owned by
 * the caller. */
json_t *view_alarm_names(const struct view *v, bool unseen);
/* These alarms (names) were seen, until they are over. */
void view_set_seen(struct view *v, const json_t *names, const char *by, const char *at);

/* Any event of the station. */
void view_take(struct view *v, const json_t *event);

/*
 *   time, build, station {id, site, line}, test (certificates of a throw-away CA are accepted)
 *   profile {product, version, sha256}; order {id, quantity, made (by all runs)} or null
 *   state "starting" "running" "stopped" "draining" "broken"; stop {by, reason, at} or null
 *   paused (bool): nothing begins until the station is resumed
 *   operators null (there are none), or {required, operator: null or {name, role, since}}
 *   fault {domain, code, message, advice, at} of a broken station, or null
 *   line {rule, units [serials, newest first], at} while a rule has stopped the line, or null: state does
 *     not say it
 *   health {ca, hsm: {state "up" "down", code, message, advice, since, retry_at, waiting}, disk {state "up"
 *     "low" "down", free_bytes, code, message, advice}}
 *   health.printer null (no labels), or {state, waiting, unprinted [serials: the first ones], unprinted_count}
 *     and, where it is "down", code, message, advice, since
 *   alarm {what ["ca-down" "hsm-down" "line-stopped" "disk-down"], seen {by, at} or null}, or null: what
 *     sounds while seen is null; another one that comes up is not seen
 *   counters {passed, failed, refused, parked} and rates {units_per_hour, cycle_ms, yield_ppm (null: none
 *     has ended; report.h's yield), first_pass_ppm (as it)}: of this run
 *   scan null (no labels are scanned) or {order "none" "first" "after", prefix, suffix, pending [{text, serial}],
 *     device null or {state "up" "down", code, message, advice, since} of a serial scanner}
 *   steps [{name, typical_ms}]: in order; the median of the last ones, 0 where there was none
 *   slots [{name, state, present, paused, ack, serial, step, step_index, percent, left_ms, elapsed_ms, ms, outcome, domain,
 *     code, message, advice}], state "empty" "held" "opening" "running" "waits" "passed" "failed" "refused"
 *     "parked" "closed"; scan "needed" where it waits for its label, else null. How a unit ended stays until the
 *     next device comes, also when it was taken out. ack: it failed, and nothing begins here until a person has
 *     acknowledged that; what it said stays so long
 *   fixture {columns} or null: of tiles; slots[].tile [row, column] from 1, or null: the fixture's own layout
 * Owned by the caller; NULL where memory ran out.
 */
json_t *view_snapshot(const struct view *v);

#endif
