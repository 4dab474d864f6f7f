/*
 * A device node of a mocked device: usbfs (the kernel's <linux/usbdevice_fs.h>) for whoever opens it
 * under umockdev's preload, over the pump of an emulated device. umockdev calls from a thread of its
 * own; everything here is under one lock.
 */
#ifndef KILN_BED_NODE_H
#define KILN_BED_NODE_H

#include <umockdev.h>

#include "pump.h"

struct bed_node;

/* What the host did that kiln must not do, and what happens to the device. Under the lock. */
typedef void bed_node_told(void *context, size_t slot, const char *what);

/*
 * Serves the node from now on. Takes over fd, the twin's socket. address is the device's on its bus.
 * Errors: CONFIG "bed".
 */
must_check int bed_node_open(struct bed_node **ret, UMockdevTestbed *testbed,
    const struct skin_plug *plug, enum gadget_speed speed, unsigned address, int fd,
    bed_node_told *told, void *context, struct err *e);
/* Its gadget, for the descriptors. */
const struct gadget *bed_node_gadget(const struct bed_node *n);

/* Waits a little until the host has what the twin said last. */
void bed_node_drain(struct bed_node *n);

/* The device has left: whoever has it open is told so, now and as often as he asks. */
void bed_node_unplug(struct bed_node *n);

/* Nobody has it open any more, or he loses it: the preload ends a program to which that happens. */
void bed_node_close(struct bed_node *n, UMockdevTestbed *testbed);

#endif
