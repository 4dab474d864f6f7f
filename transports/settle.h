/*
 * What has just been plugged in is not all there when its place is: the node comes behind sysfs, its
 * rights come from udev, its port from a driver. Nothing that this process may listen to says when.
 */
#ifndef KILN_SETTLE_H
#define KILN_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "own.h"

enum { SETTLE_MS = 2000 };

/* Why a place could not be opened may have passed: waits a moment and returns true, until that time. */
must_check bool settle_more(const struct err *e, int64_t until);

#endif
