/* DSP0283: a header before each packet, as many packets as fit into a transfer. */
#include "mctp.h"

enum {
	ID_HIGH = 0x1a, /* of the DMTF, in network order */
	ID_LOW = 0xb4,
	RESERVED = 0x00,
	HEADER_LEN = 4, /* the length counts it, too */
};

int mctp_usb_frame(const uint8_t *packet, size_t len, struct buf *ret, struct err *e)
{
	const uint8_t head[HEADER_LEN] = { ID_HIGH, ID_LOW, RESERVED, (uint8_t)(HEADER_LEN + len) };

	if (buf_add(ret, head, sizeof(head), e) != 0)
		return -1;
	return buf_add(ret, packet, len, e);
}

size_t mctp_usb_find(const uint8_t *transfer, size_t len, const uint8_t **ret_packet)
{
	/* The third byte is for later versions: a receiver takes no notice of it. */
	if (len < HEADER_LEN || transfer[0] != ID_HIGH || transfer[1] != ID_LOW)
		return 0;
	if (transfer[3] < HEADER_LEN + MCTP_PACKET_MIN || transfer[3] > len)
		return 0;
	*ret_packet = transfer + HEADER_LEN;
	return (size_t)transfer[3] - HEADER_LEN;
}
