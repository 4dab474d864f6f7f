#include "bed_tree.h"

#include <stdio.h>

#define CONTROLLER "/devices/pci0000:00/0000:00:14.0"
#define ROOT       CONTROLLER "/usb1"

enum { DESCRIPTOR_DEVICE = 1, DESCRIPTOR_CONFIGURATION = 2, CONTROLLER_MAJOR = 189 };

static unsigned hub_of(size_t slot)
{
	return (unsigned)(slot / BED_HUB_PORTS) + 1;
}

static unsigned port_of(size_t slot)
{
	return (unsigned)(slot % BED_HUB_PORTS) + 1;
}

void bed_tree_name(size_t slot, char ret[static BED_NAME_MAX])
{
	(void)snprintf(ret, BED_NAME_MAX, "1-%u.%u", hub_of(slot), port_of(slot));
}

void bed_tree_place(size_t slot, char ret[static BED_NAME_MAX])
{
	(void)snprintf(ret, BED_NAME_MAX, "pci-0000:00:14.0/usb2/%u.%u", hub_of(slot),
	    port_of(slot));
}

void bed_tree_node(unsigned address, char ret[static BED_NAME_MAX])
{
	(void)snprintf(ret, BED_NAME_MAX, "/dev/bus/usb/001/%03u", address);
}

void bed_tree_syspath(size_t slot, const char *interface, char *ret, size_t size)
{
	char name[BED_NAME_MAX];

	bed_tree_name(slot, name);
	(void)snprintf(ret, size, "/sys" ROOT "/1-%u/%s", hub_of(slot), name);
	if (interface != NULL)
		(void)snprintf(ret, size, "/sys" ROOT "/1-%u/%s/%s%s", hub_of(slot), name, name,
		    interface);
}

static int add_hex(const uint8_t *data, size_t len, struct buf *ret, struct err *e)
{
	for (size_t i = 0; i < len; i++)
		if (buf_printf(ret, e, "%02X", data[i]) != 0)
			return -1;
	return buf_add_str(ret, "\n", e);
}

/* What every USB device has. node_is_read: reading its node gives its descriptors. */
static int add_common(const char *path, unsigned address, const struct buf *descriptors,
    const char *speed, struct buf *ret, struct err *e)
{
	const uint8_t *d = descriptors->data;

	if (buf_printf(ret, e, "P: %s\nN: bus/usb/001/%03u=", path, address) != 0 ||
	    add_hex(d, descriptors->len, ret, e) != 0)
		return -1;
	if (buf_printf(ret, e,
		"E: SUBSYSTEM=usb\nE: DRIVER=usb\nE: DEVTYPE=usb_device\nE: BUSNUM=001\n"
		"E: DEVNUM=%03u\nE: DEVNAME=/dev/bus/usb/001/%03u\nE: MAJOR=%d\nE: MINOR=%u\n",
		address, address, CONTROLLER_MAJOR, address - 1) != 0)
		return -1;
	if (buf_printf(ret, e,
		"A: busnum=1\\n\nA: devnum=%u\\n\nA: dev=%d:%u\\n\nA: speed=%s\\n\n"
		"A: bConfigurationValue=1\\n\nA: bNumConfigurations=1\\n\nA: bDeviceClass=%02x\\n\n"
		"A: idVendor=%02x%02x\\n\nA: idProduct=%02x%02x\\n\nA: version= 2.00\\n\n",
		address, CONTROLLER_MAJOR, address - 1, speed, d[4], d[9], d[8], d[11], d[10]) != 0)
		return -1;
	if (buf_add_str(ret, "H: descriptors=", e) != 0)
		return -1;
	return add_hex(d, descriptors->len, ret, e);
}

static int add_hub(const char *path, unsigned address, unsigned ports, struct buf *ret,
    struct err *e)
{
	static const uint8_t descriptors[] = { 18, 1, 0x00, 0x02, 9, 0, 1, 64, 0x6b, 0x1d, 0x02,
		0x00, 0x00, 0x01, 0, 0, 0, 1, 9, 2, 25, 0, 1, 1, 0, 0xe0, 0, 9, 4, 0, 0, 1, 9, 0, 0,
		0, 7, 5, 0x81, 3, 4, 0, 12 };
	AUTO_STRUCT(buf) copy = { 0 };

	if (buf_set(&copy, descriptors, sizeof(descriptors), e) != 0 ||
	    add_common(path, address, &copy, "480", ret, e) != 0)
		return -1;
	return buf_printf(ret, e, "A: maxchild=%u\\n\n\n", ports);
}

int bed_tree_hubs(struct buf *ret, struct err *e)
{
	if (buf_add_str(ret,
		"P: " CONTROLLER "\nE: SUBSYSTEM=pci\nE: DRIVER=xhci_hcd\n"
		"E: PCI_SLOT_NAME=0000:00:14.0\n\n",
		e) != 0 ||
	    add_hub(ROOT, 1, BED_HUBS, ret, e) != 0)
		return -1;
	for (unsigned hub = 1; hub <= BED_HUBS; hub++) {
		char path[128];

		(void)snprintf(path, sizeof(path), ROOT "/1-%u", hub);
		if (add_hub(path, 1 + hub, BED_HUB_PORTS, ret, e) != 0)
			return -1;
	}
	return 0;
}

static int add_interface(const char *path, const struct gadget *g, struct buf *ret, struct err *e)
{
	return buf_printf(ret, e,
	    "P: %s\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n"
	    "A: bInterfaceNumber=00\\n\nA: bAlternateSetting= 0\\n\nA: bNumEndpoints=%02x\\n\n"
	    "A: bInterfaceClass=%02x\\n\nA: bInterfaceSubClass=%02x\\n\n"
	    "A: bInterfaceProtocol=%02x\\n\n\n",
	    path, g->usb->notice != NULL ? 3 : 2, g->usb->class, g->usb->subclass,
	    g->usb->protocol);
}

int bed_tree_device(size_t slot, unsigned address, const struct gadget *g, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) descriptors = { 0 };
	char path[160], interface[160];

	bed_tree_syspath(slot, NULL, path, sizeof(path));
	bed_tree_syspath(slot, ":1.0", interface, sizeof(interface));
	if (gadget_descriptor(g, DESCRIPTOR_DEVICE, 0, &descriptors, e) != 0 ||
	    gadget_descriptor(g, DESCRIPTOR_CONFIGURATION, 0, &descriptors, e) != 0 ||
	    add_common(path + 4, address, &descriptors, g->speed == GADGET_HIGH ? "480" : "12", ret,
		e) != 0)
		return -1;
	if (buf_printf(ret, e,
		"A: manufacturer=kiln-twin\\n\nA: product=%s\\n\nA: serial=%s\\n\n\n", g->model,
		g->serial) != 0)
		return -1;
	return add_interface(interface + 4, g, ret, e);
}
