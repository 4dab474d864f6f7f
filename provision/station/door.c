#include "door.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "advice.h"
#include "clock.h"
#include "job_tell.h"

struct door {
	const char *name, *title;
	struct station *station;
	struct gate gate;
	struct job *first, **last;
	size_t waiting;
	struct event *turn; /* when the queue is looked at again */
	bool dismissed;     /* who waits through an outage is turned away */
	struct err why;     /* of the outage */
	int64_t begun_ms;
	unsigned failures; /* of the outage, for its end's record */
};

static void plan_in(struct door *d, int64_t ms)
{
	const struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (event_add(d->turn, &t) != 0)
		abort(); /* a timer fails only without memory, and that ends the program (memory.h) */
}

static bool is_dismissing(const struct door *d)
{
	return d->dismissed && d->gate.state != GATE_UP;
}

/* The one timer, as the gate and the queue are now. */
static void plan(struct door *d)
{
	int64_t now = clock_now_ms();
	int64_t next = gate_next_ms(&d->gate, now);

	if (d->first == NULL || (next == INT64_MAX && !is_dismissing(d)))
		(void)event_del(d->turn); /* not pending is fine */
	else if (next <= now || is_dismissing(d))
		plan_in(d, 0);
	else
		plan_in(d, next - now);
}

static struct job *take_first(struct door *d)
{
	struct job *j = d->first;

	d->first = j->behind;
	if (d->first == NULL)
		d->last = &d->first;
	j->behind = NULL;
	d->waiting--;
	return j;
}

static void tell(struct door *d, const char *what, const char *code, const char *advice,
    const char *message, size_t waiting, int64_t retry_ms)
{
	char name[24];
	json_t *event;

	(void)snprintf(name, sizeof(name), "%s-%s", d->name, what);
	event = json_pack("{s:s, s:s, s:s, s:I}", "event", "station", "what", name, "message",
	    message, "waiting", (json_int_t)waiting);
	if (event != NULL && code != NULL)
		(void)json_object_update_new(event,
		    json_pack("{s:s, s:s, s:I}", "code", code, "advice", advice, "retry_at",
			(json_int_t)(clock_wall_ms() + retry_ms)));
	station_tell(d->station, event);
}

static void note(struct door *d, const char *what, json_t *detail)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "%s-%s", d->name, what);
	station_note(d->station,
	    json_pack("{s:s, s:s, s:o}", "event", "station", "what", name, "detail", detail));
}

/* waiting: so many still wait after this failure, the one that tried included. */
static void tell_down(struct door *d, size_t waiting)
{
	int64_t ms = d->gate.until_ms - clock_now_ms();
	char message[sizeof(d->why.message) + 80];

	if (ms < 0)
		ms = 0;
	if (waiting > 0)
		(void)snprintf(message, sizeof(message),
		    "%s; units wait and go on by themselves, next try in %lld s", d->why.message,
		    (long long)(ms + 999) / 1000);
	else
		(void)snprintf(message, sizeof(message), "%s", d->why.message);
	tell(d, "down", d->why.code, advice_for(&d->why), message, waiting, ms);
	d->failures = d->gate.failures;
	if (d->failures > 1)
		return;
	for (struct job *j = d->first; j != NULL; j = j->behind)
		job_tell_step(j, "wait", &d->why); /* until now they only stood in line */
	d->begun_ms = clock_now_ms();
	note(d, "down", json_pack("{s:o}", "error", json_from_err(&d->why)));
}

static void tell_up(struct door *d)
{
	int64_t ms = clock_now_ms() - d->begun_ms;
	char message[80];

	(void)snprintf(message, sizeof(message), "%s answers again after %lld s; units go on",
	    d->title, (long long)(ms + 999) / 1000);
	tell(d, "up", NULL, NULL, message, d->waiting, 0);
	note(d, "up",
	    json_pack("{s:I, s:I}", "ms", (json_int_t)ms, "failures", (json_int_t)d->failures));
}

/* Those who wait now, and not who comes meanwhile: he may be asked again. */
static void turn_all_away(struct door *d)
{
	const struct err why = d->why;

	for (size_t left = d->waiting; left > 0 && d->first != NULL; left--)
		job_turned_away(take_first(d), &why);
}

static bool let_in(struct door *d, struct job *j)
{
	enum gate_state before = d->gate.state;

	if (!gate_enter(&d->gate, &j->pass, clock_now_ms()))
		return false;
	if (before == GATE_DOWN)
		tell(d, "probe", NULL, NULL, "one unit tries for all that wait", d->waiting, 0);
	return true;
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct door *d = context;

	(void)fd;
	(void)what;
	if (is_dismissing(d))
		turn_all_away(d);
	while (d->first != NULL && let_in(d, d->first))
		job_let_in(take_first(d));
	plan(d);
}

int door_open(struct door **ret, struct station *s, const char *name, const char *title,
    const struct gate_terms *terms, struct err *e)
{
	AUTO_PTR(door) *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_nomem(e);
	d->name = name;
	d->title = title;
	d->station = s;
	d->last = &d->first;
	gate_init(&d->gate, terms);
	d->turn = evtimer_new(s->loop, on_turn, d);
	if (d->turn == NULL)
		return err_nomem(e);
	*ret = steal(&d);
	return 0;
}

void door_close(struct door *d)
{
	if (d->turn != NULL)
		event_free(d->turn);
	free(d);
}

bool door_is_free(const struct door *d)
{
	int64_t now = clock_now_ms();

	return d->first == NULL && !is_dismissing(d) && gate_next_ms(&d->gate, now) <= now;
}

bool door_enter(struct door *d, struct job *j)
{
	if (d->first == NULL && !is_dismissing(d) && let_in(d, j))
		return true;
	j->behind = NULL;
	*d->last = j;
	d->last = &j->behind;
	d->waiting++;
	plan(d);
	return false;
}

static void unqueue(struct door *d, struct job *j)
{
	struct job **link = &d->first;

	while (*link != NULL && *link != j)
		link = &(*link)->behind;
	if (*link == NULL)
		return;
	*link = j->behind;
	if (*link == NULL)
		d->last = link;
	j->behind = NULL;
	d->waiting--;
}

void door_leave(struct door *d, struct job *j)
{
	unqueue(d, j);
	if (j->pass.held)
		gate_left(&d->gate, &j->pass, clock_now_ms());
	plan(d);
}

void door_worked(struct door *d, struct job *j)
{
	if (gate_worked(&d->gate, &j->pass))
		tell_up(d);
	plan(d);
}

bool door_failed(struct door *d, struct job *j, enum gate_cause cause, const struct err *why,
    int64_t retry_ms, bool stays)
{
	uint32_t chance = 0;
	bool begins;

	/* Without chance all stations try at once; nothing worse. */
	(void)getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	if (!gate_failed(&d->gate, &j->pass, cause, retry_ms, clock_now_ms(), chance)) {
		plan(d);
		return false;
	}
	d->why = *why;
	begins = d->gate.failures == 1;
	tell_down(d, door_gives_up(d) ? 0 : d->waiting + stays);
	if (door_gives_up(d))
		turn_all_away(d);
	plan(d);
	return begins;
}

void door_mended(struct door *d)
{
	gate_mended(&d->gate, clock_now_ms());
	plan(d);
}

void door_dismiss(struct door *d)
{
	d->dismissed = true;
	plan(d);
}

const struct err *door_why(const struct door *d)
{
	return d->gate.state != GATE_UP ? &d->why : NULL;
}

bool door_gives_up(const struct door *d)
{
	return is_dismissing(d) || gate_gives_up(&d->gate, clock_now_ms());
}
