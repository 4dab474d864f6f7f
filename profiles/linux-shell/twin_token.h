/* The PKCS#11 token of an emulated device: SoftHSM in the device's folder. */
#ifndef KILN_SHELL_TWIN_TOKEN_H
#define KILN_SHELL_TWIN_TOKEN_H

#include "err.h"
#include "own.h"

/*
 * Makes the token "device", and its PIN in token/pin, where they are missing. Errors: CONFIG
 * "twin.token" (a program or the module is missing).
 */
must_check int shell_token_make(const char *folder, struct err *e);

/*
 * In a child: the variables that lead to the token in home, an absolute path. Returns 0, or -1 without
 * memory.
 */
must_check int shell_token_environment(const char *home);

#endif
