#include "hold.h"

#include <stddef.h>
#include <string.h>

#include "own.h"

const char *hold_name(unsigned held)
{
	static const struct {
		enum hold why;
		const char *name;
	} rows[] = {
		{ HOLD_STOP, "stop" },
		{ HOLD_LINE, "line" },
		{ HOLD_OPERATOR, "operator" },
		{ HOLD_PAUSE, "pause" },
		{ HOLD_ACKNOWLEDGE, "acknowledge" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if ((held & rows[i].why) != 0)
			return rows[i].name;
	return "";
}

const char *hold_text(const char *name)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "stop", "the station is stopped: kiln start" },
		{ "line", "a rule has stopped the line: kiln release" },
		{ "operator", "nobody is signed on" },
		{ "pause", "it is paused: kiln resume" },
		{ "acknowledge", "a failure is to be acknowledged: kiln acknowledge" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].text;
	return "nothing may begin";
}
