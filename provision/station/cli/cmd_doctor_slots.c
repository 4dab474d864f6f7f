#include "cmd_doctor.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "usb_root.h"

static const char *const rule_folders[] = { "/etc/udev/rules.d", "/run/udev/rules.d",
	"/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d" };

static bool is_there(const char *root, const char *path, const char *name, int mode)
{
	char full[PATH_MAX];

	(void)snprintf(full, sizeof(full), "%s%s%s", root, path, name);
	return access(full, mode) == 0;
}

static bool has_rules(const char *root)
{
	for (size_t i = 0; i < COUNT(rule_folders); i++)
		if (is_there(root, rule_folders[i], "/" UDEV_RULES, F_OK))
			return true;
	return false;
}

int doctor_check_usb(const char *root, const char **ret_warning, struct err *e)
{
	if (!usb_root_is_there(root, NULL))
		return err_set(e, ERR_CONFIG, "usb.controller",
		    "this machine has no USB host controller, or its driver is not loaded");
	if (!is_there(root, "/dev/bus/usb", "", R_OK | X_OK))
		return err_set(e, ERR_CONFIG, "usb.nodes",
		    "/dev/bus/usb is not there or not readable: no device can be opened");
	*ret_warning =
	    has_rules(root)
		? NULL
		: "the udev rules are not installed (" UDEV_RULES
		  ", in share/kiln/udev): only root can open devices, unless other rules let "
		  "the station";
	return 0;
}

static int check_roots(const char *root, const struct config_slot *slot, struct err *e)
{
	for (size_t i = 0; i < slot->place_count; i++)
		if (!usb_root_is_there(root, slot->places[i]))
			return err_set(e, ERR_CONFIG, "usb.controller",
			    "this machine has no root hub that %s begins with", slot->places[i]);
	return 0;
}

int doctor_check_places(const struct usb_view *view, const struct config_slot *slot,
    const struct profile *p, struct buf *ret, struct err *e)
{
	struct sighting s;

	if (check_roots(view->root, slot, e) != 0)
		return -1;
	sighting_take(view, slot, p->link, (int)p->tty_interface, &s);
	switch (s.state) {
	case SIGHTING_NONE:
		return buf_printf(ret, e, "%s: nothing plugged in", slot->places[0]);
	case SIGHTING_HUB:
		return err_set(e, ERR_OPERATOR, "slot.hub",
		    "a hub is plugged in at %s, where a device belongs", s.place);
	case SIGHTING_READY:
		return buf_printf(ret, e, "%s%s%s", s.place, s.tty[0] != '\0' ? ", " : "", s.tty);
	case SIGHTING_UNREADY:
	case SIGHTING_SEVERAL:
		break;
	}
	*e = s.why;
	return -1;
}
