/* OpenSSL made ready once: what a process has looked up, its children have by fork. */
#ifndef KILN_TWIN_WARM_H
#define KILN_TWIN_WARM_H

#include "err.h"
#include "own.h"

/*
 * Does with a key of its own what devices do with theirs: each finds the algorithms, their providers and
 * decoders then, and not in its process, where that would cost more than all that the device does. Errors: CONFIG
 * "twin.crypto".
 */
must_check int warm_up(struct err *e);

#endif
