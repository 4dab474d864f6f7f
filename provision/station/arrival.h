/*
 * A device that is plugged in while somebody waits for it: what is there beforehand does not count, what is
 * there when it is seen has settled, and two at once are none.
 */
#ifndef KILN_ARRIVAL_H
#define KILN_ARRIVAL_H

#include "usb_tree.h"

struct arrival {
	const char *root;         /* as usb_tree_read */
	struct usb_device *known; /* were there before */
	size_t known_count;
	struct usb_device *fresh; /* came since, no hubs; valid after arrival_look */
	size_t fresh_count;
	int64_t since_ms; /* fresh is as it is since then */
};

enum arrival_state { ARRIVAL_NONE, ARRIVAL_SETTLING, ARRIVAL_ONE, ARRIVAL_SEVERAL };
enum { ARRIVAL_SETTLE_MS = 1000 };

/* What is there now does not count any more. Errors: CONFIG "usb". */
must_check int arrival_begin(struct arrival *a, struct err *e);
/* Looks. now: monotonic ms. Errors: CONFIG "usb". */
must_check int arrival_look(struct arrival *a, int64_t now, enum arrival_state *ret, struct err *e);
void arrival_free(struct arrival *a);
OWNED_STRUCT(arrival, arrival_free)

#endif
