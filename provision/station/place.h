/*
 * Places where devices appear: paths of device nodes (or links to them). Tells when one appears, is
 * replaced by another, or goes away. inotify on the folders, and a slow look at all of them in case a
 * folder itself comes and goes (/dev/serial/by-path exists only while something is plugged in).
 */
#ifndef KILN_PLACE_H
#define KILN_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>

#include "err.h"
#include "own.h"

struct places;

/* present: a device is there now. A device that is replaced is told as gone, then present. */
typedef void place_changed(void *context, size_t index, bool present);

/* addresses as the slots have them ("serial:/dev/...?baud=..."); they outlive the places. What is
 * there already is told from the loop, never before this returns. */
must_check int places_start(struct places **ret, struct event_base *loop,
    const char *const addresses[], size_t count, place_changed *changed, void *context,
    struct err *e);
void places_stop(struct places *p);
OWNED_PTR(places, places_stop)

/* The path inside an address: behind "scheme:", before "?". Appended to ret as text. */
struct buf;
must_check int place_path(const char *address, struct buf *ret, struct err *e);

#endif
