#include "twin_usb.h"

enum {
	DMTF_HIGH = 0x1a, /* the DMTF's PCI vendor id, most significant byte first */
	DMTF_LOW = 0xb4,
	HEADER = 4,
	MCTP_MIN = 5,
};

bool twin_usb_next(const uint8_t *transfer, size_t len, size_t *at, const uint8_t **ret_packet,
    size_t *ret_len)
{
	const uint8_t *p = transfer + *at;
	size_t left = len - *at;

	if (left < HEADER || p[0] != DMTF_HIGH || p[1] != DMTF_LOW)
		return false;
	/* the length counts the header */
	if (p[3] < HEADER + MCTP_MIN || p[3] > left)
		return false;
	*ret_packet = p + HEADER;
	*ret_len = p[3] - HEADER;
	*at += p[3];
	return true;
}

bool twin_usb_has_room(const struct buf *transfer, size_t len)
{
	return transfer->len + HEADER + len <= TWIN_USB_TRANSFER_MAX;
}

int twin_usb_add(const uint8_t *packet, size_t len, struct buf *transfer, struct err *e)
{
	const uint8_t header[] = { DMTF_HIGH, DMTF_LOW, 0, (uint8_t)(HEADER + len) };

	if (buf_add(transfer, header, sizeof(header), e) != 0)
		return -1;
	return buf_add(transfer, packet, len, e);
}
