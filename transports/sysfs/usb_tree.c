#include "usb_tree.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "sysfs.h"
#include "usb_place.h"

enum { HUB_CLASS = 0x09, DEVICES_MAX = 4096 };

OWNED(DIR, closedir)

static bool get_u8(const char *folder, const char *name, int base, uint8_t *ret)
{
	unsigned long value;

	if (!sysfs_number(folder, name, base, UINT8_MAX, &value))
		return false;
	*ret = (uint8_t)value;
	return true;
}

static bool get_u16(const char *folder, const char *name, uint16_t *ret)
{
	unsigned long value;

	if (!sysfs_number(folder, name, 16, UINT16_MAX, &value))
		return false;
	*ret = (uint16_t)value;
	return true;
}

/* "189:4" */
static bool get_dev(const char *folder, dev_t *ret)
{
	char text[32];
	unsigned major_number, minor_number;
	int end = 0;

	if (!sysfs_text(folder, "dev", text, sizeof(text)) ||
	    sscanf(text, "%9u:%9u%n", &major_number, &minor_number, &end) != 2 || text[end] != '\0')
		return false;
	*ret = makedev(major_number, minor_number);
	return true;
}

static bool get_node(const char *folder, char *ret, size_t size)
{
	unsigned long bus, device;

	if (!sysfs_number(folder, "busnum", 10, 999, &bus) ||
	    !sysfs_number(folder, "devnum", 10, 999, &device))
		return false;
	(void)snprintf(ret, size, "/dev/bus/usb/%03lu/%03lu", bus, device);
	return true;
}

/* "480", "1.5": megabits */
static uint32_t get_speed(const char *folder)
{
	char text[16];
	unsigned whole, tenth = 0;

	if (!sysfs_text(folder, "speed", text, sizeof(text)) ||
	    sscanf(text, "%6u.%1u", &whole, &tenth) < 1)
		return 0;
	return whole * 1000 + tenth * 100;
}

/* ret_name: the one entry that begins with "tty" and has more to it. False where there are more or none. */
static bool one_tty(const char *path, char *ret_name, size_t size)
{
	AUTO(DIR) *f = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (f == NULL)
		return false;
	while ((entry = readdir(f)) != NULL) {
		if (strncmp(entry->d_name, "tty", 3) != 0 || entry->d_name[3] == '\0' ||
		    strlen(entry->d_name) >= size)
			continue;
		if (found)
			return false;
		(void)snprintf(ret_name, size, "%s", entry->d_name);
		found = true;
	}
	return found;
}

/*
 * cdc-acm's port is below the interface's tty/, usb-serial's is in the interface itself. An interface
 * with several ports has none: which of them is which no place says.
 */
static void read_tty(const char *path, struct usb_interface *i)
{
	char below[PATH_MAX];
	char name[sizeof(i->tty)];
	int len = snprintf(below, sizeof(below), "%s/tty", path);

	if (len >= (int)sizeof(below))
		return;
	if (one_tty(below, name, sizeof(name)) || one_tty(path, name, sizeof(name)))
		memcpy(i->tty, name, sizeof(name));
}

static void read_interface(const char *device, const char *name, struct usb_device *d)
{
	struct usb_interface i = { 0 };
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/%s", device, name);

	if (d->interface_count == USB_INTERFACES_MAX || len >= (int)sizeof(path))
		return;
	if (!get_u8(path, "bInterfaceNumber", 16, &i.number) ||
	    !get_u8(path, "bInterfaceClass", 16, &i.class) ||
	    !get_u8(path, "bInterfaceSubClass", 16, &i.subclass) ||
	    !get_u8(path, "bInterfaceProtocol", 16, &i.protocol))
		return;
	if (!sysfs_link_name(path, "driver", i.driver, sizeof(i.driver)))
		i.driver[0] = '\0';
	read_tty(path, &i);
	d->interfaces[d->interface_count++] = i;
}

