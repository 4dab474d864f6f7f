/* A folder that looks like /sys and /dev of a machine with one USB controller: bus 1 is its USB 2 root hub,
 * bus 2 its USB 3 one. */
#ifndef KILN_TEST_FAKE_USB_H
#define KILN_TEST_FAKE_USB_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "testing.h"

#define FAKE_FN   __attribute__((unused)) static
#define FAKE_USB2 "pci-0000:00:14.0/usb2/"
#define FAKE_USB3 "pci-0000:00:14.0/usb3/"
#define FAKE_CTRL "sys/devices/pci0000:00/0000:00:14.0"

struct fake_usb_device {
	const char *name; /* "1-3.1" */
	int number;       /* on the bus: another one after each plug */
	int class;        /* of its one interface */
	const char *tty;  /* of that interface, or NULL */
	const char *peer; /* "usb2-port3", or NULL */
	bool hub, no_node;
};

FAKE_FN void fake_usb_write(const char *root, const char *folder, const char *name,
    const char *text)
{
	char path[4400];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", root, folder);
	assert_ok(file_mkdir(path, 0755, &e), &e);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	assert_ok(file_write(path, text, strlen(text), 0644, &e), &e);
}

FAKE_FN void fake_usb_link(const char *root, const char *name, const char *target)
{
	char path[4400];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(symlink(target, path), 0);
}

FAKE_FN void fake_usb_open(const char *root)
{
	char path[4400];
	struct err e = { 0 };

	fake_usb_write(root, FAKE_CTRL "/usb1", "version", " 2.00\n");
	fake_usb_write(root, FAKE_CTRL "/usb2", "version", " 3.00\n");
	fake_usb_link(root, FAKE_CTRL "/subsystem", "../../../bus/pci");
	(void)snprintf(path, sizeof(path), "%s/sys/bus/usb/devices", root);
	assert_ok(file_mkdir(path, 0755, &e), &e);
	fake_usb_link(root, "sys/bus/usb/devices/usb1",
	    "../../../devices/pci0000:00/0000:00:14.0/usb1");
	fake_usb_link(root, "sys/bus/usb/devices/usb2",
	    "../../../devices/pci0000:00/0000:00:14.0/usb2");
}

FAKE_FN void fake_usb_node(const char *root, const struct fake_usb_device *d)
{
	char folder[64], name[8];

	(void)snprintf(folder, sizeof(folder), "dev/bus/usb/%03d", d->name[0] - '0');
	(void)snprintf(name, sizeof(name), "%03d", d->number);
	fake_usb_write(root, folder, name, "");
	if (d->tty != NULL)
		fake_usb_write(root, "dev", d->tty, "");
}

/* The folder appears at once: the link to it is made last. */
FAKE_FN void fake_usb_plug(const char *root, const struct fake_usb_device *d)
{
	int bus = d->name[0] - '0';
	char folder[256], interface[400], text[64], link[256], target[400];

	(void)snprintf(folder, sizeof(folder), FAKE_CTRL "/usb%d/%s", bus, d->name);
	(void)snprintf(text, sizeof(text), "189:%d\n", (bus - 1) * 128 + d->number - 1);
	fake_usb_write(root, folder, "dev", text);
	(void)snprintf(text, sizeof(text), "%d\n", bus);
	fake_usb_write(root, folder, "busnum", text);
	(void)snprintf(text, sizeof(text), "%d\n", d->number);
	fake_usb_write(root, folder, "devnum", text);
	fake_usb_write(root, folder, "idVendor", "1209\n");
	fake_usb_write(root, folder, "idProduct", "0001\n");
	fake_usb_write(root, folder, "bDeviceClass", d->hub ? "09\n" : "00\n");
	fake_usb_write(root, folder, "speed", "480\n");
	(void)snprintf(interface, sizeof(interface), "%s/%s:1.0", folder, d->name);
	fake_usb_write(root, interface, "bInterfaceNumber", "00\n");
	(void)snprintf(text, sizeof(text), "%02x\n", (unsigned)d->class);
	fake_usb_write(root, interface, "bInterfaceClass", text);
	fake_usb_write(root, interface, "bInterfaceSubClass", "00\n");
	fake_usb_write(root, interface, "bInterfaceProtocol", "01\n");
	if (d->tty != NULL) {
		(void)snprintf(target, sizeof(target), "%s/tty/%s", interface, d->tty);
		fake_usb_write(root, target, "dev", "166:0\n");
	}
	if (d->peer != NULL) {
		(void)snprintf(target, sizeof(target), "%s/port", folder);
		fake_usb_write(root, target, "connect_type", "hotplug\n");
		(void)snprintf(link, sizeof(link), "%s/port/peer", folder);
		fake_usb_link(root, link, d->peer);
	}
	if (!d->no_node)
		fake_usb_node(root, d);
	(void)snprintf(link, sizeof(link), "sys/bus/usb/devices/%s", d->name);
	(void)snprintf(target, sizeof(target), "../../../devices/pci0000:00/0000:00:14.0/usb%d/%s",
	    bus, d->name);
	fake_usb_link(root, link, target);
}

FAKE_FN void fake_usb_unplug(const char *root, const char *name)
{
	char path[4400];

	(void)snprintf(path, sizeof(path), "%s/sys/bus/usb/devices/%s", root, name);
	assert_int_equal(unlink(path), 0);
	(void)snprintf(path, sizeof(path), "rm -rf '%s/" FAKE_CTRL "/usb%c/%s'", root, name[0],
	    name);
	assert_int_equal(system(path), 0);
}

#endif
