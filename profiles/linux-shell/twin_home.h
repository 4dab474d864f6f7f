/* The private folder of an emulated device: identity, tools, and the shell that lives in it. */
#ifndef KILN_SHELL_TWIN_HOME_H
#define KILN_SHELL_TWIN_HOME_H

#include <sys/types.h>

#include "twin_plan.h"

/* Of the user root, in the variant that asks for one. */
#define SHELL_TWIN_PASSWORD "twin"

/* Makes what is missing in config->folder, and the tools anew, with the plan's fault in them. */
must_check int shell_home_make(const struct twin_config *config, const struct shell_plan *plan,
    struct err *e);

/* A fault that strikes once has struck in this device's life; from now on it has. */
bool shell_home_has_struck(const char *folder);
must_check int shell_home_strike(const char *folder, struct err *e);

/* Starts the device's TPM (swtpm, on sockets in its folder) and waits until it listens. */
must_check int shell_home_start_tpm(const char *folder, pid_t *ret, struct err *e);

/* Starts a shell, or a login in front of one, on a terminal of its own; *ret_fd is its master. */
must_check int shell_home_start_shell(const struct twin_config *config, pid_t *ret, int *ret_fd,
    struct err *e);

/* In a child: it lives in folder, what only the twin may hold goes, and it dies with the twin. */
void shell_home_become(const char *folder);

/* Ends a process of the two above; pid 0 is none. */
void shell_home_stop(pid_t pid);

#endif
