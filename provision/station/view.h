/*
 * What a person who comes to the station now has to be told: the state of everything, made from the
 * station's events (station.h). Beside them it knows the configuration and the profile; it asks nobody.
 */
#ifndef KILN_VIEW_H
#define KILN_VIEW_H

#include "config.h"
#include "json.h"
#include "profile.h"

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
/* by and reason: NULL where nobody said it. at: NULL for now. */
void view_set_state(struct view *v, enum view_state state, const char *by, const char *reason,
    const char *at);

/* One slot, or (NULL) the station. */
void view_set_paused(struct view *v, const char *slot, bool paused);

/* There are operators; before that, none. */
void view_set_operators(struct view *v, bool required);
/* Who is signed on, since when; name "": nobody. */
void view_set_operator(struct view *v, const char *name, const char *role, const char *since);

/* Any event of the station. */
void view_take(struct view *v, const json_t *event);

/*
 *   time, build, station {id, site, line}, test (certificates of a throw-away CA are accepted)
 *   profile {product, version, sha256}; order {id, quantity} or null
 *   state "starting" "running" "stopped" "draining" "broken"; stop {by, reason, at} or null
 *   paused (bool): nothing begins until the station is resumed
 *   operators null (there are none), or {required, operator: null or {name, role, since}}
 *   fault {code, message, advice, at} of a broken station, or null
 *   health {ca, hsm: {state "up" "down", code, message, advice, since, retry_at, waiting}}
 *   health.printer null (no labels), or {state, waiting, unprinted [serials: the first ones], unprinted_count}
 *     and, where it is "down", code, message, advice, since
 *   counters {passed, failed, refused, parked} and rates {units_per_hour, cycle_ms, yield_ppm (null: none
 *     has ended; report.h's yield)}: of this run
 *   steps [{name, typical_ms}]: in order; the median of the last ones, 0 where there was none
 *   slots [{name, state, present, paused, serial, step, step_index, percent, left_ms, elapsed_ms, ms, outcome, domain,
 *     code, message, advice}], state "empty" "held" "opening" "running" "waits" "passed" "failed" "refused"
 *     "parked" "closed". How a unit ended stays until the next device comes, also when it was taken out.
 * Owned by the caller; NULL where memory ran out.
 */
json_t *view_snapshot(const struct view *v);

#endif
