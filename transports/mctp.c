#include "mctp.h"

#include <string.h>

#include "clock.h"

enum {
	FLAG = 0x7e,
	ESCAPE = 0x7d,
	ESCAPED_FLAG = 0x5e,
	ESCAPED_ESCAPE = 0x5d,
	SERIAL_REVISION = 0x01,

	HEADER_VERSION = 0x01,
	HEADER_VERSION_MASK = 0x0f,
	SOM = 0x80,
	EOM = 0x40,
	SEQUENCE_SHIFT = 4,
	SEQUENCE_MASK = 3,
	TAG_OWNER = 0x08,
	TAG_MASK = 0x07,
	INTEGRITY_CHECK = 0x80,
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

void mctp_message_free(struct mctp_message *m)
{
	buf_free(&m->body);
}

void mctp_init(struct mctp *m, struct transport *link)
{
	*m = (struct mctp){ .link = link };
}

void mctp_free(struct mctp *m)
{
	mctp_message_free(&m->partial);
}

/* The payload is the type byte and the body, cut into packets. */
static int add_packets(struct mctp *m, const struct mctp_message *message, struct buf *ret,
    struct err *e)
{
	size_t left = message->body.len + 1;
	const uint8_t *from = message->body.data;

	for (bool first = true; left > 0; first = false) {
		size_t len = left < MCTP_PAYLOAD_MAX ? left : MCTP_PAYLOAD_MAX;
		size_t from_body = first ? len - 1 : len;
		uint8_t packet[MCTP_PACKET_MAX] = { HEADER_VERSION, message->destination,
			message->source };

		packet[3] = (uint8_t)((first ? SOM : 0) | (left == len ? EOM : 0) |
				      m->sequence << SEQUENCE_SHIFT |
				      (message->owner ? TAG_OWNER : 0) | (message->tag & TAG_MASK));
		m->sequence = (m->sequence + 1) & SEQUENCE_MASK;
		packet[MCTP_HEADER_LEN] = message->type;
		if (from_body > 0) {
			memcpy(packet + MCTP_HEADER_LEN + len - from_body, from, from_body);
			from += from_body;
		}
		if (mctp_frame(packet, MCTP_HEADER_LEN + len, ret, e) != 0)
			return -1;
		left -= len;
	}
	return 0;
}

int mctp_send(struct mctp *m, const struct mctp_message *message, int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) frames = { 0 };

	if (message->body.len > MCTP_BODY_MAX)
		return err_set(e, ERR_LINK, "link.size", "a message of %zu bytes is longer than %d",
		    message->body.len, MCTP_BODY_MAX);
	if (add_packets(m, message, &frames, e) != 0)
		return -1;
	return transport_write(m->link, frames.data, frames.len, deadline, e);
}

static int begin_message(struct mctp *m, const uint8_t *packet, size_t len, struct err *e)
{
	struct mctp_message *p = &m->partial;
	const uint8_t *payload = packet + MCTP_HEADER_LEN;

	m->partial_open = (payload[0] & INTEGRITY_CHECK) == 0;
	m->partial_unit = len - MCTP_HEADER_LEN;
	p->destination = packet[1];
	p->source = packet[2];
	p->tag = packet[3] & TAG_MASK;
	p->owner = (packet[3] & TAG_OWNER) != 0;
	p->type = payload[0];
	return buf_set(&p->body, payload + 1, len - MCTP_HEADER_LEN - 1, e);
}

static bool belongs(const struct mctp *m, const uint8_t *packet)
{
	const struct mctp_message *p = &m->partial;

	return m->partial_open && packet[1] == p->destination && packet[2] == p->source &&
	       (packet[3] & TAG_MASK) == p->tag && ((packet[3] & TAG_OWNER) != 0) == p->owner;
}

