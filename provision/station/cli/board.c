#include "board.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "hold.h"

enum { TEXT_MAX = 160, REDRAW_MS = 50 };

struct line_of_slot {
	char slot[32], serial[IDENTITY_MAX + 1], text[TEXT_MAX];
	const char *colour;
	int64_t since_ms; /* 0: the slot is empty or done */
};

struct board {
	FILE *out;
	bool live, colour;
	long total;
	struct line_of_slot slots[CONFIG_SLOTS_MAX];
	size_t slot_count, drawn;
	int64_t drawn_ms;
};

static const struct mark {
	const char *outcome, *word, *colour;
} marks[] = {
	{ "passed", "PASS", "\033[32m" },
	{ "failed", "FAIL", "\033[31m" },
	{ "refused", "REFUSED", "\033[31m" },
	{ "parked", "WAITS", "\033[33m" },
};

static const struct mark *mark_of(const json_t *event)
{
	const char *outcome = json_opt_str(event, "outcome", "");

	for (size_t i = 0; i < COUNT(marks); i++)
		if (strcmp(outcome, marks[i].outcome) == 0)
			return &marks[i];
	return &marks[1];
}

int board_new(struct board **ret, FILE *out, bool live, long total, struct err *e)
{
	struct board *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return err_nomem(e);
	b->out = out;
	b->live = live;
	b->colour = live && getenv("NO_COLOR") == NULL;
	b->total = total;
	*ret = b;
	return 0;
}

void board_free(struct board *b)
{
	free(b);
}

static struct line_of_slot *line_for(struct board *b, const char *slot)
{
	for (size_t i = 0; i < b->slot_count; i++)
		if (strcmp(b->slots[i].slot, slot) == 0)
			return &b->slots[i];
	if (b->slot_count == COUNT(b->slots))
		return &b->slots[0];
	(void)snprintf(b->slots[b->slot_count].slot, sizeof(b->slots[0].slot), "%s", slot);
	return &b->slots[b->slot_count++];
}

static void print_unit(struct board *b, const json_t *event)
{
	const struct mark *m = mark_of(event);
	const char *message = json_opt_str(event, "message", NULL);

	(void)fprintf(b->out, "%s%-7s%s slot %-4s %-16s %7.1f s", b->colour ? m->colour : "",
	    m->word, b->colour ? "\033[0m" : "", json_opt_str(event, "slot", "?"),
	    json_opt_str(event, "serial", ""), (double)json_opt_int(event, "ms", 0) / 1000.0);
	if (message != NULL)
		(void)fprintf(b->out, "  %s [%s]\n        -> %s", message,
		    json_opt_str(event, "code", ""), json_opt_str(event, "advice", ""));
	(void)fputc('\n', b->out);
}

/* What the station itself has to say, and what to do. */
static void print_station(struct board *b, const json_t *event)
{
	const char *advice = json_opt_str(event, "advice", NULL);
	const char *slot = json_opt_str(event, "slot", NULL);

	(void)fprintf(b->out, "station: %s%s%s: %s\n", json_opt_str(event, "what", ""),
	    slot != NULL ? ", slot " : "", slot != NULL ? slot : "",
	    json_opt_str(event, "message", ""));
	if (advice != NULL)
		(void)fprintf(b->out, "        -> %s\n", advice);
}

static bool waits_for(const json_t *event, const char *code)
{
	return strcmp(json_opt_str(event, "event", ""), "step") == 0 &&
	       strcmp(json_opt_str(event, "outcome", ""), "wait") == 0 &&
	       strcmp(json_opt_str(event, "code", ""), code) == 0;
}

/* The device need not stay in its slot: only a person can take it out. */
static bool is_pending(const json_t *event)
{
	return waits_for(event, "ca.pending");
}

static bool needs_scan(const json_t *event)
{
	return waits_for(event, "scan.needed");
}

static void erase(struct board *b)
{
	if (b->drawn > 0)
		(void)fprintf(b->out, "\033[%zuA\033[J", b->drawn);
	b->drawn = 0;
}

