#include "batch.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "job.h"
#include "station.h"

#define BATCH_FULL "batch.full"

struct unit {
	char serial[IDENTITY_MAX + 1];
	enum outcome { PASSED, FAILED, REFUSED, PARKED, PARKED_LINK } outcome;
};

struct batch {
	const struct batch_options *options;
	struct event_base *loop;
	struct station *station;
	struct list list;
	struct unit *units;
	size_t unit_count, unit_cap;
	char (*admitted)[IDENTITY_MAX + 1]; /* serials this batch let in, when it has a count */
	size_t admitted_count;
	struct event *interrupt, *terminate;
	int signals;
	struct err why;
	bool failed_to_start;
};

static enum outcome outcome_of(const json_t *event)
{
	const char *text = json_opt_str(event, "outcome", "");

	if (strcmp(text, "passed") == 0)
		return PASSED;
	if (strcmp(text, "refused") == 0)
		return REFUSED;
	if (strcmp(text, "parked") == 0)
		return strcmp(json_opt_str(event, "domain", ""), "link") == 0 ? PARKED_LINK
									      : PARKED;
	return FAILED;
}

/* A unit that waited and came back is one unit; a second device with its serial is another. */
static struct unit *unit_slot(struct batch *b, const char *serial)
{
	for (size_t i = 0; i < b->unit_count; i++)
		if (b->units[i].outcome >= PARKED && strcmp(b->units[i].serial, serial) == 0)
			return &b->units[i];
	if (b->unit_count == b->unit_cap) {
		size_t cap = b->unit_cap == 0 ? 64 : b->unit_cap * 2;
		struct unit *grown = reallocarray(b->units, cap, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		b->units = grown;
		b->unit_cap = cap;
	}
	return &b->units[b->unit_count++];
}

static bool list_is_done(const struct batch *b)
{
	for (size_t i = 0; i < b->list.count; i++)
		if (!b->list.units[i].came)
			return false;
	return true;
}

/* A unit whose cable is to be reseated is expected back; one that waits for the CA is not. */
static bool is_done(const struct batch *b)
{
	long ended = 0;

	for (size_t i = 0; i < b->unit_count; i++)
		ended += b->units[i].outcome != PARKED_LINK;
	if (b->options->count > 0 && ended >= b->options->count)
		return true;
	return b->list.count > 0 && list_is_done(b);
}

static bool is_admitted(const struct batch *b, const char *serial)
{
	for (size_t i = 0; i < b->admitted_count; i++)
		if (strcmp(b->admitted[i], serial) == 0)
			return true;
	return false;
}

/* Of one that was let in, the code is only what its device or its process says. */
static bool is_turned_away(const struct batch *b, const json_t *event)
{
	return b->options->count > 0 && b->admitted_count == (size_t)b->options->count &&
	       strcmp(json_opt_str(event, "code", ""), BATCH_FULL) == 0 &&
	       !is_admitted(b, json_opt_str(event, "serial", ""));
}

static void count_unit(struct batch *b, const json_t *event)
{
	const char *serial = json_opt_str(event, "serial", "");
	struct list_unit *listed = list_find(&b->list, serial);
	struct unit *u;
	struct err e = { 0 };

	if (is_turned_away(b, event))
		return; /* one more than asked for is turned away and is nobody's failure */
	u = unit_slot(b, serial);
	if (u == NULL) {
		(void)err_nomem(&e);
		station_break(b->station, &e);
		return;
	}
	u->outcome = outcome_of(event);
	(void)strncpy(u->serial, serial, sizeof(u->serial) - 1);
	u->serial[sizeof(u->serial) - 1] = '\0';
	if (listed != NULL && u->outcome != PARKED_LINK)
		listed->came = true;
	if (is_done(b))
		station_drain(b->station);
}

static void on_event(void *context, const json_t *event)
{
	struct batch *b = context;

	b->options->event(b->options->context, event);
	if (strcmp(json_opt_str(event, "event", ""), "unit") == 0)
		count_unit(b, event);
}

static int admit_listed(const struct batch *b, const struct identity *i, struct err *e)
{
	const struct list_unit *u = list_find(&b->list, i->serial);

	if (u == NULL)
		return err_set(e, ERR_OPERATOR, "list.unlisted", "serial %s is not in %s",
		    i->serial, b->options->list);
	if (u->model[0] != '\0' && strcmp(u->model, i->model) != 0)
		return err_set(e, ERR_OPERATOR, "list.model",
		    "serial %s is listed as model %s and says it is %s", i->serial, u->model,
		    i->model);
	return 0;
}

static int on_admit(void *context, const struct identity *i, struct err *e)
{
	struct batch *b = context;

	if (b->list.count > 0 && admit_listed(b, i, e) != 0)
		return -1;
	if (b->options->count == 0 || is_admitted(b, i->serial))
		return 0;
	if (b->admitted_count == (size_t)b->options->count)
		return err_set(e, ERR_OPERATOR, BATCH_FULL,
		    "this batch makes %ld units and has them; leave it for the next",
		    b->options->count);
	memcpy(b->admitted[b->admitted_count++], i->serial, sizeof(i->serial));
	return 0;
}

static void fail_to_start(struct batch *b, const struct err *why)
{
	b->why = *why;
	b->failed_to_start = true;
	(void)event_base_loopbreak(b->loop); /* fails only on a broken loop */
}

static void on_ready(void *context, const struct err *why)
{
	struct batch *b = context;
	struct err e = { 0 };

	if (why != NULL) {
		fail_to_start(b, why);
		return;
	}
	if (station_arm(b->station, &e) != 0) {
		fail_to_start(b, &e);
		return;
	}
	if (b->options->armed != NULL)
		b->options->armed(b->options->context, b);
}

static void on_idle(void *context, const struct err *why)
{
	struct batch *b = context;

	if (why != NULL)
		b->why = *why;
	(void)event_base_loopbreak(b->loop);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct batch *b = context;

	(void)number;
	(void)what;
	if (++b->signals == 1) {
		station_tell(b->station,
		    json_pack("{s:s, s:s, s:s}", "event", "station", "what", "draining", "message",
			"finishing what is in flight; once more to stop now"));
		station_leave(b->station);
		return;
	}
	(void)event_base_loopbreak(b->loop);
}

static void tell_missing(struct batch *b, struct batch_result *r)
{
	for (size_t i = 0; i < b->list.count; i++) {
		const struct list_unit *u = &b->list.units[i];

		if (u->came)
			continue;
		r->missing++;
		station_tell(b->station,
		    json_pack("{s:s, s:s, s:s, s:s}", "event", "missing", "serial", u->serial,
			"label", u->label, "message", "listed and never came"));
	}
}

static int exit_code_of(const struct batch *b, const struct batch_result *r)
{
	if (b->why.domain != ERR_NONE)
		return EXIT_STATION;
	if (b->signals > 1)
		return EXIT_ABORTED;
	if (r->failed + r->refused + r->missing > 0)
		return EXIT_UNITS;
	return r->pending > 0 ? EXIT_PENDING : EXIT_PASSED;
}

/* Units whose work a second signal ended: their jobs stay open in the records. */
static void tell_interrupted(struct batch *b)
{
	for (const struct job *j = b->station->jobs; j != NULL; j = j->next)
		station_tell(b->station,
		    json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "event", "unit",
			"slot", j->slot_name, "serial", j->identity.serial, "outcome", "parked",
			"ms", (json_int_t)0, "domain", err_domain_name(ERR_OPERATOR), "code",
			"batch.interrupted", "message", "stopped in the middle of its work",
			"advice", "plug it in again when the station runs: it is continued"));
}

