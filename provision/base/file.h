/* Whole files: bounded reads, and writes that are there completely or not at all. */
#ifndef KILN_FILE_H
#define KILN_FILE_H

#include <sys/types.h>

#include "buf.h"

/* Reads a file of at most max bytes into ret (replacing its content). Domain CONFIG, code "file". */
must_check int file_read(const char *path, size_t max, struct buf *ret, struct err *e);
/* As file_read, of a file that nobody but its owner, who is this user or root, may read or write. Else
 * "file.mode". */
must_check int file_read_private(const char *path, size_t max, struct buf *ret, struct err *e);
/* Writes path.new, syncs it, renames it over path and syncs the folder. */
must_check int file_write(const char *path, const void *data, size_t len, mode_t mode,
    struct err *e);
/* Removes path, if it is there, and syncs the folder: a power cut does not bring it back. */
must_check int file_remove(const char *path, struct err *e);
/* Makes the folder and those above it. One that exists is fine. */
must_check int file_mkdir(const char *path, mode_t mode, struct err *e);
/* path if absolute, else folder-of(base)/path, appended to ret as text. */
must_check int file_beside(const char *base, const char *path, struct buf *ret, struct err *e);

#endif
