#include "mctp.h"

#include <string.h>

#include "clock.h"

enum {
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

static bool is_usb(const struct mctp *m)
{
	return m->link->ops->medium == MEDIUM_USB;
}

static int add_frame(struct mctp *m, const uint8_t *packet, size_t len, struct buf *ret,
    struct err *e)
{
	return is_usb(m) ? mctp_usb_frame(packet, len, ret, e) : mctp_frame(packet, len, ret, e);
}

/* A transfer holds whole frames, and as many as it may; a serial line has no such bound. */
static int send_frame(struct mctp *m, const struct buf *frame, struct buf *waiting,
    int64_t deadline, struct err *e)
{
	if (is_usb(m) && waiting->len + frame->len > MCTP_USB_TRANSFER_MAX) {
		if (transport_write(m->link, waiting->data, waiting->len, deadline, e) != 0)
			return -1;
		buf_clear(waiting);
	}
	return buf_add(waiting, frame->data, frame->len, e);
}

/* The payload is the type byte and the body, cut into packets. What is not sent yet stays in waiting. */
static int send_packets(struct mctp *m, const struct mctp_message *message, struct buf *waiting,
    int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) frame = { 0 };
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
		buf_clear(&frame);
		if (add_frame(m, packet, MCTP_HEADER_LEN + len, &frame, e) != 0 ||
		    send_frame(m, &frame, waiting, deadline, e) != 0)
			return -1;
		left -= len;
	}
	return 0;
}

int mctp_send(struct mctp *m, const struct mctp_message *message, int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) waiting = { 0 };

	if (message->body.len > MCTP_BODY_MAX)
		return err_set(e, ERR_LINK, "link.size", "a message of %zu bytes is longer than %d",
		    message->body.len, MCTP_BODY_MAX);
	if (send_packets(m, message, &waiting, deadline, e) != 0)
		return -1;
	return transport_write(m->link, waiting.data, waiting.len, deadline, e);
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

/* A line is a stream, and a frame that is cut off goes on in the next read. */
static bool find_in_stream(struct mctp *m, const uint8_t **ret_packet, size_t *ret_len)
{
	while (m->in_pos < m->in_len)
		if (mctp_framer_push(&m->framer, m->in[m->in_pos++])) {
			*ret_packet = m->framer.packet;
			*ret_len = m->framer.len;
			return true;
		}
	return false;
}

/* A transfer stands for itself: where it is not understood, its rest is dropped, and the message with it.
 * Sequence numbers would not tell: of four lost packets they say nothing. */
static bool find_in_transfer(struct mctp *m, const uint8_t **ret_packet, size_t *ret_len)
{
	*ret_len = mctp_usb_find(m->in + m->in_pos, m->in_len - m->in_pos, ret_packet);
	if (*ret_len == 0 && m->in_pos < m->in_len)
		m->partial_open = false;
	m->in_pos = *ret_len == 0 ? m->in_len : (size_t)(*ret_packet - m->in) + *ret_len;
	return *ret_len > 0;
}

static bool find_packet(struct mctp *m, const uint8_t **ret_packet, size_t *ret_len)
{
	return is_usb(m) ? find_in_transfer(m, ret_packet, ret_len)
			 : find_in_stream(m, ret_packet, ret_len);
}

int mctp_receive(struct mctp *m, struct mctp_message *ret, int64_t deadline, struct err *e)
{
	for (;;) {
		const uint8_t *packet;
		size_t len;
		bool done = false;

		if (m->in_pos == m->in_len && fill(m, deadline, e) != 0)
			return -1;
		if (!find_packet(m, &packet, &len))
			continue;
		if (take_packet(m, packet, len, &done, e) != 0)
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
