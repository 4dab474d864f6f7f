/* Files in one: POSIX ustar (IEEE 1003.1, pax), as any tar reads it. */
#ifndef KILN_TAR_H
#define KILN_TAR_H

#include "buf.h"

enum { TAR_PATH_MAX = 99, TAR_BLOCK = 512 };

/* Appends a plain file of mode 0644 of nobody in particular. path: printable, at most TAR_PATH_MAX bytes; mtime_s: seconds
 * since the epoch. Error CONFIG "tar" (a path too long, more than 8 GiB). */
must_check int tar_add(struct buf *ret, const char *path, const struct buf *bytes, int64_t mtime_s,
    struct err *e);
/* Behind the last one. */
must_check int tar_end(struct buf *ret, struct err *e);

#endif
