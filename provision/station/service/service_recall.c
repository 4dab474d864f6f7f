/* What a person or a rule has said holds over a restart: nobody but a person takes it back. */
#include <string.h>

#include "service_internal.h"

/* One row for each event of the records that says such a thing, or takes it back. */
static const struct recall {
	const char *what;
	void (*run)(struct service *s, const json_t *body);
} rows[] = {
	{ "stopped", service_recall_stopped },
	{ "started", service_recall_started },
	{ "paused", service_recall_paused },
	{ "resumed", service_recall_resumed },
	{ "line-stopped", service_recall_line_stopped },
	{ "line-released", service_recall_line_released },
	{ "acknowledged", service_recall_acknowledged },
	{ "retest", service_recall_retest },
};

static int on_event(const json_t *event, void *context, struct err *e)
{
	const char *what = json_opt_str(event, "what", "");

	(void)e;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].what, what) == 0)
			rows[i].run(context, event);
	return 0;
}

int service_recall(struct service *s, struct err *e)
{
	const char *whats[COUNT(rows) + 1] = { NULL };

	for (size_t i = 0; i < COUNT(rows); i++)
		whats[i] = rows[i].what;
	return records_station_events(s->station->records, whats, on_event, s, e);
}
