#include "hold.h"

#include <stddef.h>

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
