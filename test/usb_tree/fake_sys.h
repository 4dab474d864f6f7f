/* A sysfs tree in a folder of the test's own, laid out as the kernel does it. */
#ifndef KILN_TEST_FAKE_SYS_H
#define KILN_TEST_FAKE_SYS_H

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "testing.h"

#define XHCI "devices/pci0000:00/0000:00:14.0"
#define VHCI "devices/platform/vhci_hcd.0"

/* Writes an attribute below root/sys and makes the folders above it. */
static void fake_file(const char *root, const char *path, const char *text)
{
	struct err e = { 0 };
	char at[PATH_MAX];
	FILE *f;

	assert_true(snprintf(at, sizeof(at), "%s/sys/%s", root, path) < (int)sizeof(at));
	*strrchr(at, '/') = '\0';
	assert_ok(file_mkdir(at, 0755, &e), &e);
	at[strlen(at)] = '/';
	(void)unlink(at); /* who has the old one open goes on reading the old one */
	f = fopen(at, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void fake_link(const char *root, const char *path, const char *target)
{
	struct err e = { 0 };
	char at[PATH_MAX];

	assert_true(snprintf(at, sizeof(at), "%s/sys/%s", root, path) < (int)sizeof(at));
	*strrchr(at, '/') = '\0';
	assert_ok(file_mkdir(at, 0755, &e), &e);
	at[strlen(at)] = '/';
	assert_true(symlink(target, at) == 0 || errno == EEXIST);
}

static void __attribute__((format(printf, 4, 5)))
fake_attribute(const char *root, const char *device, const char *name, const char *fmt, ...)
{
	char path[PATH_MAX], text[1024];
	va_list ap;

	assert_true(snprintf(path, sizeof(path), "%s/%s", device, name) < (int)sizeof(path));
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fake_file(root, path, text);
}

/* /sys/bus/usb/devices/NAME, a link to the device. */
static void fake_bus_link(const char *root, const char *device)
{
	char path[PATH_MAX], target[PATH_MAX];

	(void)snprintf(path, sizeof(path), "bus/usb/devices/%s", strrchr(device, '/') + 1);
	(void)snprintf(target, sizeof(target), "../../../%s", device);
	fake_link(root, path, target);
}

/* version: as in the attribute, " 2.00" */
static void fake_root_hub(const char *root, const char *controller, const char *subsystem, int bus,
    const char *version)
{
	char device[PATH_MAX], path[PATH_MAX], target[PATH_MAX];

	(void)snprintf(device, sizeof(device), "%s/usb%d", controller, bus);
	(void)snprintf(path, sizeof(path), "%s/subsystem", controller);
	(void)snprintf(target, sizeof(target), "../../../bus/%s", subsystem);
	fake_link(root, path, target);
	fake_attribute(root, device, "version", "%s\n", version);
	fake_attribute(root, device, "bDeviceClass", "09\n");
	fake_attribute(root, device, "dev", "189:%d\n", (bus - 1) * 128);
	fake_bus_link(root, device);
}

/* device: its folder below sys. */
static void fake_device(const char *root, const char *device, const char *class, int bus,
    int number)
{
	fake_attribute(root, device, "idVendor", "0483\n");
	fake_attribute(root, device, "idProduct", "5740\n");
	fake_attribute(root, device, "bDeviceClass", "%s\n", class);
	fake_attribute(root, device, "busnum", "%d\n", bus);
	fake_attribute(root, device, "devnum", "%d\n", number);
	fake_attribute(root, device, "dev", "189:%d\n", (bus - 1) * 128 + number - 1);
	fake_attribute(root, device, "speed", "480\n");
	fake_bus_link(root, device);
}

/* class: "02 02 01"; driver may be NULL */
static void fake_interface(const char *root, const char *device, int number, const char *class,
    const char *driver)
{
	char path[PATH_MAX], link[PATH_MAX], target[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s:1.%d", device, strrchr(device, '/') + 1, number);
	fake_attribute(root, path, "bInterfaceNumber", "%02x\n", (unsigned)number);
	fake_attribute(root, path, "bInterfaceClass", "%.2s\n", class);
	fake_attribute(root, path, "bInterfaceSubClass", "%.2s\n", class + 3);
	fake_attribute(root, path, "bInterfaceProtocol", "%.2s\n", class + 6);
	if (driver == NULL)
		return;
	(void)snprintf(link, sizeof(link), "%s/driver", path);
	(void)snprintf(target, sizeof(target), "../../../bus/usb/drivers/%s", driver);
	fake_link(root, link, target);
}

#endif
