/* A transport made of two buffers: what the code under test wrote, and what it will read. */
#ifndef KILN_TEST_WIRE_H
#define KILN_TEST_WIRE_H

#include <string.h>

#include "transport.h"

struct wire {
	struct transport base;
	struct buf in;  /* will be read */
	struct buf out; /* was written */
	size_t portion; /* bytes that one read gives at most; 0: all */
	bool unplugged; /* reads end with link.gone instead of link.timeout */
	bool flushes;   /* flush drops `in`, as a real port does */
	int (*answer)(struct wire *w, struct err *e); /* after each write; may fill `in` */
	void *context;
};

static int wire_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct wire *w = (struct wire *)t;
	size_t got = w->in.len < len ? w->in.len : len;

	(void)deadline; /* nobody waits here */
	if (got == 0 && w->unplugged)
		return err_set(e, ERR_LINK, "link.gone", "unplugged");
	if (got == 0)
		return err_retry(err_set(e, ERR_LINK, "link.timeout", "nothing came"), e);
	if (w->portion > 0 && got > w->portion)
		got = w->portion;
	memcpy(data, w->in.data, got);
	buf_drop(&w->in, got);
	*ret_got = got;
	return 0;
}

static int wire_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	struct wire *w = (struct wire *)t;

	(void)deadline; /* as above */
	if (buf_add(&w->out, data, len, e) != 0)
		return -1;
	return w->answer != NULL ? w->answer(w, e) : 0;
}

static void wire_flush(struct transport *t)
{
	struct wire *w = (struct wire *)t;

	if (w->flushes)
		buf_clear(&w->in);
}

static void wire_close(struct transport *t)
{
	struct wire *w = (struct wire *)t;

	buf_free(&w->in);
	buf_free(&w->out);
}

static const struct transport_ops wire_ops = {
	.scheme = "wire",
	.read = wire_read,
	.write = wire_write,
	.flush = wire_flush,
	.close = wire_close,
};

/* The same as USB: a read gives one transfer, as many whole frames (DSP0283) as have room. */
static int wire_usb_read(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	const struct buf *in = &((struct wire *)t)->in;
	size_t at = 0;

	while (at + 4 <= in->len && in->data[at + 3] >= 4 && at + in->data[at + 3] <= in->len &&
	       at + in->data[at + 3] <= len)
		at += in->data[at + 3];
	return wire_read(t, data, at > 0 ? at : len, ret_got, deadline, e);
}

static const struct transport_ops wire_usb_ops = {
	.scheme = "wire",
	.medium = MEDIUM_USB,
	.read = wire_usb_read,
	.write = wire_write,
	.flush = wire_flush,
	.close = wire_close,
};

#endif
