/*
 * The file that keeps a restarting service from locking a token. It is written before each login and
 * removed after one that worked, so that also a login that was killed leaves its mark.
 */
#ifndef KILN_HSM_GUARD_H
#define KILN_HSM_GUARD_H

#include "hsm.h"

/* Processes that share a token log in one after the other: takes the lock beside path, waits for it. The
 * caller closes *ret_lock. */
must_check int hsm_guard_lock(const char *path, int *ret_lock, struct err *e);
/* Refuses after a failed login, and after two that never ended ("hsm.operator.guard"); else notes, on
 * disk, that one begins. */
must_check int hsm_guard_begin(const char *path, const struct hsm_token *token, struct err *e);
/* It never came to the token: as if it had not begun. An HSM that is away is not locked out for ever. */
must_check int hsm_guard_undo(const char *path, const struct hsm_token *token, struct err *e);
/* The PIN was wrong. */
must_check int hsm_guard_fail(const char *path, const struct hsm_token *token, struct err *e);
/* It worked: hsm_guard_clear (hsm.h). */

#endif
