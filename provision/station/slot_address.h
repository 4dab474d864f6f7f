/* What kiln-slot is asked to open: the slot's address, or made of a place and the profile's link. */
#ifndef KILN_SLOT_ADDRESS_H
#define KILN_SLOT_ADDRESS_H

#include "config.h"
#include "profile.h"

/* Slot and profile mean the same kind of link. Error: CONFIG "yaml", "file:line:col: ..." */
must_check int slot_address_check(const struct config_slot *slot, const struct profile *p,
    struct err *e);
/* place: one of the slot's, or NULL where it has an address. Appended to ret as text. */
must_check int slot_address(const struct config_slot *slot, const char *place,
    const struct profile *p, struct buf *ret, struct err *e);

#endif