static int by_number(const void *a, const void *b)
{
	const struct usb_interface *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* The folders "1-3.1:1.0" in that of "1-3.1". */
static void read_interfaces(const char *device, const char *name, struct usb_device *d)
{
	AUTO(DIR) *f = opendir(device);
	size_t len = strlen(name);
	const struct dirent *entry;

	if (f == NULL)
		return;
	while ((entry = readdir(f)) != NULL)
		if (strncmp(entry->d_name, name, len) == 0 && entry->d_name[len] == ':')
			read_interface(device, entry->d_name, d);
	qsort(d->interfaces, d->interface_count, sizeof(d->interfaces[0]), by_number);
}

static void read_strings(const char *path, struct usb_device *d)
{
	if (!sysfs_text(path, "manufacturer", d->manufacturer, sizeof(d->manufacturer)))
		d->manufacturer[0] = '\0';
	if (!sysfs_text(path, "product", d->product_name, sizeof(d->product_name)))
		d->product_name[0] = '\0';
	if (!sysfs_text(path, "serial", d->serial, sizeof(d->serial)))
		d->serial[0] = '\0';
}

/* False where the device left, or another one came, while it was read: the next look sees the new one. */
static bool read_device(const char *devices, const char *name, struct usb_device *d)
{
	char path[PATH_MAX];
	uint8_t class = 0;
	dev_t after;
	int len = snprintf(path, sizeof(path), "%s/%s", devices, name);

	if (len >= (int)sizeof(path) || !get_dev(path, &d->dev) ||
	    !get_node(path, d->node, sizeof(d->node)) || !get_u16(path, "idVendor", &d->vendor) ||
	    !get_u16(path, "idProduct", &d->product) || !get_u8(path, "bDeviceClass", 16, &class))
		return false;
	d->is_hub = class == HUB_CLASS;
	d->speed_kbit = get_speed(path);
	usb_place_of_peer(devices, name, d->peer);
	read_strings(path, d);
	read_interfaces(path, name, d);
	return get_dev(path, &after) && after == d->dev;
}

struct list {
	struct usb_device *items; /* owned */
	size_t count, room;
};

static void list_free(struct list *l)
{
	free(l->items);
}
OWNED_STRUCT(list, list_free)

static struct usb_device *list_room(struct list *l, struct err *e)
{
	size_t room = l->room == 0 ? 16 : 2 * l->room;
	struct usb_device *items;

	if (l->count == l->room) {
		items = room > DEVICES_MAX ? NULL : realloc(l->items, room * sizeof(items[0]));
		if (items == NULL) {
			(void)err_nomem(e);
			return NULL;
		}
		l->items = items;
		l->room = room;
	}
	l->items[l->count] = (struct usb_device){ 0 };
	return &l->items[l->count];
}

/* place: the only one that is wanted, or NULL. */
static int read_one(const char *devices, const char *name, const char *place, struct list *l,
    struct err *e)
{
	struct usb_device *d = list_room(l, e);

	if (d == NULL)
		return -1;
	if (!usb_place_of(devices, name, d->place) ||
	    (place != NULL && strcmp(d->place, place) != 0) || !read_device(devices, name, d))
		return 0;
	l->count++;
	return 0;
}

static int read_all(const char *root, const char *place, struct list *l, struct err *e)
{
	char devices[PATH_MAX];
	const struct dirent *entry;
	int len = snprintf(devices, sizeof(devices), "%s/sys/bus/usb/devices", root);
	AUTO(DIR) *f = len < (int)sizeof(devices) ? opendir(devices) : NULL;

	if (f == NULL && len < (int)sizeof(devices) && errno == ENOENT)
		return 0;
	if (f == NULL)
		return err_errno(e, ERR_CONFIG, "usb", "%s", devices);
	while ((entry = readdir(f)) != NULL)
		if (usb_name_is_device(entry->d_name) &&
		    read_one(devices, entry->d_name, place, l, e) != 0)
			return -1;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct usb_device *x = a, *y = b;

	return strverscmp(x->place, y->place); /* port 2 before port 10 */
}

int usb_tree_read(const char *root, struct usb_device **ret, size_t *ret_count, struct err *e)
{
	AUTO_STRUCT(list) l = { 0 };

	if (read_all(root, NULL, &l, e) != 0)
		return -1;
	if (l.count > 0)
		qsort(l.items, l.count, sizeof(l.items[0]), by_place);
	*ret_count = l.count;
	*ret = steal(&l.items);
	return 0;
}

int usb_tree_find(const char *root, const char *place, struct usb_device *ret, struct err *e)
{
	AUTO_STRUCT(list) l = { 0 };

	if (read_all(root, place, &l, e) != 0)
		return -1;
	if (l.count == 0)
		return err_set(e, ERR_LINK, "link.absent", "nothing is plugged in at %s", place);
	*ret = l.items[0];
	return 0;
}

int usb_device_tty(const struct usb_device *device, int number, const char **ret, struct err *e)
{
	const char *found = NULL;

	for (size_t i = 0; i < device->interface_count; i++) {
		const struct usb_interface *at = &device->interfaces[i];

		if (at->tty[0] == '\0' || (number >= 0 && at->number != number))
			continue;
		if (found != NULL)
			return err_set(e, ERR_LINK, "link.address",
			    "the device at %s has more than one serial port (%s, %s); say which by "
			    "its "
			    "interface number",
			    device->place, found, at->tty);
		found = at->tty;
	}
	if (found == NULL && number >= 0)
		return err_set(e, ERR_LINK, "link.absent",
		    "the device at %s has no serial port on interface %d", device->place, number);
	if (found == NULL)
		return err_set(e, ERR_LINK, "link.absent", "the device at %s has no serial port",
		    device->place);
	*ret = found;
	return 0;
}
