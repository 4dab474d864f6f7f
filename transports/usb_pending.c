/* Stands in for usb.c until it is there. */
#include "usb.h"

#define PENDING __attribute__((weak))

PENDING const uint8_t *usb_class_descriptor(const struct transport *t, uint8_t type,
    size_t *ret_len)
{
	(void)t;
	(void)type;
	*ret_len = 0;
	return NULL;
}

PENDING bool usb_has_interrupt(const struct transport *t)
{
	(void)t;
	return false;
}

PENDING int usb_interrupt(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	(void)t;
	(void)data;
	(void)len;
	(void)ret_got;
	(void)deadline;
	return err_set(e, ERR_LINK, "link.address", "no USB in this build");
}

PENDING int usb_class_request(struct transport *t, uint8_t request, uint16_t value,
    int64_t deadline, struct err *e)
{
	(void)t;
	(void)request;
	(void)value;
	(void)deadline;
	return err_set(e, ERR_LINK, "link.address", "no USB in this build");
}
