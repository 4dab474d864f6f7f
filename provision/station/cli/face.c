#include "face.h"

#include <stdio.h>
#include <unistd.h>

enum { REDRAW_MS = 200 };

static void on_clock(evutil_socket_t fd, short what, void *context)
{
	struct face *f = context;

	(void)fd;
	(void)what;
	board_tick(f->board, f->stats);
}

int face_init(struct face *f, struct event_base *loop, bool json, long total, struct err *e)
{
	const struct timeval every = { 0, REDRAW_MS * 1000 };

	*f = (struct face){ .json = json };
	if (stats_new(&f->stats, e) != 0)
		return -1;
	if (json)
		return 0;
	f->clock = event_new(loop, -1, EV_PERSIST, on_clock, f);
	if (f->clock == NULL || event_add(f->clock, &every) != 0)
		return err_nomem(e);
	return board_new(&f->board, stdout, isatty(STDOUT_FILENO) == 1, total, e);
}

void face_free(struct face *f)
{
	if (f->clock != NULL)
		event_free(f->clock);
	if (f->stats != NULL)
		stats_free(f->stats);
	if (f->board != NULL)
		board_free(f->board);
}

void face_take(struct face *f, const json_t *event)
{
	stats_take(f->stats, event);
	if (f->board != NULL) {
		board_take(f->board, event, f->stats);
		return;
	}
	(void)json_dumpf(event, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
	(void)fflush(stdout);
}
