/* Starting kiln's other programs. */
#ifndef KILN_PROC_H
#define KILN_PROC_H

#include <sys/types.h>

#include "buf.h"

/*
 * Starts the program `name` that lies beside this one, with argv[1..] = arguments (NULL at the end,
 * at most 30),
 * in a process group of its own (a terminal's Ctrl-C reaches only the station), with a stream
 * socket as its SERVE_FD and no other descriptor but 0 (/dev/null), 1 and 2 (stderr's).
 * The caller closes *ret_fd and reaps *ret_pid.
 */
must_check int proc_start(const char *name, const char *const arguments[], int *ret_fd,
    pid_t *ret_pid, struct err *e);

/*
 * Starts the program at path, as above, for what it writes: *ret_fd is the reading end of its standard output. It has
 * no other descriptor but 0 and 2, which are /dev/null.
 */
must_check int proc_start_output(const char *path, const char *const arguments[], int *ret_fd,
    pid_t *ret_pid, struct err *e);

/* Where the programs lie: the folder of this executable. Appended to ret as text. */
must_check int proc_folder(struct buf *ret, struct err *e);

#endif