static void sum_up(struct batch *b, struct batch_result *r)
{
	*r = (struct batch_result){ .why = b->why };
	tell_interrupted(b);
	for (size_t i = 0; i < b->unit_count; i++) {
		enum outcome o = b->units[i].outcome;

		r->passed += o == PASSED;
		r->failed += o == FAILED;
		r->refused += o == REFUSED;
		r->pending += o == PARKED || o == PARKED_LINK;
	}
	if (b->options->count > (long)b->unit_count)
		r->missing = b->options->count - (long)b->unit_count;
	tell_missing(b, r);
	r->exit_code = exit_code_of(b, r);
	station_tell(b->station,
	    json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:i}", "event", "summary", "passed",
		(json_int_t)r->passed, "failed", (json_int_t)r->failed, "refused",
		(json_int_t)r->refused, "pending", (json_int_t)r->pending, "missing",
		(json_int_t)r->missing, "exit_code", r->exit_code));
}

static int catch_signals(struct batch *b, struct err *e)
{
	b->interrupt = evsignal_new(b->loop, SIGINT, on_signal, b);
	b->terminate = evsignal_new(b->loop, SIGTERM, on_signal, b);
	if (b->interrupt == NULL || b->terminate == NULL || event_add(b->interrupt, NULL) != 0 ||
	    event_add(b->terminate, NULL) != 0)
		return err_nomem(e);
	return 0;
}

