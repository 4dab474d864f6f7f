/* What a PKCS#11 return value means for kiln: one table. */
#ifndef KILN_HSM_CKR_H
#define KILN_HSM_CKR_H

#include "err.h"

/*
 * Fills e (domain HSM) from a CKR_ value and returns -1: "<fmt>: <what it means> (CKR_NAME)".
 * The code is "hsm.operator...", "hsm.rebuild" or "hsm.fatal" (hsm.h).
 */
int hsm_ckr_error(struct err *e, unsigned long rv, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int hsm_ckr_verror(struct err *e, unsigned long rv, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* The token was not there to look at a PIN: no module counts that as one that failed. */
bool hsm_ckr_is_absence(unsigned long rv);
/* The error is one that a module counts as a failed PIN. */
bool hsm_ckr_is_pin(const struct err *e);

#endif
