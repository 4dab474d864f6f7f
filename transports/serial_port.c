#include "serial_port.h"

#include <stdio.h>
#include <string.h>

#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sysfs.h"

enum {
	BAUD_DEFAULT = 115200,
	BAUD_MIN = 300,
	BAUD_MAX = 12000000,
};

/* serial:PATH[?baud=N], serial:PLACE[?baud=N][&interface=M] */
static int parse_address(const char *text, struct address *ret, struct err *e)
{
	static const char *const keys[ADDRESS_KEYS_MAX] = { "baud", "interface" };

	if (address_parse(text, keys, ret, e) != 0)
		return -1;
	if (ret->where[0] != '/' && usb_place_check(ret->where, e) != 0)
		return err_set(e, ERR_LINK, "link.address",
		    "'%s': neither an absolute path nor a place of a USB device follows serial:",
		    text);
	if (ret->where[0] == '/' && ret->values[1][0] != '\0')
		return err_set(e, ERR_LINK, "link.address",
		    "'%s': a path is of one port; only a place has interfaces", text);
	return 0;
}

static int parse_settings(const char *text, const struct address *a, struct serial_port *ret,
    struct err *e)
{
	long baud = BAUD_DEFAULT, number = -1;

	if (a->values[0][0] != '\0' &&
	    address_number(text, "baud", a->values[0], BAUD_MIN, BAUD_MAX, &baud, e) != 0)
		return -1;
	if (a->values[1][0] != '\0' &&
	    address_number(text, "interface", a->values[1], 0, UINT8_MAX, &number, e) != 0)
		return -1;
	ret->baud = (unsigned)baud;
	ret->interface = (int)number;
	return 0;
}

/* The tty behind the device at the place, as it is now. */
static int find_port(const char *place, struct serial_port *p, struct err *e)
{
	const char *tty;

	if (usb_tree_find("", place, &p->device, e) != 0 ||
	    usb_device_tty(&p->device, p->interface, &tty, e) != 0)
		return -1;
	(void)snprintf(p->path, sizeof(p->path), "/dev/%s", tty);
	return 0;
}

int serial_port_parse(const char *text, struct serial_port *ret, struct err *e)
{
	struct address a;

	*ret = (struct serial_port){ 0 };
	if (parse_address(text, &a, e) != 0 || parse_settings(text, &a, ret, e) != 0)
		return -1;
	ret->by_place = a.where[0] != '/';
	if (ret->by_place)
		return find_port(a.where, ret, e);
	memcpy(ret->path, a.where, sizeof(a.where));
	return 0;
}

bool serial_port_is_pty(dev_t dev)
{
	return major(dev) >= UNIX98_PTY_SLAVE_MAJOR &&
	       major(dev) < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT;
}

/* The kernel's name of what was opened; sysfs has no ptys. */
static bool is_named(int fd, const char *tty)
{
	char number[64], name[64];
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (serial_port_is_pty(st.st_rdev))
		return true;
	(void)snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return sysfs_link_name("/sys/dev/char", number, name, sizeof(name)) &&
	       strcmp(name, tty) == 0;
}

int serial_port_check(const struct serial_port *p, int fd, struct err *e)
{
	struct serial_port now = { .interface = p->interface };

	if (!p->by_place)
		return 0;
	if (find_port(p->device.place, &now, e) != 0)
		return -1;
	if (now.device.dev != p->device.dev || strcmp(now.path, p->path) != 0 ||
	    !is_named(fd, p->path + strlen("/dev/")))
		return err_set(e, ERR_LINK, "link.absent",
		    "the device at %s was replaced while its port was opened", p->device.place);
	return 0;
}
