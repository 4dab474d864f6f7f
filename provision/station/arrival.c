#include "arrival.h"

#include <stdlib.h>
#include <string.h>

static bool is_same(const struct usb_device *a, const struct usb_device *b)
{
	return a->dev == b->dev && strcmp(a->place, b->place) == 0;
}

static bool is_among(const struct usb_device *d, const struct usb_device *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_same(d, &all[i]))
			return true;
	return false;
}

/* Keeps those of list that are among others / are not among them and no hubs. */
static size_t keep(struct usb_device *list, size_t count, const struct usb_device *others,
    size_t other_count, bool wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (is_among(&list[i], others, other_count) == wanted &&
		    (wanted || !list[i].is_hub))
			list[kept++] = list[i];
	return kept;
}

int arrival_begin(struct arrival *a, struct err *e)
{
	struct usb_device *now = NULL;
	size_t count;

	if (usb_tree_read(a->root, &now, &count, e) != 0)
		return -1;
	free(a->known);
	free(a->fresh);
	*a = (struct arrival){ .root = a->root, .known = now, .known_count = count };
	return 0;
}

int arrival_look(struct arrival *a, int64_t now, enum arrival_state *ret, struct err *e)
{
	struct usb_device *all = NULL;
	size_t count, fresh;

	if (usb_tree_read(a->root, &all, &count, e) != 0)
		return -1;
	/* One that left counts again when it comes back, also with the number that it had. */
	a->known_count = keep(a->known, a->known_count, all, count, true);
	fresh = keep(all, count, a->known, a->known_count, false);
	if (fresh != a->fresh_count ||
	    keep(a->fresh, a->fresh_count, all, fresh, true) != a->fresh_count)
		a->since_ms = now;
	free(a->fresh);
	a->fresh = all;
	a->fresh_count = fresh;
	if (fresh == 0)
		*ret = ARRIVAL_NONE;
	else if (now - a->since_ms < ARRIVAL_SETTLE_MS)
		*ret = ARRIVAL_SETTLING;
	else
		*ret = fresh == 1 ? ARRIVAL_ONE : ARRIVAL_SEVERAL;
	return 0;
}

void arrival_free(struct arrival *a)
{
	free(a->known);
	free(a->fresh);
}
