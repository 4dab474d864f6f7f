/* Commands that must succeed, and files on the device: base64 lines, and digests that it computes. */
#ifndef KILN_SHELL_TRANSFER_H
#define KILN_SHELL_TRANSFER_H

#include "console.h"
#include "options.h"

enum { TRANSFER_MAX = 64 * 1024 };

/*
 * Runs a template (shell_expand) and refuses a status other than 0: DEVICE "shell.command", with what
 * the device said. what names it for people.
 */
must_check int transfer_run(struct console *c, const char *what, const char *template,
    const struct shell_value *values, struct console_result *ret, int64_t deadline, struct err *e);

/* Writes a file and compares the digest of what the device then has: LINK "shell.corrupt" (retry). */
must_check int transfer_put(struct console *c, const char *path, const struct buf *data,
    int64_t deadline, struct err *e);

/* The same so that path holds the old or the new content whatever happens: path.new, sync, rename. */
must_check int transfer_replace(struct console *c, const char *path, const struct buf *data,
    int64_t deadline, struct err *e);

/* Reads a file of at most TRANSFER_MAX bytes into ret (replacing its content). */
must_check int transfer_get(struct console *c, const char *path, struct buf *ret, int64_t deadline,
    struct err *e);

#endif
