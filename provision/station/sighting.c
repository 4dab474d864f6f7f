#include "sighting.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint8_t class;
} links[] = {
	[LINK_SERIAL] = { "serial", 0 },
	[LINK_USB_MCTP] = { "mctp", USB_CLASS_MCTP },
	[LINK_USB_CCID] = { "ccid", USB_CLASS_CCID },
};

const char *link_name(enum profile_link link)
{
	return links[link].name;
}

const struct usb_interface *sighting_interface(const struct usb_device *d, enum profile_link link)
{
	for (size_t i = 0; i < d->interface_count; i++)
		if (link != LINK_SERIAL && d->interfaces[i].class == links[link].class)
			return &d->interfaces[i];
	return NULL;
}

static int check_node(const char *root, const char *node, struct err *e)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s%s", root, node);
	if (access(path, R_OK | W_OK) == 0)
		return 0;
	if (errno == EACCES || errno == EPERM)
		return err_set(e, ERR_LINK, "link.permission",
		    "no permission for %s: the udev rules (" UDEV_RULES ") are not in "
		    "/etc/udev/rules.d, or the station's user is not in the group kiln",
		    node);
	return err_set(e, ERR_LINK, "link.absent", "%s is not there", node);
}

int sighting_check(const char *root, const struct usb_device *d, enum profile_link link,
    int tty_interface, const char **ret_tty, struct err *e)
{
	char node[64];

	*ret_tty = NULL;
	if (link != LINK_SERIAL && sighting_interface(d, link) == NULL)
		return err_set(e, ERR_LINK, "link.absent",
		    "the device at %s has no %s interface: not the product that the profile "
		    "says, or it is still starting",
		    d->place, link_name(link));
	if (link != LINK_SERIAL)
		return check_node(root, d->node, e);
	if (usb_device_tty(d, tty_interface, ret_tty, e) != 0)
		return -1;
	(void)snprintf(node, sizeof(node), "/dev/%s", *ret_tty);
	return check_node(root, node, e);
}

static const char *place_of(const struct config_slot *slot, const struct usb_device *d)
{
	for (size_t i = 0; i < slot->place_count; i++)
		if (strcmp(slot->places[i], d->place) == 0)
			return slot->places[i];
	return NULL;
}

static void take_device(const struct usb_view *view, const struct usb_device *d,
    enum profile_link link, int tty_interface, struct sighting *ret)
{
	const char *tty = NULL;

	ret->device = d->dev;
	ret->state = SIGHTING_READY;
	if (sighting_check(view->root, d, link, tty_interface, &tty, &ret->why) != 0)
		ret->state = SIGHTING_UNREADY;
	if (tty != NULL)
		(void)snprintf(ret->tty, sizeof(ret->tty), "%s", tty);
}

void sighting_take(const struct usb_view *view, const struct config_slot *slot,
    enum profile_link link, int tty_interface, struct sighting *ret)
{
	*ret = (struct sighting){ 0 };
	for (size_t i = 0; i < view->count; i++) {
		const struct usb_device *d = &view->devices[i];
		const char *place = place_of(slot, d);

		if (place == NULL || (d->is_hub && ret->state != SIGHTING_NONE))
			continue;
		if (ret->state > SIGHTING_HUB) {
			(void)err_scope(err_set(&ret->why, ERR_OPERATOR, "slot.two-devices",
					    "two devices are in slot %s at once: at %s and at %s",
					    slot->name, ret->place, place),
			    &ret->why, SCOPE_SLOT);
			ret->state = SIGHTING_SEVERAL;
			ret->place = NULL;
			return;
		}
		ret->place = place;
		if (d->is_hub)
			ret->state = SIGHTING_HUB;
		else
			take_device(view, d, link, tty_interface, ret);
	}
}

bool sighting_is_same(const struct sighting *a, const struct sighting *b)
{
	return a->place == b->place && a->device == b->device && strcmp(a->tty, b->tty) == 0;
}
