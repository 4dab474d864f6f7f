#include "gate.h"

void gate_init(struct gate *g, const struct gate_terms *terms)
{
	*g = (struct gate){ .terms = *terms };
}

static void change(struct gate *g, enum gate_state state)
{
	g->state = state;
	g->turn++;
}

bool gate_enter(struct gate *g, struct gate_pass *p, int64_t now_ms)
{
	if (gate_next_ms(g, now_ms) > now_ms)
		return false;
	if (g->state == GATE_DOWN)
		change(g, GATE_PROBE);
	g->inside++;
	*p = (struct gate_pass){ .held = true, .turn = g->turn };
	return true;
}

/* The pass is given back; true where it is of the present state. */
static bool give_back(struct gate *g, struct gate_pass *p)
{
	bool current = p->turn == g->turn;

	g->inside--;
	*p = (struct gate_pass){ 0 };
	return current;
}

bool gate_worked(struct gate *g, struct gate_pass *p)
{
	if (!give_back(g, p) || g->state == GATE_UP)
		return false;
	change(g, GATE_UP);
	g->failures = 0;
	return true;
}

/* Up to `quarters` quarters of ms. */
static int64_t some_of(int64_t ms, int64_t quarters, uint32_t chance)
{
	return ms / 4 * quarters * (int64_t)(chance >> 16) / 65536;
}

/* Doubled at each failure, give or take a quarter; what he asked for is never cut short, except by the
 * longest pause. */
static int64_t pause_of(const struct gate *g, int64_t retry_ms, uint32_t chance)
{
	int64_t ms = retry_ms > 0 ? retry_ms : g->terms.first_ms;

	for (unsigned i = 1; i < g->failures && ms < g->terms.max_ms; i++)
		ms *= 2;
	if (ms > g->terms.max_ms)
		ms = g->terms.max_ms;
	ms += retry_ms > 0 ? some_of(ms, 1, chance) : some_of(ms, 2, chance) - ms / 4;
	return ms < g->terms.max_ms ? ms : g->terms.max_ms;
}

bool gate_failed(struct gate *g, struct gate_pass *p, enum gate_cause cause, int64_t retry_ms,
    int64_t now_ms, uint32_t chance)
{
	if (!give_back(g, p))
		return false;
	if (g->failures++ == 0)
		g->since_ms = now_ms;
	change(g, GATE_DOWN);
	g->cause = cause;
	g->until_ms = now_ms + (cause == GATE_FINAL ? 0 : pause_of(g, retry_ms, chance));
	return true;
}

void gate_left(struct gate *g, struct gate_pass *p, int64_t now_ms)
{
	if (!give_back(g, p) || g->state != GATE_PROBE)
		return;
	change(g, GATE_DOWN);
	g->until_ms = now_ms;
}

void gate_mended(struct gate *g, int64_t now_ms)
{
	if (g->state == GATE_DOWN && g->cause == GATE_CHILD && g->until_ms > now_ms)
		g->until_ms = now_ms;
}

int64_t gate_next_ms(const struct gate *g, int64_t now_ms)
{
	switch (g->state) {
	case GATE_UP:
		return g->inside < g->terms.width ? 0 : INT64_MAX;
	case GATE_DOWN:
		return g->until_ms > now_ms ? g->until_ms : 0;
	case GATE_PROBE:
		break;
	}
	return INT64_MAX;
}

bool gate_gives_up(const struct gate *g, int64_t now_ms)
{
	if (g->failures == 0)
		return false;
	if (g->cause == GATE_FINAL)
		return true;
	if (g->failures < GATE_FAILURES_MIN)
		return false;
	return g->cause == GATE_DENIED || now_ms - g->since_ms >= g->terms.patience_ms;
}
