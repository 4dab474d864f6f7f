#include "vendor.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"

enum {
	PREFIX_LEN = 13,  /* up to the payload */
	PAYLOAD_HEAD = 2, /* layout version, command */
	PUT_HEAD = 8,     /* total, offset */
};

void spdm_vendor_identity_free(struct spdm_vendor_identity *i)
{
	buf_free(&i->message);
}

void spdm_uuid_text(const uint8_t uuid[static VENDOR_UUID_LEN], char ret[static 37])
{
	char hex[2 * VENDOR_UUID_LEN + 1];

	hex_encode(uuid, VENDOR_UUID_LEN, hex);
	(void)snprintf(ret, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
	    hex + 20); /* 36 characters always */
}

static const char *command_name(uint8_t command)
{
	static const char *const names[] = {
		[VENDOR_GET_IDENTITY] = "GET_IDENTITY",
		[VENDOR_PUT_ANCHORS] = "PUT_ANCHORS",
		[VENDOR_GET_ANCHORS] = "GET_ANCHORS",
		[VENDOR_SEAL] = "SEAL",
		[VENDOR_RESET] = "RESET",
	};

	return names[command];
}

static int bad_answer(struct err *e, uint8_t command, const char *what)
{
	return err_set(e, ERR_DEVICE, "device.protocol", "%s: the device's answer %s",
	    command_name(command), what);
}

static int make_request(const struct spdm_connection *c, uint8_t command, const struct buf *data,
    struct buf *ret, struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_VENDOR_DEFINED_REQUEST, 0, 0,
		SPDM_REGISTRY_IANA, 0, 4 };

	if (buf_set(ret, head, sizeof(head), e) != 0 ||
	    buf_add_u32le(ret, c->options->vendor_pen, e) != 0 ||
	    buf_add_u16le(ret, (uint16_t)(PAYLOAD_HEAD + data->len), e) != 0 ||
	    buf_add_u8(ret, VENDOR_LAYOUT, e) != 0 || buf_add_u8(ret, command, e) != 0)
		return -1;
	return buf_add(ret, data->data, data->len, e);
}

/* Length and head of the answer are those of the request's; cuts what is behind the payload. */
static int check_answer(const struct buf *request, struct buf *answer, uint8_t command,
    struct err *e)
{
	const uint8_t *m = answer->data;
	size_t len;

	if (answer->len < PREFIX_LEN + PAYLOAD_HEAD)
		return bad_answer(e, command, "is too short");
	if (memcmp(m + 4, request->data + 4, 7) != 0)
		return bad_answer(e, command, "is another vendor's");
	len = get_u16le(m + 11);
	if (len < PAYLOAD_HEAD || answer->len < PREFIX_LEN + len)
		return bad_answer(e, command, "is shorter than it says");
	if (m[PREFIX_LEN] != VENDOR_LAYOUT || m[PREFIX_LEN + 1] != (command | VENDOR_ANSWER))
		return bad_answer(e, command, "has an unknown layout, or is to another command");
	answer->len = PREFIX_LEN + len;
	return 0;
}

/* ret becomes the whole answer; its data begins at PREFIX_LEN + PAYLOAD_HEAD. */
static int ask(struct spdm_connection *c, uint8_t command, const struct buf *data, struct buf *ret,
    struct err *e)
{
	bool reads = command == VENDOR_GET_IDENTITY || command == VENDOR_GET_ANCHORS;
	AUTO_STRUCT(buf) request = { 0 };

	if (make_request(c, command, data, &request, e) != 0)
		return -1;
	if (spdm_exchange(&c->peer, &request, reads ? SPDM_PLAIN : SPDM_CRYPTO, ret, e) != 0)
		return err_while(e, "%s", command_name(command));
	return check_answer(&request, ret, command, e);
}

static int take_text(const uint8_t *value, size_t len, char *ret, struct err *e)
{
	if (len == 0 || len > VENDOR_TEXT_MAX)
		return bad_answer(e, VENDOR_GET_IDENTITY, "has a text of wrong length");
	for (size_t i = 0; i < len; i++)
		if (value[i] < 0x20 || value[i] > 0x7e)
			return bad_answer(e, VENDOR_GET_IDENTITY,
			    "has a text that is not printable ASCII");
	memcpy(ret, value, len);
	ret[len] = '\0';
	return 0;
}

