/*
 * What a person sees while units are made: on a terminal one live line per slot and a total; elsewhere
 * one line per unit. Knows nothing but the station's events.
 */
#ifndef KILN_BOARD_H
#define KILN_BOARD_H

#include <stdio.h>

#include "json.h"
#include "stats.h"

struct board;

/* total: how many units are expected, 0 where that is not known. live: redraw in place. colour: only
 * where live and NO_COLOR is not set. */
must_check int board_new(struct board **ret, FILE *out, bool live, long total, struct err *e);
void board_free(struct board *b);
OWNED_PTR(board, board_free)
void board_take(struct board *b, const json_t *event, const struct stats *stats);
/* Redraws a live board, whose clocks run while nothing happens. */
void board_tick(struct board *b, const struct stats *stats);

#endif
