#include "face.h"

#include <stdio.h>
#include <unistd.h>

int face_init(struct face *f, bool json, long total, struct err *e)
{
	*f = (struct face){ .json = json };
	if (stats_new(&f->stats, e) != 0)
		return -1;
	return json ? 0 : board_new(&f->board, stdout, isatty(STDOUT_FILENO) == 1, total, e);
}

void face_free(struct face *f)
{
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
