#include "service_internal.h"

#include <grp.h>
#include <signal.h>
#include <string.h>

#include "notify.h"

enum { BEAT_MS = 2000, LOOK_MS = 2000 };

static void give_up(struct service *s, const struct err *why)
{
	s->why = *why;
	(void)event_base_loopbreak(s->loop); /* fails only on a broken loop */
}

static void pass_on(struct service *s, const json_t *event)
{
	AUTO(json_t) *numbered = json_copy((json_t *)(uintptr_t)event);
	struct err e = { 0 };

	view_take(s->view, event);
	if (strcmp(json_opt_str(event, "event", ""), "arrived") == 0)
		service_touch(s);
	if (s->options->event != NULL)
		s->options->event(s->options->context, event);
	if (s->control == NULL)
		return;
	if (numbered == NULL)
		(void)err_nomem(&e);
	if (numbered == NULL || control_tell(s->control, numbered, &e) != 0)
		give_up(s, &e);
	service_labels_take(s, event);
}

/* What the whole order has by now, of all runs and stations; what can not be read is told as it was. */
static void count_made(struct service *s)
{
	AUTO(json_t) *order = NULL;
	struct err ignored = { 0 };

	if (s->station->config->order != NULL &&
	    records_order(s->station->records, s->station->config->order, &order, &ignored) == 0)
		view_set_made(s->view, json_opt_int(order, "issued", 0));
}

/* What follows from an event is told after it. */
static void on_event(void *context, const json_t *event)
{
	struct service *s = context;

	if (s->station != NULL && strcmp(json_opt_str(event, "event", ""), "unit") == 0)
		count_made(s);
	pass_on(context, event);
	service_rules_take(context, event);
}

static int on_admit(void *context, const struct identity *identity, struct err *e)
{
	(void)context;
	(void)identity;
	(void)e;
	return 0; /* a service has no list: the profile and the order say what is made */
}

static void fail_to_start(struct service *s, const struct err *why)
{
	s->failed_to_start = true;
	give_up(s, why);
}

void service_show_state(struct service *s)
{
	if (!s->ready)
		return;
	if ((s->station->held & HOLD_STOP) != 0)
		view_set_state(s->view, VIEW_STOPPED, s->stop.by, s->stop.reason, s->stop.at);
	else
		view_set_state(s->view, VIEW_RUNNING, NULL, NULL, NULL);
}

/* Why nothing begins yet, by what is said first. */
static const char *ready_message(unsigned held)
{
	if ((held & HOLD_STOP) != 0)
		return "nothing begins until kiln start";
	if ((held & HOLD_LINE) != 0)
		return "nothing begins until kiln release";
	if ((held & HOLD_PAUSE) != 0)
		return "nothing begins until kiln resume";
	if ((held & HOLD_OPERATOR) != 0)
		return "nothing begins until somebody signs on";
	return held != 0 ? "nothing begins yet" : "plug the units in";
}

static void on_ready(void *context, const struct err *why)
{
	struct service *s = context;
	struct err e = { 0 };

	if (why == NULL && station_arm(s->station, &e) != 0)
		why = &e;
	if (why != NULL) {
		fail_to_start(s, why);
		return;
	}
	if (service_labels_recall(s, &e) != 0) {
		fail_to_start(s, &e);
		return;
	}
	s->ready = true;
	service_show_state(s);
	station_tell(s->station, json_pack("{s:s, s:s, s:s}", "event", "station", "what", "ready",
				     "message", ready_message(s->station->held)));
	if ((s->station->held & HOLD_STOP) != 0)
		service_tell_stopped(s);
	/* the manager's time-out tells */
	(void)notify_send((s->station->held & HOLD_STOP) != 0
			      ? "READY=1\nSTATUS=stopped by a person"
			      : "READY=1\nSTATUS=units are made",
	    &e);
}

static void on_idle(void *context, const struct err *why)
{
	struct service *s = context;

	if (why != NULL)
		s->why = *why;
	if (why == NULL && service_labels_busy(s))
		service_labels_finish(s);
	else
		(void)event_base_loopbreak(s->loop);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct service *s = context;
	struct err ignored = { 0 };

	(void)number;
	(void)what;
	if (++s->signals > 1) {
		(void)event_base_loopbreak(s->loop);
		return;
	}
	(void)notify_send("STOPPING=1\nSTATUS=units in flight are finished", &ignored);
	station_tell(s->station,
	    json_pack("{s:s, s:s, s:s}", "event", "station", "what", "draining", "message",
		"finishing what is in flight; once more to stop now"));
	station_leave(s->station);
}

static void on_beat(evutil_socket_t fd, short what, void *context)
{
	struct service *s = context;

	(void)fd;
	(void)what;
	control_beat(s->control);
}

