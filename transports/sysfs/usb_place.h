/* Places and the kernel's names of what stands at them: "1-3.1" is on bus 1, port 3, port 1. */
#ifndef KILN_USB_PLACE_H
#define KILN_USB_PLACE_H

#include "usb_tree.h"

enum { USB_NAME_MAX = 31 }; /* a device's name in sysfs */

/* The text is a device's name and neither a root hub's nor an interface's. */
must_check bool usb_name_is_device(const char *name);

/* The place of the device of that name. devices: the folder that has it. False where the tree says
 * too little for a place, and a guess could be another connector's. */
must_check bool usb_place_of(const char *devices, const char *name,
    char ret[static USB_PLACE_MAX + 1]);

/* The place of what the kernel calls the peer of this device's port; "" where it has none. */
void usb_place_of_peer(const char *devices, const char *name, char ret[static USB_PLACE_MAX + 1]);

#endif
