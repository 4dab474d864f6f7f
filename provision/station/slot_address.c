#include "slot_address.h"

#include "sighting.h"

int slot_address_check(const struct config_slot *slot, const struct profile *p, struct err *e)
{
	if (slot->address == NULL || p->link == LINK_SERIAL)
		return 0;
	return yaml_error(slot->at, e,
	    "slot %s has a serial port's address, and the profile %s is reached by usb: %s; "
	    "write place: KEY in its stead (kiln slots lists the keys)",
	    slot->name, p->name, link_name(p->link));
}

static int add_address(const char *place, const struct profile *p, struct buf *ret, struct err *e)
{
	if (p->link != LINK_SERIAL)
		return buf_printf(ret, e, "usb:%s?interface=%s", place, link_name(p->link));
	if (buf_printf(ret, e, "serial:%s?baud=%lld", place, (long long)p->baud) != 0)
		return -1;
	return p->tty_interface < 0
		   ? 0
		   : buf_printf(ret, e, "&interface=%lld", (long long)p->tty_interface);
}

int slot_address(const struct config_slot *slot, const char *place, const struct profile *p,
    struct buf *ret, struct err *e)
{
	int rc = place != NULL ? add_address(place, p, ret, e) : buf_add_str(ret, slot->address, e);

	return rc == 0 && buf_str(ret, e) != NULL ? 0 : -1;
}