static void draw(struct board *b, const struct stats *stats)
{
	int64_t now = clock_now_ms();
	long left = stats_seconds_left(stats, b->total);

	erase(b);
	for (size_t i = 0; i < b->slot_count; i++) {
		const struct line_of_slot *l = &b->slots[i];
		double seconds = l->since_ms > 0 ? (double)(now - l->since_ms) / 1000.0 : 0;

		(void)fprintf(b->out, "  slot %-4s %-16s %s%-40.60s%s", l->slot, l->serial,
		    b->colour && l->colour != NULL ? l->colour : "", l->text,
		    b->colour ? "\033[0m" : "");
		(void)fprintf(b->out, l->since_ms > 0 ? " %6.1f s\n" : "\n", seconds);
	}
	(void)fprintf(b->out, "  %ld", stats_ended(stats));
	if (b->total > 0)
		(void)fprintf(b->out, " of %ld", b->total);
	(void)fprintf(b->out, " units, %.0f per hour", stats_per_hour(stats));
	if (b->total > 0 && left >= 0)
		(void)fprintf(b->out, ", %ld:%02ld left", left / 60, left % 60);
	(void)fputc('\n', b->out);
	b->drawn = b->slot_count + 1;
	b->drawn_ms = now;
	(void)fflush(b->out);
}

static const char *held_text(const json_t *event)
{
	return hold_text(json_opt_str(event, "why", ""));
}

static void take_slot(struct board *b, const json_t *event, const char *kind)
{
	struct line_of_slot *l = line_for(b, json_opt_str(event, "slot", "?"));

	(void)snprintf(l->serial, sizeof(l->serial), "%s",
	    json_opt_str(event, "serial", l->serial));
	if (strcmp(kind, "arrived") == 0) {
		l->since_ms = clock_now_ms();
		l->serial[0] = '\0';
		l->colour = NULL;
		(void)snprintf(l->text, sizeof(l->text), "arrived");
	} else if (strcmp(kind, "left") == 0) {
		l->since_ms = 0;
		l->serial[0] = '\0';
		l->colour = NULL;
		(void)snprintf(l->text, sizeof(l->text), "empty");
	} else if (strcmp(kind, "unit") == 0) {
		l->since_ms = 0;
		l->colour = mark_of(event)->colour;
		(void)snprintf(l->text, sizeof(l->text), "%s", mark_of(event)->word);
	} else if (strcmp(kind, "held") == 0) {
		l->since_ms = 0;
		(void)snprintf(l->text, sizeof(l->text), "waits: %s", held_text(event));
	} else if (strcmp(kind, "slot-closed") == 0) {
		l->since_ms = 0;
		l->colour = marks[1].colour;
		(void)snprintf(l->text, sizeof(l->text), "CLOSED");
	} else {
		(void)snprintf(l->text, sizeof(l->text), "%s %s", json_opt_str(event, "step", ""),
		    strcmp(json_opt_str(event, "outcome", ""), "start") == 0
			? ""
			: json_opt_str(event, "outcome", ""));
	}
}

void board_take(struct board *b, const json_t *event, const struct stats *stats)
{
	const char *kind = json_opt_str(event, "event", "");
	bool is_unit = strcmp(kind, "unit") == 0;
	bool is_closed = strcmp(kind, "slot-closed") == 0;

	if (b->live &&
	    (is_unit || is_closed || strcmp(kind, "held") == 0 || strcmp(kind, "missing") == 0 ||
		strcmp(kind, "station") == 0 || is_pending(event) || needs_scan(event)))
		erase(b);
	if (is_unit && (!b->live || strcmp(json_opt_str(event, "outcome", ""), "passed") != 0))
		print_unit(b, event);
	if (strcmp(kind, "missing") == 0)
		(void)fprintf(b->out, "MISSING           %-16s listed and never came\n",
		    json_opt_str(event, "serial", ""));
	if (strcmp(kind, "held") == 0)
		(void)fprintf(b->out, "HELD    slot %-4s %s\n", json_opt_str(event, "slot", "?"),
		    held_text(event));
	if (is_closed)
		(void)fprintf(b->out, "CLOSED  slot %-4s %s\n", json_opt_str(event, "slot", "?"),
		    json_opt_str(event, "message", ""));
	if (strcmp(kind, "station") == 0)
		print_station(b, event);
	if (needs_scan(event))
		(void)fprintf(b->out, "SCAN    slot %-4s %-16s its label is needed\n",
		    json_opt_str(event, "slot", "?"), json_opt_str(event, "serial", ""));
	if (is_pending(event))
		(void)fprintf(b->out, "PENDING slot %-4s %-16s %s\n",
		    json_opt_str(event, "slot", "?"), json_opt_str(event, "serial", ""),
		    json_opt_str(event, "message", ""));
	(void)fflush(b->out);
	if (!b->live)
		return;
	if (json_opt_str(event, "slot", NULL) != NULL)
		take_slot(b, event, kind);
	if (b->drawn == 0 || clock_now_ms() - b->drawn_ms >= REDRAW_MS)
		draw(b, stats);
}

void board_tick(struct board *b, const struct stats *stats)
{
	if (b->live && b->slot_count > 0)
		draw(b, stats);
}
