#include "view_internal.h"

#include <stdio.h>
#include <string.h>

static const struct {
	enum view_alarm alarm;
	const char *name;
} alarms[] = {
	{ VIEW_ALARM_CA, "ca-down" },
	{ VIEW_ALARM_HSM, "hsm-down" },
	{ VIEW_ALARM_LINE, "line-stopped" },
	{ VIEW_ALARM_DISK, "disk-down" },
};

unsigned view_alarms(const struct view *v)
{
	bool disk = v->disk.state != NULL && strcmp(v->disk.state, "down") == 0;

	return (v->ca.down ? VIEW_ALARM_CA : 0U) | (v->hsm.down ? VIEW_ALARM_HSM : 0U) |
	       (v->line.units != NULL ? VIEW_ALARM_LINE : 0U) | (disk ? VIEW_ALARM_DISK : 0U);
}

json_t *view_alarm_names(const struct view *v, bool unseen)
{
	unsigned wanted = view_alarms(v) & ~(unseen ? v->seen : 0U);
	AUTO(json_t) *names = json_array();

	for (size_t i = 0; i < COUNT(alarms); i++)
		if ((wanted & alarms[i].alarm) != 0 &&
		    json_array_append_new(names, json_string(alarms[i].name)) != 0)
			return NULL;
	return steal(&names);
}

static bool has(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++) {
		const json_t *one = json_array_get(names, i);

		if (json_is_string(one) && strcmp(json_string_value(one), name) == 0)
			return true;
	}
	return false;
}

void view_set_seen(struct view *v, const json_t *names, const char *by, const char *at)
{
	for (size_t i = 0; i < COUNT(alarms); i++)
		if (has(names, alarms[i].name))
			v->seen |= alarms[i].alarm;
	v->seen &= view_alarms(v);
	(void)snprintf(v->seen_by, sizeof(v->seen_by), "%s", by);
	(void)snprintf(v->seen_at, sizeof(v->seen_at), "%s", at);
}
