/* What the devices did, on paper: a JSON line for each that was taken out. */
#ifndef KILN_TWIN_ACCOUNT_H
#define KILN_TWIN_ACCOUNT_H

#include "fleet.h"

/* *ret is NULL where path is. Errors: CONFIG "twin.log". */
must_check int account_open(const char *path, FILE **ret, struct err *e);

/* Of the device in s, whose process has ended. What can not be written is said on stderr. */
void account_log(const struct fleet *f, const struct fleet_slot *s);

#endif
