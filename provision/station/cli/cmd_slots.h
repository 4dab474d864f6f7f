/* What kiln slots and kiln slots learn share. */
#ifndef KILN_CMD_SLOTS_H
#define KILN_CMD_SLOTS_H

#include "json.h"
#include "sighting.h"

enum { SLOT_FINDINGS_MAX = 8 };

/* What keeps a device from being worked on, or will surprise somebody. */
struct slot_findings {
	struct err all[SLOT_FINDINGS_MAX];
	size_t count;
};

/* The slot that this device is in, or NULL; config may be NULL. */
const struct config_slot *slot_of_device(const struct config *config, const struct usb_device *d);

/* Everything that can be said of the device without opening it. slot: the one it is in, or NULL. */
void slot_find(const struct usb_view *view, const struct usb_device *d, const struct config *config,
    const struct config_slot *slot, struct slot_findings *ret);

/* "480M" */
const char *slot_speed(uint32_t kbit, char ret[static 16]);
/* "mctp ccid ttyACM0", "hub", "-" */
const char *slot_interfaces(const struct usb_device *d, char ret[static 200]);
/* "Maker Product SN 123" of what it says; may be "". */
const char *slot_device_text(const struct usb_device *d, char ret[static 400]);
/* The device as an object for --json; NULL without memory. */
json_t *slot_device_json(const struct usb_device *d);

int cmd_slots_learn(int argc, char **argv);

#endif
