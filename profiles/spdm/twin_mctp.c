#include "twin_mctp.h"

#include <string.h>

#include "spdm.h"
#include "twin_serial.h"

enum {
	HEADER = 4,
	PAYLOAD_MAX = TWIN_PACKET_MAX - HEADER,
	MESSAGE_MAX = SPDM_MESSAGE_MAX + 1,

	HEADER_VERSION = 0x01,
	EID_NULL = 0x00,
	EID_BROADCAST = 0xff,
	FLAG_SOM = 0x80,
	FLAG_EOM = 0x40,
	FLAG_OWNER = 0x08,
	TAG_MASK = 0x07,

	CONTROL_SET_EID = 0x01,
	CONTROL_GET_EID = 0x02,
	CONTROL_GET_UUID = 0x03,
	CONTROL_GET_VERSIONS = 0x04,
	CONTROL_GET_TYPES = 0x05,
	CONTROL_REQUEST = 0x80,
	CONTROL_DATAGRAM = 0x40,
	CONTROL_INSTANCE = 0x1f,

	COMPLETION_OK = 0x00,
	COMPLETION_INVALID_DATA = 0x02,
	COMPLETION_INVALID_LENGTH = 0x03,
	COMPLETION_UNSUPPORTED = 0x05,
	COMPLETION_NO_SUCH_TYPE = 0x80,
};

void twin_mctp_init(struct twin_mctp *m, const uint8_t uuid[static 16])
{
	memset(m, 0, sizeof(*m));
	m->eid = TWIN_EID;
	memcpy(m->uuid, uuid, sizeof(m->uuid));
}

void twin_mctp_free(struct twin_mctp *m)
{
	for (size_t i = 0; i < TWIN_TAGS; i++)
		buf_free(&m->tags[i].message);
}

static bool is_for_us(const struct twin_mctp *m, const uint8_t *packet, size_t len)
{
	if (len <= HEADER || packet[0] != HEADER_VERSION || packet[2] == EID_BROADCAST)
		return false;
	if ((packet[3] & FLAG_OWNER) == 0)
		return false;
	return packet[1] == EID_NULL || packet[1] == m->eid || packet[1] == EID_BROADCAST;
}

static void begin(struct twin_assembly *a, const uint8_t *packet, size_t payload)
{
	buf_clear(&a->message);
	a->open = true;
	a->destination = packet[1];
	a->source = packet[2];
	a->fragment = payload;
}

/* The next packet of the message that is open. */
static bool continues(const struct twin_assembly *a, const uint8_t *packet, size_t payload)
{
	if (!a->open || a->destination != packet[1] || a->source != packet[2])
		return false;
	if ((packet[3] >> 4 & 3) != a->next_sequence)
		return false;
	return (packet[3] & FLAG_EOM) != 0 ? payload <= a->fragment : payload == a->fragment;
}

int twin_mctp_take(struct twin_mctp *m, const uint8_t *packet, size_t len,
    struct twin_origin *ret_origin, struct buf *message, bool *ret_whole, struct err *e)
{
	struct twin_assembly *a;
	size_t payload = len - HEADER;

	*ret_whole = false;
	if (!is_for_us(m, packet, len))
		return 0;
	a = &m->tags[packet[3] & TAG_MASK];
	if ((packet[3] & FLAG_SOM) != 0)
		begin(a, packet, payload);
	else if (!continues(a, packet, payload))
		a->open = false;
	if (!a->open || a->message.len + payload > MESSAGE_MAX) {
		a->open = false;
		return 0;
	}
	a->next_sequence = ((packet[3] >> 4) + 1) & 3;
	if (buf_add(&a->message, packet + HEADER, payload, e) != 0)
		return -1;
	if ((packet[3] & FLAG_EOM) == 0)
		return 0;
	a->open = false;
	*ret_origin = (struct twin_origin){ .source = a->source, .tag = packet[3] & TAG_MASK };
	*ret_whole = true;
	return buf_set(message, a->message.data, a->message.len, e);
}

