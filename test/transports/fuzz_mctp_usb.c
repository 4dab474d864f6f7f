/* What a device may send over USB, in transfers of its choice: nothing may crash, or grow past its bound. */
#include <stdlib.h>

#include "mctp.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses how much one transfer carries; and, by its low bit, whether packets are framed
 * here, so that what is behind the framing is reached often. */
static int load(const uint8_t *data, size_t size, struct buf *in, struct err *e)
{
	if ((data[0] & 1) == 0)
		return buf_add(in, data + 1, size - 1, e);
	for (size_t at = 1; at < size;) {
		size_t len = MCTP_PACKET_MIN + data[at] % 247;

		at++;
		if (at + len > size)
			break;
		if (mctp_usb_frame(data + at, len, in, e) != 0)
			return -1;
		at += len;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct transport_ops ops = wire_usb_ops;
	struct err e = { 0 };
	struct wire w = { .base = { &ops } };
	struct mctp m;
	AUTO_STRUCT(mctp_message) message = { 0 };

	if (size == 0)
		return 0;
	if ((data[0] & 2) != 0)
		ops.read = wire_read; /* frames are cut where a transfer ends */
	w.portion = 4 * (size_t)(data[0] >> 2);
	mctp_init(&m, &w.base);
	if (load(data, size, &w.in, &e) == 0)
		while (mctp_receive(&m, &message, INT64_MAX, &e) == 0)
			if (message.body.len > MCTP_BODY_MAX || message.tag > 7)
				abort();
	mctp_free(&m);
	wire_close(&w.base);
	return 0;
}
