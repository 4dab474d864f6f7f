#include "usb_node.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_node(const struct usb_device *d, int *ret, struct err *e)
{
	int fd = open(d->node, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	if (errno == EACCES || errno == EPERM)
		return err_set(e, ERR_LINK, "link.permission",
		    "%s at %s: this user may not open it; install 70-kiln.rules (in "
		    "share/kiln/udev) in "
		    "/etc/udev/rules.d, add the user to the group kiln, and plug the device again",
		    d->node, d->place);
	return err_errno(e, ERR_LINK, "link.absent", "%s at %s", d->node, d->place);
}

/*
 * A node's name is given to the next device when one leaves. What was opened is the device of the
 * place if the place had this device before and still has it: a number is not given twice in between.
 */
static int check_node(int fd, const struct usb_device *d, struct err *e)
{
	struct usb_device now;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_errno(e, ERR_LINK, "link.absent", "%s at %s", d->node, d->place);
	if (usb_tree_find("", d->place, &now, e) != 0)
		return -1;
	if (now.dev != d->dev || (S_ISCHR(st.st_mode) && st.st_rdev != d->dev))
		return err_set(e, ERR_LINK, "link.absent",
		    "the device at %s was replaced while it was opened", d->place);
	return 0;
}

static int lock_node(int fd, const struct usb_device *d, struct err *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return err_set(e, ERR_LINK, "link.locked", "%s at %s: another kiln has it", d->node,
	    d->place);
}

int usb_node_open(const char *place, struct usb_device *ret, int *ret_fd, struct err *e)
{
	struct usb_device d;
	int fd = -1;

	if (usb_place_check(place, e) != 0)
		return err_set(e, ERR_LINK, "link.address", "'%s' is no place of a USB device",
		    place);
	if (usb_tree_find("", place, &d, e) != 0 || open_node(&d, &fd, e) != 0)
		return -1;
	if (lock_node(fd, &d, e) != 0 || check_node(fd, &d, e) != 0) {
		(void)close(fd); /* nothing was written */
		return -1;
	}
	*ret = d;
	*ret_fd = fd;
	return 0;
}

const char *usb_node_holder(const struct usb_device *d, uint8_t number)
{
	for (size_t i = 0; i < d->interface_count; i++)
		if (d->interfaces[i].number == number && d->interfaces[i].driver[0] != '\0' &&
		    strcmp(d->interfaces[i].driver, "usbfs") != 0)
			return d->interfaces[i].driver;
	return NULL;
}
