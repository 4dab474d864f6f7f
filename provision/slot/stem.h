/*
 * The stem: a kiln-slot that was told to `prepare`, and has no device. Each attachment's process is forked
 * from it, warm, in place of one that is loaded, linked and prepared anew (some 40 ms of processor time). The
 * stem never reads a byte of a device and holds no secret, so that there is nothing in it to take over or to
 * inherit. What is given up is that the processes of one station share the layout of their addresses, and
 * what libc and jansson drew at their start: whoever crashes one of them could guess on. The station therefore
 * begins a new stem when a device's process has died.
 */
#ifndef KILN_STEM_H
#define KILN_STEM_H

#include "serve.h"

enum { STEM_BORN = 1 };

/*
 * Answers on SERVE_FD, until the station closes it:
 *   fork     {}, with one end of a stream socket              -> {pid}
 * The new process is a child of the station, not of the stem, in a process group of its own. In it this
 * returns STEM_BORN: its SERVE_FD is that end, and it has no other descriptor but 0, 1 and 2. It does not
 * greet. 0 at end of file, -1 when the channel is unusable, or in a new process that may not begin.
 */
must_check int stem_run(struct err *e);

#endif