static int continue_message(struct mctp *m, const uint8_t *packet, size_t len, struct err *e)
{
	uint8_t sequence = packet[3] >> SEQUENCE_SHIFT & SEQUENCE_MASK;
	size_t payload = len - MCTP_HEADER_LEN;
	bool last = (packet[3] & EOM) != 0;

	if (sequence != ((m->partial_sequence + 1) & SEQUENCE_MASK) || payload > m->partial_unit ||
	    (!last && payload < m->partial_unit) || m->partial.body.len + payload > MCTP_BODY_MAX) {
		m->partial_open = false;
		return 0;
	}
	return buf_add(&m->partial.body, packet + MCTP_HEADER_LEN, payload, e);
}

/* *ret_done: m->partial is whole. */
static int take_packet(struct mctp *m, const uint8_t *packet, size_t len, bool *ret_done,
    struct err *e)
{
	int rc;

	*ret_done = false;
	if ((packet[0] & HEADER_VERSION_MASK) != HEADER_VERSION)
		return 0;
	if ((packet[3] & SOM) != 0)
		rc = begin_message(m, packet, len, e);
	else if (belongs(m, packet))
		rc = continue_message(m, packet, len, e);
	else
		return 0;
	m->partial_sequence = packet[3] >> SEQUENCE_SHIFT & SEQUENCE_MASK;
	*ret_done = rc == 0 && m->partial_open && (packet[3] & EOM) != 0;
	if (*ret_done)
		m->partial_open = false;
	return rc;
}

static int fill(struct mctp *m, int64_t deadline, struct err *e)
{
	size_t got = 0;

	/* A device that never stops talking must not outlive the deadline. */
	if (m->in_len > 0 && clock_left_ms(deadline) == 0)
		return err_retry(err_set(e, ERR_LINK, "link.timeout",
				     "no answer from the device in time (only noise)"),
		    e);
	if (transport_read(m->link, m->in, sizeof(m->in), &got, deadline, e) != 0)
		return -1;
	m->in_pos = 0;
	m->in_len = got;
	return 0;
}

int mctp_receive(struct mctp *m, struct mctp_message *ret, int64_t deadline, struct err *e)
{
	for (;;) {
		bool done = false;

		if (m->in_pos == m->in_len && fill(m, deadline, e) != 0)
			return -1;
		if (!mctp_framer_push(&m->framer, m->in[m->in_pos++]))
			continue;
		if (take_packet(m, m->framer.packet, m->framer.len, &done, e) != 0)
			return -1;
		if (!done)
			continue;
		mctp_message_free(ret);
		*ret = m->partial;
		m->partial.body = (struct buf){ 0 };
		return 0;
	}
}

static void forget_input(struct mctp *m)
{
	transport_flush(m->link);
	m->in_pos = m->in_len = 0;
	m->framer = (struct mctp_framer){ 0 };
	m->partial_open = false;
}

int mctp_request(struct mctp *m, uint8_t type, const struct buf *body, struct buf *ret,
    int64_t deadline, struct err *e)
{
	AUTO_STRUCT(mctp_message) answer = { 0 };
	struct mctp_message request = {
		.destination = MCTP_EID_NULL,
		.source = MCTP_EID_STATION,
		.tag = m->tag = (m->tag + 1) & TAG_MASK,
		.owner = true,
		.type = type,
		.body = *body, /* borrowed */
	};

	forget_input(m);
	if (mctp_send(m, &request, deadline, e) != 0)
		return -1;
	do
		if (mctp_receive(m, &answer, deadline, e) != 0)
			return -1;
	while (answer.owner || answer.tag != request.tag || answer.type != type ||
	       answer.destination != MCTP_EID_STATION);
	buf_free(ret);
	*ret = buf_steal(&answer.body);
	return 0;
}

int mctp_idle(struct mctp *m, int64_t until, struct err *e)
{
	AUTO_STRUCT(mctp_message) dropped = { 0 };
	struct err quiet = { 0 };

	while (mctp_receive(m, &dropped, until, &quiet) == 0)
		;
	if (err_is(&quiet, "link.timeout"))
		return 0;
	*e = quiet;
	return -1;
}
