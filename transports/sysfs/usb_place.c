#include "usb_place.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sysfs.h"

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum { PORT_DIGITS_MAX = 3, BUS_DIGITS_MAX = 5 };

/* Length of a number that has no other spelling, 0 where there is none. */
static size_t number_len(const char *text, size_t digits_max)
{
	size_t len = strspn(text, DIGITS);

	return text[0] == '0' || len > digits_max ? 0 : len;
}

/* The text is dotted ports to its end: "3.1.2". */
static bool are_ports(const char *text)
{
	for (int depth = 1; depth <= USB_DEPTH_MAX; depth++) {
		size_t len = number_len(text, PORT_DIGITS_MAX);

		if (len == 0 || (len == PORT_DIGITS_MAX && strncmp(text, "255", len) > 0))
			return false;
		if (text[len] == '\0')
			return true;
		if (text[len] != '.')
			return false;
		text += len + 1;
	}
	return false;
}

/* Length of "pci-0000:00:14.0" before a slash: letters, a hyphen, a name. */
static size_t controller_len(const char *text)
{
	size_t bus = strspn(text, LETTERS DIGITS "_");
	size_t name;

	if (bus == 0 || text[bus] != '-')
		return 0;
	name = strspn(text + bus + 1, LETTERS DIGITS "_:.,@+-");
	return name == 0 || text[bus + 1 + name] != '/' ? 0 : bus + 1 + name;
}

static bool is_place(const char *text)
{
	size_t len = controller_len(text);
	const char *root = text + len;

	if (len == 0 || strlen(text) > USB_PLACE_MAX)
		return false;
	return strncmp(root, "/usb", 4) == 0 && root[4] >= '1' && root[4] <= '3' &&
	       root[5] == '/' && are_ports(root + 6);
}

int usb_place_check(const char *text, struct err *e)
{
	if (is_place(text))
		return 0;
	return err_set(e, ERR_CONFIG, "place",
	    "'%s' is no place of a USB device; one looks like pci-0000:00:14.0/usb2/3.1: "
	    "controller, "
	    "root hub (usb1, usb2 or usb3), ports",
	    text);
}

bool usb_name_is_device(const char *name)
{
	size_t bus = number_len(name, BUS_DIGITS_MAX);

	return bus > 0 && name[bus] == '-' && strlen(name) <= USB_NAME_MAX &&
	       are_ports(name + bus + 1);
}

/* The name of the device that a root hub hangs on: the last folder but one of where its link leads. */
static bool controller_name(const char *devices, const char *root, char *ret, size_t size)
{
	char target[PATH_MAX];
	char *last;
	int len;

	if (!sysfs_link(devices, root, target, sizeof(target)))
		return false;
	last = strrchr(target, '/');
	if (last == NULL)
		return false;
	*last = '\0';
	last = strrchr(target, '/');
	len = snprintf(ret, size, "%s", last != NULL ? last + 1 : target);
	return len > 0 && (size_t)len < size;
}

bool usb_place_of(const char *devices, const char *name, char ret[static USB_PLACE_MAX + 1])
{
	const char *ports = strchr(name, '-');
	char root[USB_NAME_MAX + 4];
	char path[2 * USB_NAME_MAX];
	char bus[USB_PLACE_MAX + 1], controller[USB_PLACE_MAX + 1], version[16];
	const char *digit;
	int len;

	if (!usb_name_is_device(name))
		return false;
	(void)snprintf(root, sizeof(root), "usb%.*s", (int)(ports - name), name);
	(void)snprintf(path, sizeof(path), "%s/../subsystem", root);
	if (!controller_name(devices, root, controller, sizeof(controller)) ||
	    !sysfs_link_name(devices, path, bus, sizeof(bus)))
		return false;
	(void)snprintf(path, sizeof(path), "%s/version", root);
	if (!sysfs_text(devices, path, version, sizeof(version)))
		return false;
	digit = version + strspn(version, " "); /* " 2.00", of a descriptor in BCD */
	len = snprintf(ret, USB_PLACE_MAX + 1, "%s-%s/usb%.*s/%s", bus, controller,
	    (int)strcspn(digit, "."), digit, ports + 1);
	return len <= USB_PLACE_MAX && is_place(ret);
}

/* "usb2-port1" is the port that a device "2-1" is at, "2-1-port3" that of "2-1.3". */
static bool name_at_port(const char *port, char *ret, size_t size)
{
	static const char word[] = "-port";
	const char *at = strstr(port, word);
	bool is_root = strncmp(port, "usb", 3) == 0;
	int len;

	if (at == NULL)
		return false;
	if (is_root)
		port += 3;
	len = snprintf(ret, size, "%.*s%c%s", (int)(at - port), port, is_root ? '-' : '.',
	    at + strlen(word));
	return len > 0 && (size_t)len < size;
}

void usb_place_of_peer(const char *devices, const char *name, char ret[static USB_PLACE_MAX + 1])
{
	char path[USB_NAME_MAX + 16];
	char port[USB_NAME_MAX + 16];
	char peer[USB_NAME_MAX + 1];

	(void)snprintf(path, sizeof(path), "%s/port/peer", name);
	if (!sysfs_link_name(devices, path, port, sizeof(port)) ||
	    !name_at_port(port, peer, sizeof(peer)) || !usb_place_of(devices, peer, ret))
		ret[0] = '\0';
}
