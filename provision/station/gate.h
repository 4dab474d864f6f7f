/*
 * Whether somebody whom all units ask (the CA, the HSM) may be asked now: a circuit breaker. While he
 * answers, units are let in; after a failure nobody is, until a pause is over; then one is, and what
 * comes of that decides for all. Pure: time (monotonic ms) and chance (any 32 bits) are the caller's.
 */
#ifndef KILN_GATE_H
#define KILN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many failures in a row, the first included, before a unit stops waiting. */
enum { GATE_FAILURES_MIN = 3 };

enum gate_state {
	GATE_UP,    /* he answers */
	GATE_DOWN,  /* he does not; until_ms says when one may try */
	GATE_PROBE, /* one tries */
};

enum gate_cause {
	GATE_OUTAGE, /* passes by itself; waited for as long as patience allows */
	GATE_CHILD,  /* the same, and our own child's: gate_mended ends the pause */
	GATE_DENIED, /* a person must act: three in a row are enough */
	GATE_FINAL,  /* only a new start of the station helps: nobody waits */
};

struct gate_terms {
	int64_t first_ms;    /* the first pause where he asks for none; doubled at each failure */
	int64_t max_ms;      /* no pause is longer */
	int64_t patience_ms; /* how long an outage is waited for */
	size_t width;        /* so many are inside at once */
};

struct gate {
	struct gate_terms terms;
	enum gate_state state;
	size_t inside;
	unsigned turn;     /* changes with the state: what was let in before says nothing of now */
	unsigned failures; /* in a row; 0 while he answers */
	int64_t since_ms;  /* when the outage began */
	int64_t until_ms;
	enum gate_cause cause; /* of the last failure */
};

/* Leave to ask; given back by exactly one of worked, failed, left. {0} is none. */
struct gate_pass {
	bool held;
	unsigned turn;
};

void gate_init(struct gate *g, const struct gate_terms *terms);

/* May one more ask? */
bool gate_enter(struct gate *g, struct gate_pass *p, int64_t now_ms);
/* He answered, whatever it was. True where that ends an outage. */
bool gate_worked(struct gate *g, struct gate_pass *p);
/* He did not. retry_ms: the pause he asks for, 0 for none. True where a pause begins by it; false
 * where it was asked before the present state and says nothing new. */
bool gate_failed(struct gate *g, struct gate_pass *p, enum gate_cause cause, int64_t retry_ms,
    int64_t now_ms, uint32_t chance);
/* Nothing came of it: not asked, or it is not known. */
void gate_left(struct gate *g, struct gate_pass *p, int64_t now_ms);
/* A child that did not run runs again: where that was the cause the pause ends. */
void gate_mended(struct gate *g, int64_t now_ms);

/* When gate_enter should be asked again: 0 for now, INT64_MAX while only an answer can change it. */
int64_t gate_next_ms(const struct gate *g, int64_t now_ms);
/* Waiting has lasted long enough: who waits now stops. */
bool gate_gives_up(const struct gate *g, int64_t now_ms);

#endif
