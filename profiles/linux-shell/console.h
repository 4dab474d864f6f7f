/*
 * A shell on the far side of a line: a command goes out, its output, exit status and complaint come
 * back, whatever else the device prints on its console. Every byte that comes is hostile.
 *
 * The frame of a command are three markers with a random number of its own. The markers are printed
 * by printf from a format and a variable, so that neither an echo of the line nor an earlier output
 * holds them. Between the first two is what the command printed, then its status, then what it said
 * on its standard error.
 */
#ifndef KILN_SHELL_CONSOLE_H
#define KILN_SHELL_CONSOLE_H

#include "buf.h"
#include "transport.h"

enum {
	SHELL_LINE_MAX = 1000,         /* a tty in canonical mode takes 4096, a small UART less */
	SHELL_OUTPUT_MAX = 160 * 1024, /* of one command: 64 KiB as base64, and noise */
	SHELL_COMPLAINT_MAX = 160,
};

/* { .link = ... } is one that has not heard of its device yet. */
struct console {
	struct transport *link; /* borrowed */
	struct buf in;          /* has arrived and belongs to nothing yet */
};
void console_free(struct console *c);
OWNED_STRUCT(console, console_free)

struct console_result {
	int status;                              /* exit status, 0 to 255 */
	struct buf out;                          /* standard output, see console_clean */
	char complaint[SHELL_COMPLAINT_MAX + 1]; /* how its standard error begins, or its output */
};
void console_result_free(struct console_result *r);
OWNED_STRUCT(console_result, console_result_free)

/* Raw bytes out. */
must_check int console_send(struct console *c, const void *data, size_t len, int64_t deadline,
    struct err *e);

/* Waits for more bytes; what is older than SHELL_OUTPUT_MAX is forgotten. */
must_check int console_hear(struct console *c, int64_t deadline, struct err *e);

/* What has arrived ends with text (blanks behind it do not count). */
bool console_ends_with(const struct console *c, const char *text);

/* Forgets what has arrived. */
void console_drop(struct console *c);

/*
 * Runs a command in a shell of its own: what it changes in its environment is gone after it. A status
 * other than 0 is no error here. Errors: CONFIG "shell.line" (the line is too long), DEVICE
 * "shell.output" (more than SHELL_OUTPUT_MAX), LINK "shell.corrupt" (a broken frame), and as the
 * transport's.
 */
must_check int console_run(struct console *c, const char *command, struct console_result *ret,
    int64_t deadline, struct err *e);

/* The same in the login shell itself: it stays changed. */
must_check int console_change(struct console *c, const char *command, struct console_result *ret,
    int64_t deadline, struct err *e);

/*
 * What a terminal adds goes: escape sequences (ECMA-48), carriage returns, other control characters,
 * messages of the kernel's log up to their line's end ("[   12.345678] usb 1-1: ..."), and blanks and
 * empty lines at both ends. In place.
 */
void console_clean(struct buf *text);

#endif
