/*
 * How a plugged device shows itself to a station: as a tty, as a device on the kernel's virtual USB
 * host controller. The fleet knows devices and slots, a skin what is between them and the station.
 */
#ifndef KILN_SKIN_H
#define KILN_SKIN_H

#include "own.h"
#include "twin.h"

struct options;
struct skin; /* each implementation's own */

/* A device that is plugged. It lives as long as it is. */
struct skin_plug {
	const struct twin_family *family;
	const struct twin_config *config; /* its account is shared with the device's process */
	const char *fault;                /* on its USB, or NULL */
	const char *port;                 /* the path by which a station finds its tty */
	size_t slot;                      /* from 0 */
};

struct skin_ops {
	const char *name; /* of --skin */
	bool usb;         /* serve() gets the socket of a struct twin_usb; else a tty */

	/* A place for each slot. *ret may stay NULL. Errors: CONFIG, with what to do. */
	int (*open)(struct skin **ret, const struct options *o, struct err *e);
	void (*close)(struct skin *s);

	/* The slot's place (usb_tree.h), borrowed; NULL where slots are ports. */
	const char *(*place)(const struct skin *s, size_t slot);

	/* In kiln-twin, before the device has its process: a descriptor that this keeps, or -1. */
	int (*prepare)(struct skin *s, size_t slot, int *ret_keep, struct err *e);

	/*
	 * In the device's own process: shows the device and serves it until it is unplugged, through the resets it
	 * makes: -1 "twin.unplugged" where its family leaves, else the process is killed. Once it can be found, a
	 * byte is written to ready.
	 */
	int (*serve)(struct skin *s, const struct skin_plug *p, int keep, int ready, struct err *e);

	/* In kiln-twin: the process is ready; it has ended. */
	int (*plugged)(struct skin *s, const struct skin_plug *p, struct err *e);
	void (*unplugged)(struct skin *s, size_t slot);

	/* A descriptor that is readable when turn has something to do, or -1. */
	int (*watch)(const struct skin *s);
	int (*turn)(struct skin *s, struct err *e);
};

extern const struct skin_ops pty_skin, usbip_skin;

/* The one of that name, or NULL; by index, NULL behind the last. */
const struct skin_ops *skin_find(const char *name);
const struct skin_ops *skin_at(size_t i);

/* For serve: says that the device can be found. */
must_check int skin_ready(int *ready, struct err *e);
/* For serve: the pause of a device that resets itself. */
void skin_pause(void);

/* Members for skins that need nothing of the kind. */
int skin_no_descriptor(struct skin *s, size_t slot, int *ret_keep, struct err *e);
int skin_not_told(struct skin *s, const struct skin_plug *p, struct err *e);
void skin_forgets(struct skin *s, size_t slot);
int skin_not_watched(const struct skin *s);
int skin_idle(struct skin *s, struct err *e);

#endif
