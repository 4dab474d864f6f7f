/*
 * One attribute of one device in sysfs. Devices come and go while they are read: what is not there any
 * more is simply not there. Paths longer than PATH_MAX are not there either.
 */
#ifndef KILN_SYSFS_H
#define KILN_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

#include "own.h"

/* The attribute without its newline, cut at size - 1; bytes that are not printable ASCII are '?'. */
must_check bool sysfs_text(const char *folder, const char *name, char *ret, size_t size);

/* A number of that base and nothing behind it, at most max. */
must_check bool sysfs_number(const char *folder, const char *name, int base, unsigned long max,
    unsigned long *ret);

/* Where a link leads, as it is written; one that does not fit is not there. */
must_check bool sysfs_link(const char *folder, const char *name, char *ret, size_t size);

/* The last part of where a link leads. */
must_check bool sysfs_link_name(const char *folder, const char *name, char *ret, size_t size);

#endif
