/* What kiln doctor finds out of slots in USB, the CA's certificates and labels. */
#ifndef KILN_CMD_DOCTOR_H
#define KILN_CMD_DOCTOR_H

#include "config.h"
#include "json.h"
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

/* Would the lint accept what this CA issues: do its certificates (base64) lead to the profile's anchors? Errors:
 * CONFIG "cert.test-ca", "cert.chain"; CA. */
must_check int doctor_judge_issuer(const struct config *c, const json_t *certificates,
    struct err *e);

/* The configuration's labels can be filled; *ret_printer is why the printer takes none (domain NONE: it does).
 * May block for 3 s. Errors: CONFIG "label", "label.value", "file". */
must_check int doctor_check_label(const struct config *c, struct err *ret_printer, struct err *e);

#endif
