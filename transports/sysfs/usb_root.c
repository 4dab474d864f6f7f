#include "usb_root.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "usb_place.h"

OWNED(DIR, closedir)

/* name: of what is in the folder of devices. "usb1" begins the places that "1-1" has below it. */
static bool is_root_of(const char *devices, const char *name, const char *place)
{
	char child[NAME_MAX + 4], first[USB_PLACE_MAX + 1];
	const char *ports;

	if (strncmp(name, "usb", 3) != 0)
		return false;
	(void)snprintf(child, sizeof(child), "%s-1", name + 3);
	if (!usb_name_is_device(child) || !usb_place_of(devices, child, first))
		return false;
	ports = strrchr(first, '/');
	return place == NULL || strncmp(place, first, (size_t)(ports - first) + 1) == 0;
}

bool usb_root_is_there(const char *root, const char *place)
{
	char devices[PATH_MAX];
	int len = snprintf(devices, sizeof(devices), "%s/sys/bus/usb/devices", root);
	AUTO(DIR) *f = len < (int)sizeof(devices) ? opendir(devices) : NULL;
	const struct dirent *entry;

	while (f != NULL && (entry = readdir(f)) != NULL)
		if (is_root_of(devices, entry->d_name, place))
			return true;
	return false;
}