static void batch_free(struct batch *b)
{
	if (b->station != NULL)
		station_close(b->station);
	if (b->interrupt != NULL)
		event_free(b->interrupt);
	if (b->terminate != NULL)
		event_free(b->terminate);
	list_free(&b->list);
	free(b->units);
	free(b->admitted);
}
OWNED_STRUCT(batch, batch_free)

/* A typing mistake is told now, not by a unit that never comes. */
static int check_list(const struct batch *b, struct err *e)
{
	for (size_t i = 0; i < b->list.count; i++)
		if (profile_expects(b->station->profile, b->list.units[i].serial,
			b->list.units[i].model, e) != 0)
			return err_while(e, "%s", b->options->list);
	return 0;
}

/* No file is to be corrected: the station itself is at fault, as where this comes later. */
static bool is_of_clock(const struct err *why)
{
	return err_is(why, "clock.backwards") || err_is(why, "clock.ca");
}

static int run(struct batch *b, const struct config *config, struct batch_result *ret,
    struct err *e)
{
	const struct station_hooks hooks = { .event = on_event,
		.admit = on_admit,
		.ready = on_ready,
		.idle = on_idle,
		.context = b };

	if (b->options->count > 0) {
		b->admitted = calloc((size_t)b->options->count, sizeof(*b->admitted));
		if (b->admitted == NULL)
			return err_nomem(e);
	}
	if (config->scan.order != SCAN_NONE)
		return err_set(e, ERR_CONFIG, "scan.batch",
		    "station.yaml wants each unit's label scanned (scan), and nobody scans for a "
		    "batch");
	if (b->options->list != NULL && list_load(&b->list, b->options->list, e) != 0)
		return -1;
	if (catch_signals(b, e) != 0 || station_open(&b->station, b->loop, config, &hooks, e) != 0)
		return -1;
	if (check_list(b, e) != 0)
		return -1;
	if (event_base_dispatch(b->loop) < 0) /* it ends by loopbreak */
		(void)err_errno(&b->why, ERR_CONFIG, "loop", "waiting for what happens next");
	if (b->failed_to_start && !is_of_clock(&b->why)) {
		*e = b->why;
		return -1;
	}
	sum_up(b, ret);
	return 0;
}

int batch_run(struct event_base *loop, const struct batch_options *options,
    struct batch_result *ret, struct err *e)
{
	AUTO_PTR(config) *config = NULL;

	if (config_load(&config, options->config, e) != 0)
		return -1;
	{
		AUTO_STRUCT(batch) b = { .options = options, .loop = loop };

		return run(&b, config, ret, e);
	}
}

void batch_no_more(struct batch *b)
{
	station_drain(b->station);
}
