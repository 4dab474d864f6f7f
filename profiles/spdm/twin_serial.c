#include "twin_serial.h"

enum {
	FLAG = 0x7e,
	ESCAPE = 0x7d,
	FLIP = 0x20,
	REVISION = 0x01,
	FCS_START = 0xffff,
	FCS_POLYNOMIAL = 0x8408,
};

/* CRC-16, reflected, no final complement. */
static uint16_t fcs_add(uint16_t fcs, uint8_t byte)
{
	fcs ^= byte;
	for (int bit = 0; bit < 8; bit++)
		fcs = (uint16_t)((fcs & 1) != 0 ? fcs >> 1 ^ FCS_POLYNOMIAL : fcs >> 1);
	return fcs;
}

/* Over revision, count and the unescaped packet. */
static uint16_t fcs_of(const uint8_t *packet, size_t len)
{
	uint16_t fcs = fcs_add(fcs_add(FCS_START, REVISION), (uint8_t)len);

	for (size_t i = 0; i < len; i++)
		fcs = fcs_add(fcs, packet[i]);
	return fcs;
}

static void restart(struct twin_serial *t, bool at_flag)
{
	t->state = at_flag ? TWIN_SERIAL_REVISION : TWIN_SERIAL_HUNT;
	t->got = 0;
}

static void take_count(struct twin_serial *t, uint8_t byte)
{
	if (byte < TWIN_PACKET_MIN || byte > TWIN_PACKET_MAX) {
		restart(t, byte == FLAG);
		return;
	}
	t->want = byte;
	t->got = 0;
	t->state = TWIN_SERIAL_DATA;
}

static void store(struct twin_serial *t, uint8_t byte)
{
	t->packet[t->got++] = byte;
	t->state = t->got == t->want ? TWIN_SERIAL_FCS_HIGH : TWIN_SERIAL_DATA;
}

/* A raw flag among the packet bytes ends a cut frame and begins the next one. */
static void take_data(struct twin_serial *t, uint8_t byte)
{
	if (byte == FLAG)
		restart(t, true);
	else if (t->state == TWIN_SERIAL_DATA && byte == ESCAPE)
		t->state = TWIN_SERIAL_ESCAPED;
	else if (t->state == TWIN_SERIAL_DATA)
		store(t, byte);
	else if ((byte ^ FLIP) == FLAG || (byte ^ FLIP) == ESCAPE)
		store(t, byte ^ FLIP);
	else
		restart(t, false);
}

bool twin_serial_take(struct twin_serial *t, uint8_t byte)
{
	switch (t->state) {
	case TWIN_SERIAL_HUNT:
		restart(t, byte == FLAG);
		return false;
	case TWIN_SERIAL_REVISION:
		if (byte == REVISION)
			t->state = TWIN_SERIAL_COUNT;
		else
			restart(t, byte == FLAG);
		return false;
	case TWIN_SERIAL_COUNT:
		take_count(t, byte);
		return false;
	case TWIN_SERIAL_DATA:
	case TWIN_SERIAL_ESCAPED:
		take_data(t, byte);
		return false;
	case TWIN_SERIAL_FCS_HIGH:
		t->fcs = (uint16_t)(byte << 8);
		t->state = TWIN_SERIAL_FCS_LOW;
		return false;
	case TWIN_SERIAL_FCS_LOW:
		t->fcs |= byte;
		t->state = TWIN_SERIAL_END;
		return false;
	case TWIN_SERIAL_END:
		break;
	}
	restart(t, byte == FLAG);
	return byte == FLAG && t->fcs == fcs_of(t->packet, t->want);
}

static int add_escaped(struct buf *ret, uint8_t byte, struct err *e)
{
	if (byte != FLAG && byte != ESCAPE)
		return buf_add_u8(ret, byte, e);
	if (buf_add_u8(ret, ESCAPE, e) != 0)
		return -1;
	return buf_add_u8(ret, byte ^ FLIP, e);
}

int twin_serial_frame(const uint8_t *packet, size_t len, struct buf *ret, struct err *e)
{
	const uint8_t head[] = { FLAG, REVISION, (uint8_t)len };
	uint16_t fcs = fcs_of(packet, len);
	const uint8_t tail[] = { (uint8_t)(fcs >> 8), (uint8_t)fcs, FLAG };

	if (buf_add(ret, head, sizeof(head), e) != 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (add_escaped(ret, packet[i], e) != 0)
			return -1;
	return buf_add(ret, tail, sizeof(tail), e);
}
