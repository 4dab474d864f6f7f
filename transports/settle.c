#include "settle.h"

#include <poll.h>

#include "clock.h"

enum { LOOK_MS = 10 };

bool settle_more(const struct err *e, int64_t until)
{
	int left = clock_left_ms(until);
	int wait;

	if (left == 0 ||
	    !(err_is(e, "link.absent") || err_is(e, "link.permission") || err_is(e, "link.gone")))
		return false;
	/* Half as long again as it has been: forty slots look less and less. */
	wait = LOOK_MS + (left < SETTLE_MS ? SETTLE_MS - left : 0) / 2;
	(void)poll(NULL, 0, left < wait ? left : wait); /* a signal only makes it shorter */
	return true;
}
