/*
 * What is at a slot's places in USB, by one reading of the tree, and whether a device there can be
 * reached as the profile wants: the interface is there, and its node is ours to read and write.
 */
#ifndef KILN_SIGHTING_H
#define KILN_SIGHTING_H

#include "config.h"
#include "profile.h"
#include "usb_tree.h"

/* The rules that let the station's user open devices. */
#define UDEV_RULES "70-kiln.rules"

/* One reading of the tree. */
struct usb_view {
	const char *root; /* as usb_tree_read */
	const struct usb_device *devices;
	size_t count;
};

enum sighting_state {
	SIGHTING_NONE,
	SIGHTING_HUB, /* which is no device to work on */
	SIGHTING_UNREADY,
	SIGHTING_READY,
	SIGHTING_SEVERAL, /* two places of one connector are taken */
};

struct sighting {
	enum sighting_state state;
	const char *place; /* of the slot's, where it is; NULL with NONE and SEVERAL */
	dev_t device;
	char tty[32];   /* LINK_SERIAL, where it has one */
	struct err why; /* UNREADY, SEVERAL: what is missing or wrong */
};

void sighting_take(const struct usb_view *view, const struct config_slot *slot,
    enum profile_link link, int tty_interface, struct sighting *ret);

/* The same device in the same plug, with the same tty. */
bool sighting_is_same(const struct sighting *a, const struct sighting *b);

/*
 * The device can be reached so. *ret_tty is its tty with LINK_SERIAL (borrowed), also where it can not
 * be opened. Errors: LINK "link.absent" (no such interface, or no node yet), "link.permission".
 */
must_check int sighting_check(const char *root, const struct usb_device *d, enum profile_link link,
    int tty_interface, const char **ret_tty, struct err *e);

/* The interface of the link's class, or NULL. */
const struct usb_interface *sighting_interface(const struct usb_device *d, enum profile_link link);

/* "mctp", "ccid"; "serial". */
const char *link_name(enum profile_link link);

#endif
