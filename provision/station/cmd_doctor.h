/* What kiln doctor finds out of slots in USB. */
#ifndef KILN_CMD_DOCTOR_H
#define KILN_CMD_DOCTOR_H

#include "sighting.h"

/*
 * Can this machine reach devices in USB at all? *ret_warning is NULL or what should be done soon.
 * Errors: CONFIG "usb.controller", "usb.nodes", "usb" (sysfs).
 */
must_check int doctor_check_usb(const char *root, const char **ret_warning, struct err *e);

/* One slot with places; ret is a line of what is there. Errors: as sighting's; CONFIG "usb.controller";
 * OPERATOR "slot.hub". */
must_check int doctor_check_places(const struct usb_view *view, const struct config_slot *slot,
    const struct profile *p, struct buf *ret, struct err *e);

#endif
