/* From a console in any state to a shell that waits for a line. */
#ifndef KILN_SHELL_LOGIN_H
#define KILN_SHELL_LOGIN_H

#include "console.h"
#include "options.h"
#include "secret.h"

/*
 * Logs in where the device asks for it, quietens the shell, runs the profile's setup and makes the
 * work folder. The password is sent once at most, and only to the profile's password prompt. Errors:
 * LINK "shell.silent" (no shell answers), DEVICE "shell.login", "shell.setup".
 */
must_check int login_enter(struct console *c, const struct shell_options *o,
    const struct secret *password, int64_t deadline, struct err *e);

#endif
