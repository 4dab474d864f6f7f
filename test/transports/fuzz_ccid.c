/* What a reader and the card behind it may send: nothing may crash, and no answer grows past its bound.
 * First byte: exchange level and whether messages get the sequence number that is waited for. */
#include <stdlib.h>

#include "ccid.h"
#include "clock.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzzed {
	struct wire wire;
	uint8_t descriptor[54];
	const uint8_t *data;
	size_t left;
	bool helps;
};

static const uint8_t *descriptor(const struct transport *t, uint8_t type, size_t *ret_len)
{
	const struct fuzzed *f = (const struct fuzzed *)t;

	(void)type; /* there is one */
	*ret_len = sizeof(f->descriptor);
	return f->descriptor;
}

static bool has_interrupt(const struct transport *t)
{
	(void)t;
	return false;
}

static int request(struct transport *t, uint8_t code, uint16_t value, int64_t deadline,
    struct err *e)
{
	(void)t;
	(void)code;
	(void)value;
	(void)deadline;
	return err_set(e, ERR_LINK, "link.stall", "stalled");
}

/* A length byte and a message; a data block of the right sequence where the reader helps. */
static int answer(struct wire *w, struct err *e)
{
	struct fuzzed *f = (struct fuzzed *)w;
	uint8_t sequence = w->out.len > 6 ? w->out.data[6] : 0;
	uint8_t type = w->out.len > 0 && w->out.data[0] == 0x65 ? 0x81 : 0x80;
	size_t len;

	buf_clear(&w->out);
	if (f->left == 0)
		return err_set(e, ERR_LINK, "link.gone", "unplugged");
	len = f->data[0] < f->left - 1 ? f->data[0] : f->left - 1;
	if (f->helps) {
		const uint8_t header[] = { type, (uint8_t)(len > 3 ? len - 3 : 0), 0, 0, 0, 0,
			sequence };

		if (buf_add(&w->in, header, sizeof(header), e) != 0)
			return -1;
	}
	if (buf_add(&w->in, f->data + 1, len, e) != 0)
		return -1;
	f->data += len + 1;
	f->left -= len + 1;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ccid_port port = { .descriptor = descriptor,
		.has_interrupt = has_interrupt,
		.request = request };
	struct fuzzed f = { .wire = { .base = { &wire_ops }, .answer = answer, .flushes = true },
		.data = data,
		.left = size };
	uint8_t apdu[] = { 0, 0xcb, 0x3f, 0xff, 5, 0x5c, 3, 0x5f, 0xc1, 5, 0 };
	const struct buf command = { .data = apdu, .len = sizeof(apdu) };
	AUTO_STRUCT(buf) got = { 0 };
	struct err e = { 0 };
	struct ccid c;

	if (size == 0)
		return 0;
	f.data++;
	f.left--;
	f.helps = (data[0] & 4) != 0;
	f.descriptor[6] = 3;
	f.descriptor[40] = 0x4a;
	f.descriptor[42] = (uint8_t)(1 << data[0] % 3);
	f.descriptor[46] = 1;
	if (ccid_init(&c, &port, &f.wire.base, &e) == 0 && ccid_power_on(&c, INT64_MAX, &e) == 0)
		for (int i = 0; i < 8; i++)
			if (ccid_transmit(&c, &command, &got, INT64_MAX, &e) == 0 &&
			    (got.len < 2 || got.len > CCID_ANSWER_MAX))
				abort();
	wire_close(&f.wire.base);
	return 0;
}