static int take_tlv(struct spdm_vendor_identity *i, uint8_t type, const uint8_t *value, size_t len,
    struct err *e)
{
	switch (type) {
	case VENDOR_TLV_MODEL:
		return take_text(value, len, i->model, e);
	case VENDOR_TLV_SERIAL:
		return take_text(value, len, i->serial, e);
	case VENDOR_TLV_FIRMWARE:
		return take_text(value, len, i->firmware, e);
	case VENDOR_TLV_LIFECYCLE:
		return take_text(value, len, i->lifecycle, e);
	case VENDOR_TLV_FIRMWARE_DIGEST:
		i->has_digest = true;
		return len == 32 || len == 48 ? 0
					      : bad_answer(e, VENDOR_GET_IDENTITY,
						    "has a firmware digest of wrong length");
	case VENDOR_TLV_UUID:
		if (len != VENDOR_UUID_LEN)
			return bad_answer(e, VENDOR_GET_IDENTITY, "has a UUID of wrong length");
		spdm_uuid_text(value, i->uuid);
		return 0;
	default:
		return 0;
	}
}

static int take_tlvs(struct spdm_vendor_identity *i, struct err *e)
{
	const uint8_t *p = i->message.data + PREFIX_LEN + PAYLOAD_HEAD;
	const uint8_t *end = i->message.data + i->message.len;
	bool seen[UINT8_MAX + 1] = { false };

	while (p < end) {
		if (end - p < 2 || end - p - 2 < p[1])
			return bad_answer(e, VENDOR_GET_IDENTITY, "ends inside a value");
		if (seen[p[0]])
			return bad_answer(e, VENDOR_GET_IDENTITY, "says something twice");
		seen[p[0]] = true;
		if (take_tlv(i, p[0], p + 2, p[1], e) != 0)
			return -1;
		p += 2 + p[1];
	}
	if (i->model[0] == '\0' || i->serial[0] == '\0')
		return bad_answer(e, VENDOR_GET_IDENTITY, "lacks model or serial");
	return 0;
}

int spdm_vendor_identify(struct spdm_connection *c, struct spdm_vendor_identity *ret, struct err *e)
{
	static const struct buf nothing = { 0 };
	AUTO_STRUCT(spdm_vendor_identity) identity = { 0 };

	if (ask(c, VENDOR_GET_IDENTITY, &nothing, &identity.message, e) != 0 ||
	    take_tlvs(&identity, e) != 0)
		return -1;
	spdm_vendor_identity_free(ret);
	*ret = identity;
	identity.message = (struct buf){ 0 };
	return 0;
}

int spdm_vendor_put_anchors(struct spdm_connection *c, const struct buf *anchors, struct err *e)
{
	size_t room = c->peer.transfer_max - PREFIX_LEN - PAYLOAD_HEAD - PUT_HEAD;
	size_t portion = room < VENDOR_PORTION_MAX ? room : VENDOR_PORTION_MAX;
	AUTO_STRUCT(buf) data = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	if (anchors->len == 0 || anchors->len > VENDOR_ANCHORS_MAX)
		return err_set(e, ERR_CONFIG, "device.anchors",
		    "the profile's trust anchors are %zu bytes; the family stores 1 to %d",
		    anchors->len, VENDOR_ANCHORS_MAX);
	for (size_t at = 0; at < anchors->len; at += portion) {
		size_t left = anchors->len - at;

		buf_clear(&data);
		if (buf_add_u32le(&data, (uint32_t)anchors->len, e) != 0 ||
		    buf_add_u32le(&data, (uint32_t)at, e) != 0 ||
		    buf_add(&data, anchors->data + at, left < portion ? left : portion, e) != 0 ||
		    ask(c, VENDOR_PUT_ANCHORS, &data, &answer, e) != 0)
			return -1;
	}
	return 0;
}

int spdm_vendor_get_anchors(struct spdm_connection *c, uint32_t *ret_len,
    uint8_t ret[static SHA256_LEN], struct err *e)
{
	static const struct buf nothing = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	const uint8_t *data;

	if (ask(c, VENDOR_GET_ANCHORS, &nothing, &answer, e) != 0)
		return -1;
	if (answer.len != PREFIX_LEN + PAYLOAD_HEAD + 4 + SHA256_LEN)
		return bad_answer(e, VENDOR_GET_ANCHORS, "has a wrong length");
	data = answer.data + PREFIX_LEN + PAYLOAD_HEAD;
	*ret_len = get_u32le(data);
	memcpy(ret, data + 4, SHA256_LEN);
	return 0;
}

int spdm_vendor_seal(struct spdm_connection *c, struct err *e)
{
	static const struct buf nothing = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	return ask(c, VENDOR_SEAL, &nothing, &answer, e);
}

int spdm_vendor_reset(struct spdm_connection *c, struct err *e)
{
	static const struct buf nothing = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	return ask(c, VENDOR_RESET, &nothing, &answer, e);
}