static int answer_set_eid(struct twin_mctp *m, const uint8_t *data, size_t len, struct buf *answer,
    struct err *e)
{
	if (len != 2)
		return buf_add_u8(answer, COMPLETION_INVALID_LENGTH, e);
	if ((data[0] & 3) > 1 || data[1] < 8 || data[1] == EID_BROADCAST)
		return buf_add_u8(answer, COMPLETION_INVALID_DATA, e);
	m->eid = data[1];
	return buf_add(answer, (const uint8_t[]){ COMPLETION_OK, 0, m->eid, 0 }, 4, e);
}

static int answer_versions(const uint8_t *data, size_t len, struct buf *answer, struct err *e)
{
	static const uint8_t base[] = { COMPLETION_OK, 4, 0xf1, 0xf0, 0xff, 0, 0xf1, 0xf1, 0xff, 0,
		0xf1, 0xf2, 0xff, 0, 0xf1, 0xf3, 0xf3, 0 };
	static const uint8_t spdm[] = { COMPLETION_OK, 1, 0xf1, 0xf0, 0xf0, 0 };

	if (len != 1)
		return buf_add_u8(answer, COMPLETION_INVALID_LENGTH, e);
	if (data[0] == TWIN_MCTP_SPDM)
		return buf_add(answer, spdm, sizeof(spdm), e);
	if (data[0] == TWIN_MCTP_CONTROL || data[0] == 0xff)
		return buf_add(answer, base, sizeof(base), e);
	return buf_add_u8(answer, COMPLETION_NO_SUCH_TYPE, e);
}

static int answer_uuid(const struct twin_mctp *m, struct buf *answer, struct err *e)
{
	if (buf_add_u8(answer, COMPLETION_OK, e) != 0)
		return -1;
	return buf_add(answer, m->uuid, sizeof(m->uuid), e);
}

int twin_mctp_control(struct twin_mctp *m, const uint8_t *request, size_t len, struct buf *answer,
    struct err *e)
{
	/* simple endpoint, static EID */
	const uint8_t eid[] = { COMPLETION_OK, m->eid, 0x01, 0 };
	const uint8_t types[] = { COMPLETION_OK, 1, TWIN_MCTP_SPDM };

	if (len < 3 || (request[1] & CONTROL_REQUEST) == 0 || (request[1] & CONTROL_DATAGRAM) != 0)
		return 0;
	if (buf_add_u8(answer, TWIN_MCTP_CONTROL, e) != 0 ||
	    buf_add_u8(answer, request[1] & CONTROL_INSTANCE, e) != 0 ||
	    buf_add_u8(answer, request[2], e) != 0)
		return -1;
	switch (request[2]) {
	case CONTROL_SET_EID:
		return answer_set_eid(m, request + 3, len - 3, answer, e);
	case CONTROL_GET_EID:
		return buf_add(answer, eid, sizeof(eid), e);
	case CONTROL_GET_UUID:
		return answer_uuid(m, answer, e);
	case CONTROL_GET_VERSIONS:
		return answer_versions(request + 3, len - 3, answer, e);
	case CONTROL_GET_TYPES:
		return buf_add(answer, types, sizeof(types), e);
	default:
		return buf_add_u8(answer, COMPLETION_UNSUPPORTED, e);
	}
}

int twin_mctp_split(struct twin_mctp *m, const struct twin_origin *to, const struct buf *message,
    int (*put)(void *context, const uint8_t *, size_t, struct err *), void *context, struct err *e)
{
	for (size_t at = 0; at < message->len; at += PAYLOAD_MAX) {
		size_t left = message->len - at;
		size_t n = left < PAYLOAD_MAX ? left : PAYLOAD_MAX;
		uint8_t packet[TWIN_PACKET_MAX] = { HEADER_VERSION, to->source, m->eid, to->tag };

		if (at == 0)
			packet[3] |= FLAG_SOM;
		if (n == left)
			packet[3] |= FLAG_EOM;
		packet[3] |= (uint8_t)(m->sequence << 4);
		m->sequence = (m->sequence + 1) & 3;
		memcpy(packet + HEADER, message->data + at, n);
		if (put(context, packet, HEADER + n, e) != 0)
			return -1;
	}
	return 0;
}
