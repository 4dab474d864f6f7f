/* How a run shows itself: NDJSON on stdout, or a board for people; and the figures of both. */
#ifndef KILN_FACE_H
#define KILN_FACE_H

#include <event2/event.h>

#include "board.h"
#include "stats.h"

struct face {
	bool json;
	struct stats *stats;
	struct board *board; /* NULL with json */
	struct event *clock; /* redraws the board; NULL with json */
};

/* json: events go to stdout, people's text to stderr. total as in board.h. Freed before the loop. */
must_check int face_init(struct face *f, struct event_base *loop, bool json, long total,
    struct err *e);
void face_free(struct face *f);
OWNED_STRUCT(face, face_free)
/* One event of the station; a broken stdout ends nothing (exit codes and records still tell). */
void face_take(struct face *f, const json_t *event);

#endif
