/* How much room there is for the records, before there is none. */
#include "advice.h"
#include "service_internal.h"

static const char *const whats[] = {
	[GROUND_SPACE_UP] = "disk-up",
	[GROUND_SPACE_LOW] = "disk-low",
	[GROUND_SPACE_DOWN] = "disk-down",
};

static void tell(struct service *s, uint64_t free_bytes, const struct err *why)
{
	json_t *event = json_pack("{s:s, s:s, s:I}", "event", "station", "what", whats[s->space],
	    "free_bytes", (json_int_t)free_bytes);

	if (event != NULL && why->domain != ERR_NONE)
		(void)json_object_update_new(event,
		    json_pack("{s:s, s:s, s:s}", "code", why->code, "message", why->message,
			"advice", advice_for(why)));
	station_tell(s->station, event);
}

void service_look(struct service *s)
{
	enum ground_space before = s->space;
	uint64_t free_bytes = 0;
	struct err why = { 0 };

	if (station_free_space(s->station, &free_bytes, &why) != 0)
		s->space = GROUND_SPACE_DOWN;
	else
		s->space = ground_space(free_bytes, s->station->config->records, &why);
	view_set_free(s->view, (int64_t)free_bytes);
	if (s->space != before)
		tell(s, free_bytes, &why);
}
