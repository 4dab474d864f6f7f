/*
 * What sysfs says of a machine with one host controller and 48 USB ports, for umockdev: controller
 * 0000:00:14.0, its high-speed root hub usb1, six hubs of eight ports.
 */
#ifndef KILN_BED_TREE_H
#define KILN_BED_TREE_H

#include "buf.h"
#include "gadget.h"

enum {
	BED_HUBS = 6,
	BED_HUB_PORTS = 8,
	BED_SLOTS_MAX = BED_HUBS * BED_HUB_PORTS,
	BED_FIRST_ADDRESS = BED_HUBS + 2, /* the root hub and the hubs have the ones before */
	BED_LAST_ADDRESS = 127,
	BED_NAME_MAX = 48,
};

/* The slot's device: "1-1.3", and where it is: "pci-0000:00:14.0/usb2/1.3". */
void bed_tree_name(size_t slot, char ret[static BED_NAME_MAX]);
void bed_tree_place(size_t slot, char ret[static BED_NAME_MAX]);
/* "/dev/bus/usb/001/009" */
void bed_tree_node(unsigned address, char ret[static BED_NAME_MAX]);
/* "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.3", and of its interface. */
void bed_tree_syspath(size_t slot, const char *interface, char *ret, size_t size);

/* The records of controller and hubs, and of a device, as umockdev_testbed_add_from_string takes them. */
must_check int bed_tree_hubs(struct buf *ret, struct err *e);
must_check int bed_tree_device(size_t slot, unsigned address, const struct gadget *g,
    struct buf *ret, struct err *e);

#endif
