#include "transport.h"

#include "failpoint.h"

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
