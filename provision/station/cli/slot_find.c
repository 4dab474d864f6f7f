#include "cmd_slots.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "place.h"

static bool has_place(const struct config_slot *s, const char *place)
{
	for (size_t i = 0; i < s->place_count; i++)
		if (strcmp(s->places[i], place) == 0)
			return true;
	return false;
}

static bool has_tty(const struct usb_device *d, const char *tty)
{
	for (size_t i = 0; i < d->interface_count; i++)
		if (d->interfaces[i].tty[0] != '\0' && strcmp(d->interfaces[i].tty, tty) == 0)
			return true;
	return false;
}

/* An address is often a link to the tty of the device. */
static bool leads_to(const struct config_slot *s, const struct usb_device *d)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct err no_path = { 0 };
	char node[PATH_MAX];

	if (s->address == NULL || place_path(s->address, &path, &no_path) != 0 ||
	    realpath((const char *)path.data, node) == NULL)
		return false;
	return strncmp(node, "/dev/", 5) == 0 && has_tty(d, node + 5);
}

const struct config_slot *slot_of_device(const struct config *config, const struct usb_device *d)
{
	for (size_t i = 0; config != NULL && i < config->slot_count; i++)
		if (has_place(&config->slots[i], d->place) || leads_to(&config->slots[i], d))
			return &config->slots[i];
	return NULL;
}

/* Room for one more; the last one is overwritten where there is none. */
static struct err *room(struct slot_findings *f)
{
	struct err *e = &f->all[f->count < SLOT_FINDINGS_MAX ? f->count++ : SLOT_FINDINGS_MAX - 1];

	*e = (struct err){ 0 };
	return e;
}

static void find_driver(const struct usb_interface *i, struct slot_findings *ret)
{
	if (i->driver[0] == '\0')
		return;
	if (strcmp(i->driver, "usbfs") == 0)
		(void)err_set(room(ret), ERR_LINK, "link.locked",
		    "another program has taken interface %u", i->number);
	else
		(void)err_set(room(ret), ERR_OPERATOR, "slot.driver",
		    "the kernel's driver %s has interface %u; kiln takes it away while it works",
		    i->driver, i->number);
}

static void find_permission(const struct usb_view *view, const struct usb_device *d,
    enum profile_link link, int number, struct slot_findings *ret)
{
	const char *tty;
	struct err e = { 0 };

	if (sighting_check(view->root, d, link, number, &tty, &e) == 0)
		return;
	for (size_t i = 0; i < ret->count; i++)
		if (strcmp(ret->all[i].message, e.message) == 0)
			return; /* two interfaces, one node */
	*room(ret) = e;
}

static void find_in_interface(const struct usb_view *view, const struct usb_device *d,
    const struct usb_interface *i, struct slot_findings *ret)
{
	if (i->tty[0] != '\0')
		find_permission(view, d, LINK_SERIAL, i->number, ret);
	for (int link = LINK_USB_MCTP; link < LINK_COUNT; link++) {
		if (sighting_interface(d, (enum profile_link)link) != i)
			continue;
		find_permission(view, d, (enum profile_link)link, -1, ret);
		find_driver(i, ret);
	}
}

static void find_aliases(const struct usb_device *d, const struct config *config,
    const struct config_slot *slot, struct slot_findings *ret)
{
	if (d->peer[0] == '\0')
		return;
	if (slot != NULL && slot->place_count > 0 && !has_place(slot, d->peer))
		(void)err_set(room(ret), ERR_OPERATOR, "slot.alias",
		    "a device of another speed in this connector is at %s: slot %s does not have "
		    "that place",
		    d->peer, slot->name);
	for (size_t i = 0; slot == NULL && config != NULL && i < config->slot_count; i++)
		if (has_place(&config->slots[i], d->peer))
			(void)err_set(room(ret), ERR_OPERATOR, "slot.alias",
			    "this is the connector of slot %s, which has only the place %s",
			    config->slots[i].name, d->peer);
}

