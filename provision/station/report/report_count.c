#include "report_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

void count_text(char *ret, size_t size, const json_t *object, const char *member)
{
	(void)snprintf(ret, size, "%s", json_opt_str(object, member, ""));
}

/* A code belongs to one domain by far the most of the time; a second one is a row of its own. */
static struct report_reason *reason_of(struct report_reasons *r, const char *code,
    const char *domain)
{
	struct report_reason *row;

	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->list[i].code, code) == 0 && strcmp(r->list[i].domain, domain) == 0)
			return &r->list[i];
	row = &r->list[r->count < REPORT_REASONS_MAX ? r->count : REPORT_REASONS_MAX];
	if (r->count <= REPORT_REASONS_MAX && row->code[0] == '\0') {
		bool others = r->count == REPORT_REASONS_MAX;

		(void)snprintf(row->code, sizeof(row->code), "%s", others ? REPORT_OTHERS : code);
		(void)snprintf(row->domain, sizeof(row->domain), "%s", others ? "" : domain);
		r->count++;
	}
	return row;
}

static void say_first(struct report_reason *row, const char *message)
{
	if (row->message[0] == '\0' && strcmp(row->code, REPORT_OTHERS) != 0)
		(void)snprintf(row->message, sizeof(row->message), "%s", message);
}

void count_reason(struct report_reasons *r, const json_t *error, int64_t times)
{
	struct report_reason *row =
	    reason_of(r, json_opt_str(error, "code", "unknown"), json_opt_str(error, "domain", ""));

	row->times += times;
	say_first(row, json_opt_str(error, "message", ""));
}

void count_reason_unit(struct report_reasons *r, const char *code, const char *domain,
    const char *message, int64_t times)
{
	struct report_reason *row = reason_of(r, code, domain);

	row->units++;
	row->times += times;
	say_first(row, message);
}

struct report_tally *count_tally(struct report_tallies *t, const char *name)
{
	struct report_tally *row;

	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->list[i].name, name) == 0)
			return &t->list[i];
	if (t->count > REPORT_TALLIES_MAX)
		return &t->list[REPORT_TALLIES_MAX];
	row = &t->list[t->count];
	(void)snprintf(row->name, sizeof(row->name), "%s",
	    t->count == REPORT_TALLIES_MAX ? REPORT_OTHERS : name);
	t->count++;
	return row;
}

void count_decision(struct report *r, const char *what, const char *by)
{
	struct report_decision *row = NULL;

	for (size_t i = 0; i < r->decision_count && row == NULL; i++)
		if (strcmp(r->decisions[i].what, what) == 0 && strcmp(r->decisions[i].by, by) == 0)
			row = &r->decisions[i];
	if (row == NULL && r->decision_count == REPORT_TALLIES_MAX) {
		row = &r->decisions[REPORT_TALLIES_MAX - 1];
		(void)snprintf(row->what, sizeof(row->what), "%s", REPORT_OTHERS);
		(void)snprintf(row->by, sizeof(row->by), "%s", REPORT_OTHERS);
	}
	if (row == NULL) {
		row = &r->decisions[r->decision_count++];
		(void)snprintf(row->what, sizeof(row->what), "%s", what);
		(void)snprintf(row->by, sizeof(row->by), "%s", by);
	}
	row->times++;
}

static struct report_chain *chain_of(struct report *r, const char *station)
{
	struct report_chain *c;

	for (size_t i = 0; i < r->chain_count; i++)
		if (strcmp(r->chains[i].station, station) == 0)
			return &r->chains[i];
	if (r->chain_count == REPORT_STATIONS_MAX)
		return NULL;
	c = &r->chains[r->chain_count++];
	(void)snprintf(c->station, sizeof(c->station), "%s", station);
	return c;
}

void count_chain(struct report *r, const json_t *event)
{
	struct report_chain *c = chain_of(r, json_opt_str(event, "station", ""));
	int64_t seq = json_opt_int(event, "seq", 0);

	if (c == NULL)
		return;
	if (c->events == 0 || seq < c->first_seq) {
		c->first_seq = seq;
		count_text(c->first_hash, sizeof(c->first_hash), event, "hash");
	}
	if (c->events == 0 || seq > c->last_seq) {
		c->last_seq = seq;
		count_text(c->last_hash, sizeof(c->last_hash), event, "hash");
	}
	c->events++;
}

void count_end(struct report *r, int64_t at_ms, bool passed)
{
	size_t i = r->bucket_count;

	while (i > 1 && at_ms < r->buckets[i - 1].from_ms)
		i--;
	if (i > 0 && passed)
		r->buckets[i - 1].passed++;
	else if (i > 0)
		r->buckets[i - 1].failed++;
	if (at_ms > r->last_end_ms)
		r->last_end_ms = at_ms;
}

/* again: the same certificate or request as the one before, asked for once more. */
void count_orphan(struct report *r, const json_t *orphan, bool again)
{
	const char *state = json_opt_str(orphan, "revocation", "");
	struct report_orphan *row;

	if (again)
		return;
	r->orphans++;
	if (strcmp(state, "revoked") == 0)
		r->orphans_revoked++;
	else if (strcmp(state, "undecided") == 0)
		r->orphans_undecided++;
	else
		r->orphans_unrevoked++;
	if (r->orphan_count == REPORT_ORPHANS_SHOWN)
		return;
	row = &r->orphan_list[r->orphan_count++];
	count_text(row->id, sizeof(row->id), orphan, "id");
	count_text(row->serial, sizeof(row->serial), orphan, "serial");
	count_text(row->state, sizeof(row->state), orphan, "revocation");
	count_text(row->reason, sizeof(row->reason), orphan, "reason");
	row->at_ms = clock_parse(json_opt_str(orphan, "at", ""));
}

/* The row of the others stays last. */
static int by_times(const void *a, const void *b)
{
	const struct report_reason *x = a, *y = b;
	int others = (strcmp(x->code, REPORT_OTHERS) == 0) - (strcmp(y->code, REPORT_OTHERS) == 0);

	if (others != 0)
		return others;
	if (x->times != y->times)
		return x->times < y->times ? 1 : -1;
	return x->units != y->units ? (x->units < y->units ? 1 : -1) : strcmp(x->code, y->code);
}

/* "2" before "10". */
static int by_name(const void *a, const void *b)
{
	const struct report_tally *x = a, *y = b;
	int others = (strcmp(x->name, REPORT_OTHERS) == 0) - (strcmp(y->name, REPORT_OTHERS) == 0);

	return others != 0 ? others : strverscmp(x->name, y->name);
}

static int by_decision(const void *a, const void *b)
{
	const struct report_decision *x = a, *y = b;
	int what = strcmp(x->what, y->what);

	return what != 0 ? what : strcmp(x->by, y->by);
}

void count_sort(struct report *r)
{
	struct report_reasons *reasons[] = { &r->failures, &r->waits, &r->refusals,
		&r->unidentified };
	struct report_tallies *tallies[] = { &r->slots, &r->operators, &r->products };

	for (size_t i = 0; i < COUNT(reasons); i++)
		qsort(reasons[i]->list, reasons[i]->count, sizeof(*reasons[i]->list), by_times);
	for (size_t i = 0; i < COUNT(tallies); i++)
		qsort(tallies[i]->list, tallies[i]->count, sizeof(*tallies[i]->list), by_name);
	qsort(r->decisions, r->decision_count, sizeof(*r->decisions), by_decision);
}
