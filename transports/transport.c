#include "transport.h"

#include <string.h>

#include "failpoint.h"

static const struct transport_ops *const table[] = {
	&serial_transport,
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
	    "'%s' is no address of a port; write serial:/dev/serial/by-path/...?baud=115200",
	    address);
}

int transport_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	return t->ops->read(t, data, len, ret_got, deadline, e);
}

int transport_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	int rc;

	FAILPOINT("link.write");
	rc = t->ops->write(t, data, len, deadline, e);
	FAILPOINT("link.written");
	return rc;
}

void transport_flush(struct transport *t)
{
	t->ops->flush(t);
}

void transport_close(struct transport *t)
{
	if (t != NULL)
		t->ops->close(t);
}