static void find_in_slot(const struct usb_view *view, const struct usb_device *d,
    const struct config_slot *slot, struct slot_findings *ret)
{
	char interfaces[200];
	struct sighting s;

	if (d->is_hub) {
		(void)err_set(room(ret), ERR_OPERATOR, "slot.hub",
		    "a hub is plugged in where slot %s expects a device", slot->name);
		return;
	}
	sighting_take(view, slot, LINK_SERIAL, -1, &s);
	if (s.state == SIGHTING_SEVERAL)
		*room(ret) = s.why;
	if (strcmp(slot_interfaces(d, interfaces), "-") == 0)
		(void)err_set(room(ret), ERR_LINK, "link.absent",
		    "it has no interface that kiln can use");
}

void slot_find(const struct usb_view *view, const struct usb_device *d, const struct config *config,
    const struct config_slot *slot, struct slot_findings *ret)
{
	*ret = (struct slot_findings){ 0 };
	if (slot != NULL)
		find_in_slot(view, d, slot, ret);
	if (d->is_hub)
		return;
	for (size_t i = 0; i < d->interface_count; i++)
		find_in_interface(view, d, &d->interfaces[i], ret);
	find_aliases(d, config, slot, ret);
}

const char *slot_speed(uint32_t kbit, char ret[static 16])
{
	if (kbit == 0)
		(void)snprintf(ret, 16, "-");
	else if (kbit < 10000)
		(void)snprintf(ret, 16, "%u.%uM", kbit / 1000, kbit % 1000 / 100);
	else if (kbit < 1000000)
		(void)snprintf(ret, 16, "%uM", kbit / 1000);
	else
		(void)snprintf(ret, 16, "%uG", kbit / 1000000);
	return ret;
}

/* What kiln can do with an interface: "mctp", "ccid", its tty, or "". */
static const char *use_of(const struct usb_device *d, const struct usb_interface *i)
{
	for (int link = LINK_USB_MCTP; link < LINK_COUNT; link++)
		if (sighting_interface(d, (enum profile_link)link) == i)
			return link_name((enum profile_link)link);
	return i->tty;
}

const char *slot_interfaces(const struct usb_device *d, char ret[static 200])
{
	size_t used = 0;

	(void)snprintf(ret, 200, "%s", d->is_hub ? "hub" : "-");
	for (size_t i = 0; i < d->interface_count && used < 199; i++) {
		const char *use = use_of(d, &d->interfaces[i]);

		if (use[0] != '\0')
			used += (size_t)snprintf(ret + used, 200 - used, "%s%s",
			    used > 0 ? " " : "", use);
	}
	return ret;
}

const char *slot_device_text(const struct usb_device *d, char ret[static 400])
{
	const char *const parts[] = { d->manufacturer, d->product_name,
		d->serial[0] != '\0' ? "SN" : "", d->serial };
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < COUNT(parts); i++)
		if (parts[i][0] != '\0')
			used += (size_t)snprintf(ret + used, 400 - used, "%s%s",
			    used > 0 ? " " : "", parts[i]);
	return ret;
}

json_t *slot_device_json(const struct usb_device *d)
{
	AUTO(json_t) *interfaces = json_array();
	char vendor[8], product[8];

	(void)snprintf(vendor, sizeof(vendor), "%04x", d->vendor);
	(void)snprintf(product, sizeof(product), "%04x", d->product);
	for (size_t i = 0; i < d->interface_count; i++) {
		const struct usb_interface *f = &d->interfaces[i];

		if (json_array_append_new(interfaces,
			json_pack("{s:i, s:i, s:i, s:i, s:s, s:s}", "number", f->number, "class",
			    f->class, "subclass", f->subclass, "protocol", f->protocol, "driver",
			    f->driver, "use", use_of(d, f))) != 0)
			return NULL;
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:s, s:s, s:o}", "place",
	    d->place, "peer", d->peer, "node", d->node, "vendor", vendor, "product", product,
	    "speed_kbit", (json_int_t)d->speed_kbit, "hub", d->is_hub, "manufacturer",
	    d->manufacturer, "product_name", d->product_name, "serial", d->serial, "interfaces",
	    steal(&interfaces));
}
