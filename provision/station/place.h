/*
 * Places where devices appear: paths of device nodes (or links to them), and positions in USB. Tells
 * when a device appears, is replaced by another, or goes away. For paths inotify on the folders, for USB
 * the kernel's messages, and for both a slow look in case nothing is said (/dev/serial/by-path exists
 * only while something is plugged in).
 */
#ifndef KILN_PLACE_H
#define KILN_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>

#include "config.h"
#include "profile.h"

struct places;

/* What is in a slot now. */
struct place_now {
	bool present;
	const char *place;         /* of the slot's places, which the device is at; else NULL */
	const struct err *trouble; /* nothing may begin with what is there; else NULL */
};

/* A device that is replaced is told as gone, then present. */
typedef void place_changed(void *context, size_t index, const struct place_now *now);

/* How devices in USB are reached. One that can not be yet is told after settle_ms all the same: who
 * opens it says what is missing. */
struct place_terms {
	const char *root; /* of usb_tree_read */
	enum profile_link link;
	int tty_interface;
	int settle_ms;
};
enum { PLACE_SETTLE_MS = 2000 };

/* slots and terms->root outlive the places. What is there already is told from the loop, never before
 * this returns. */
must_check int places_start(struct places **ret, struct event_base *loop,
    const struct config_slot slots[], size_t count, const struct place_terms *terms,
    place_changed *changed, void *context, struct err *e);
void places_stop(struct places *p);
OWNED_PTR(places, places_stop)

/* The path inside an address: behind "scheme:", before "?". Appended to ret as text. */
must_check int place_path(const char *address, struct buf *ret, struct err *e);

#endif
