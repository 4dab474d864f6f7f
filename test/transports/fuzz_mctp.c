/* Bytes of a line, as a device may send them: nothing may crash, and nothing may grow past its bound. */
#include <stdlib.h>

#include "mctp.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only whole frames get past the checksum: the first byte's low bit asks for them to be made. */
static int load(const uint8_t *data, size_t size, struct buf *in, struct err *e)
{
	if ((data[0] & 1) == 0)
		return buf_add(in, data + 1, size - 1, e);
	for (size_t at = 1; at < size;) {
		size_t len = MCTP_PACKET_MIN + data[at] % MCTP_PAYLOAD_MAX;

		at++;
		if (at + len > size)
			break;
		if (mctp_frame(data + at, len, in, e) != 0)
			return -1;
		at += len;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { 0 };
	struct wire w = { .base = { &wire_ops } };
	struct mctp m;
	AUTO_STRUCT(mctp_message) message = { 0 };

	if (size == 0)
		return 0;
	mctp_init(&m, &w.base);
	if (load(data, size, &w.in, &e) == 0)
		while (mctp_receive(&m, &message, INT64_MAX, &e) == 0)
			if (message.body.len > MCTP_BODY_MAX || message.tag > 7)
				abort();
	mctp_free(&m);
	wire_close(&w.base);
	return 0;
}