static void on_watchdog(evutil_socket_t fd, short what, void *context)
{
	struct err ignored = { 0 };

	(void)fd;
	(void)what;
	(void)context;
	(void)notify_send("WATCHDOG=1", &ignored); /* unheard, the manager starts us anew */
}

static void on_look(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	service_look(context);
}

static json_t *on_snapshot(void *context)
{
	const struct service *s = context;

	return view_snapshot(s->view);
}

static void on_asked(void *context, struct control_question *q)
{
	service_asked(context, q);
}

static int find_group(const char *name, gid_t *ret, struct err *e)
{
	const struct group *group = name != NULL ? getgrnam(name) : NULL;

	if (name != NULL && group == NULL)
		return err_set(e, ERR_CONFIG, "control.group", "there is no group \"%s\"", name);
	*ret = group != NULL ? group->gr_gid : (gid_t)-1;
	return 0;
}

static int listen_for(struct service *s, const struct config *c, struct err *e)
{
	const struct control_hooks hooks = { on_snapshot, on_asked, s };
	struct control_terms terms = { .path = c->control_socket, .mode = c->control_mode };

	if (find_group(c->control_group, &terms.group, e) != 0)
		return -1;
	return control_open(&s->control, s->loop, &terms, &hooks, e);
}

static int repeat(struct service *s, struct event **ret, event_callback_fn run, int64_t ms,
    struct err *e)
{
	const struct timeval every = { ms / 1000, ms % 1000 * 1000 };

	*ret = event_new(s->loop, -1, EV_PERSIST, run, s);
	return *ret != NULL && event_add(*ret, &every) == 0 ? 0 : err_nomem(e);
}

static int prepare(struct service *s, struct err *e)
{
	int64_t watchdog_ms = notify_watchdog_ms();

	s->interrupt = evsignal_new(s->loop, SIGINT, on_signal, s);
	s->terminate = evsignal_new(s->loop, SIGTERM, on_signal, s);
	if (s->interrupt == NULL || s->terminate == NULL || event_add(s->interrupt, NULL) != 0 ||
	    event_add(s->terminate, NULL) != 0)
		return err_nomem(e);
	if (repeat(s, &s->beat, on_beat, BEAT_MS, e) != 0 ||
	    repeat(s, &s->look, on_look, LOOK_MS, e) != 0)
		return -1;
	service_look(s);
	return watchdog_ms > 0 ? repeat(s, &s->watchdog, on_watchdog, watchdog_ms, e) : 0;
}

static void event_free_any(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

/* The station first: its last records answer questions. */
static void service_free(struct service *s)
{
	if (s->scanner != NULL)
		scanner_close(s->scanner);
	if (s->station != NULL)
		station_close(s->station);
	service_people_close(s);
	service_labels_close(s);
	service_close_inquiries(s);
	if (s->control != NULL)
		control_close(s->control);
	if (s->view != NULL)
		view_free(s->view);
	event_free_any(s->interrupt);
	event_free_any(s->terminate);
	event_free_any(s->beat);
	event_free_any(s->watchdog);
	event_free_any(s->look);
	service_line_free(s);
}
OWNED_STRUCT(service, service_free)

/* The records' lock is the station's own: it is taken before anybody can ask. */
static int run(struct service *s, const struct config *config, struct err *e)
{
	const struct station_hooks hooks = { .event = on_event,
		.admit = on_admit,
		.ready = on_ready,
		.idle = on_idle,
		.context = s,
		.reopens = true };

	if (view_new(&s->view, config, e) != 0 || service_labels_open(s, config, e) != 0 ||
	    station_open(&s->station, s->loop, config, &hooks, e) != 0 ||
	    service_recall(s, e) != 0 || service_people_open(s, e) != 0 ||
	    service_rules_open(s, e) != 0)
		return -1;
	view_set_profile(s->view, s->station->profile);
	count_made(s);
	if (service_open_inquiries(s, e) != 0 || service_open_scanner(s, e) != 0 ||
	    listen_for(s, config, e) != 0 || prepare(s, e) != 0)
		return -1;
	if (event_base_dispatch(s->loop) < 0) /* it ends by loopbreak */
		(void)err_errno(&s->why, ERR_CONFIG, "loop", "waiting for what happens next");
	if (!s->failed_to_start)
		return 0;
	*e = s->why;
	return -1;
}

int service_run(struct event_base *loop, const struct service_options *options, struct err *ret_why,
    bool *ret_aborted, struct err *e)
{
	AUTO_PTR(config) *config = NULL;

	if (config_load(&config, options->config, e) != 0)
		return -1;
	{
		AUTO_STRUCT(service) s = { .options = options, .loop = loop };

		if (run(&s, config, e) != 0)
			return -1;
		*ret_why = s.why;
		*ret_aborted = s.signals > 1;
	}
	return 0;
}
