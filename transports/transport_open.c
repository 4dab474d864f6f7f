/* Apart from transport.c, so that who only frames and reads bytes does not link every transport. */
#include "transport.h"

#include <string.h>

static const struct transport_ops *const table[] = {
	&serial_transport,
	&usb_transport,
};

static bool has_scheme(const char *address, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(address, scheme, len) == 0 && address[len] == ':';
}

int transport_open(struct transport **ret, const char *address, struct err *e)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (has_scheme(address, table[i]->scheme))
			return table[i]->open(ret, address, e);
	return err_set(e, ERR_LINK, "link.address",
	    "'%s' is no address of a port; write serial:/dev/serial/by-path/...?baud=115200 or "
	    "usb:PLACE?interface=mctp",
	    address);
}
