/* DSP0253: flags, escapes and a checksum. */
#include "mctp.h"

enum {
	FLAG = 0x7e,
	ESCAPE = 0x7d,
	ESCAPED_FLAG = 0x5e,
	ESCAPED_ESCAPE = 0x5d,
	SERIAL_REVISION = 0x01,
};

/* CRC-16, reflected 8408, from FFFF, without the usual complement at the end (DSP0253). */
static uint16_t fcs_add(uint16_t fcs, uint8_t byte)
{
	unsigned crc = fcs ^ byte;

	for (int bit = 0; bit < 8; bit++)
		crc = (crc & 1) != 0 ? crc >> 1 ^ 0x8408 : crc >> 1;
	return (uint16_t)crc;
}

static int add_escaped(uint8_t byte, struct buf *ret, struct err *e)
{
	if (byte != FLAG && byte != ESCAPE)
		return buf_add_u8(ret, byte, e);
	if (buf_add_u8(ret, ESCAPE, e) != 0)
		return -1;
	return buf_add_u8(ret, byte == FLAG ? ESCAPED_FLAG : ESCAPED_ESCAPE, e);
}

int mctp_frame(const uint8_t *packet, size_t len, struct buf *ret, struct err *e)
{
	const uint8_t head[] = { FLAG, SERIAL_REVISION, (uint8_t)len };
	uint16_t fcs = fcs_add(fcs_add(0xffff, head[1]), head[2]);

	if (buf_add(ret, head, sizeof(head), e) != 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		fcs = fcs_add(fcs, packet[i]);
		if (add_escaped(packet[i], ret, e) != 0)
			return -1;
	}
	/* Not escaped, whatever it is: all known implementations agree. */
	const uint8_t tail[] = { (uint8_t)(fcs >> 8), (uint8_t)fcs, FLAG };

	return buf_add(ret, tail, sizeof(tail), e);
}

static void framer_add(struct mctp_framer *f, uint8_t byte)
{
	f->fcs = fcs_add(f->fcs, byte);
	f->packet[f->len++] = byte;
	f->state = f->len == f->want ? MCTP_FCS_HIGH : MCTP_DATA;
}

static enum mctp_framer_state after_flag(struct mctp_framer *f, uint8_t byte)
{
	if (byte == FLAG)
		return MCTP_FLAG;
	if (byte != SERIAL_REVISION)
		return MCTP_HUNT;
	f->fcs = fcs_add(0xffff, byte);
	f->len = 0;
	return MCTP_COUNT;
}

static enum mctp_framer_state after_revision(struct mctp_framer *f, uint8_t byte)
{
	if (byte == FLAG)
		return MCTP_FLAG;
	if (byte < MCTP_PACKET_MIN || byte > MCTP_PACKET_MAX)
		return MCTP_HUNT;
	f->fcs = fcs_add(f->fcs, byte);
	f->want = byte;
	return MCTP_DATA;
}

/* A raw flag inside a packet: that frame was cut off, and this is the next one's start. */
static void push_data(struct mctp_framer *f, uint8_t byte)
{
	if (byte == FLAG)
		f->state = MCTP_FLAG;
	else if (f->state == MCTP_DATA && byte == ESCAPE)
		f->state = MCTP_ESCAPE;
	else if (f->state == MCTP_DATA)
		framer_add(f, byte);
	else if (byte == ESCAPED_FLAG)
		framer_add(f, FLAG);
	else if (byte == ESCAPED_ESCAPE)
		framer_add(f, ESCAPE);
	else
		f->state = MCTP_HUNT;
}

bool mctp_framer_push(struct mctp_framer *f, uint8_t byte)
{
	switch (f->state) {
	case MCTP_HUNT:
		f->state = byte == FLAG ? MCTP_FLAG : MCTP_HUNT;
		return false;
	case MCTP_FLAG:
		f->state = after_flag(f, byte);
		return false;
	case MCTP_COUNT:
		f->state = after_revision(f, byte);
		return false;
	case MCTP_DATA:
	case MCTP_ESCAPE:
		push_data(f, byte);
		return false;
	case MCTP_FCS_HIGH:
		f->sent_fcs = (uint16_t)(byte << 8);
		f->state = MCTP_FCS_LOW;
		return false;
	case MCTP_FCS_LOW:
		f->sent_fcs = (uint16_t)(f->sent_fcs | byte);
		f->state = MCTP_END;
		return false;
	case MCTP_END:
		/* The end flag may be the next frame's start as well. */
		f->state = byte == FLAG ? MCTP_FLAG : MCTP_HUNT;
		return byte == FLAG && f->sent_fcs == f->fcs;
	}
	return false;
}
