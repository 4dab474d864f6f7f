/* The vendor-defined messages of README.md: identity, anchors, seal, reset. */
#include <string.h>

#include "bytes.h"
#include "twin_device.h"

enum {
	ID_AT = 7,
	LENGTH_AT = 11,
	PAYLOAD_AT = 13,
	COMMAND_AT = PAYLOAD_AT + 1,
	DATA_AT = PAYLOAD_AT + 2,
	PUT_HEADER = 8, /* total, offset */
};

/* The answer's head up to its payload's length, which end_answer fills in. */
static int begin_answer(const struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	if (twin_begin(d, x, 0, 0, e) != 0 ||
	    buf_add(&x->answer, x->request.data + SPDM_HEADER_LEN, LENGTH_AT - SPDM_HEADER_LEN,
		e) != 0 ||
	    buf_add_u16le(&x->answer, 0, e) != 0 || buf_add_u8(&x->answer, VENDOR_LAYOUT, e) != 0)
		return -1;
	return buf_add_u8(&x->answer, x->request.data[COMMAND_AT] | VENDOR_ANSWER, e);
}

static int end_answer(struct twin_exchange *x)
{
	put_u16le(x->answer.data + LENGTH_AT, (uint16_t)(x->answer.len - PAYLOAD_AT));
	return 0;
}

static int add_tlv(struct buf *ret, uint8_t type, const void *value, size_t len, struct err *e)
{
	if (buf_add_u8(ret, type, e) != 0 || buf_add_u8(ret, (uint8_t)len, e) != 0)
		return -1;
	return buf_add(ret, value, len, e);
}

static int add_text(struct buf *ret, uint8_t type, const char *text, struct err *e)
{
	return add_tlv(ret, type, text, strlen(text), e);
}

static int get_identity(struct twin_device *d, struct twin_exchange *x, size_t len, struct err *e)
{
	const char *lifecycle =
	    d->flash.sealed ? VENDOR_LIFECYCLE_SEALED : VENDOR_LIFECYCLE_MANUFACTURING;
	uint8_t digest[SHA256_LEN], uuid[VENDOR_UUID_LEN];
	char serial[IDENTITY_MAX + 1];
	struct buf *a = &x->answer;

	if (len != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	twin_device_serial(d, serial);
	twin_firmware_digest(digest);
	twin_device_uuid(d, uuid);
	if (begin_answer(d, x, e) != 0 || add_text(a, VENDOR_TLV_MODEL, d->config->model, e) != 0 ||
	    add_text(a, VENDOR_TLV_SERIAL, serial, e) != 0 ||
	    add_text(a, VENDOR_TLV_FIRMWARE, d->traits->firmware, e) != 0 ||
	    add_tlv(a, VENDOR_TLV_FIRMWARE_DIGEST, digest, sizeof(digest), e) != 0 ||
	    add_text(a, VENDOR_TLV_LIFECYCLE, lifecycle, e) != 0 ||
	    add_tlv(a, VENDOR_TLV_UUID, uuid, sizeof(uuid), e) != 0)
		return -1;
	return end_answer(x);
}

static enum spdm_error check_portion(const struct twin_device *d, size_t total, size_t offset,
    size_t n)
{
	if (total == 0 || total > VENDOR_ANCHORS_MAX || n == 0 || n > VENDOR_PORTION_MAX ||
	    offset > total || n > total - offset)
		return SPDM_ERROR_INVALID_REQUEST;
	if (d->flash.sealed)
		return SPDM_ERROR_UNEXPECTED_REQUEST;
	if (offset != 0 && (d->anchors_total != total || d->anchors.len != offset))
		return SPDM_ERROR_UNEXPECTED_REQUEST;
	return 0;
}

static int put_anchors(struct twin_device *d, struct twin_exchange *x, size_t len, struct err *e)
{
	const uint8_t *p = x->request.data + DATA_AT;
	size_t total = len < PUT_HEADER ? 0 : get_u32le(p);
	size_t offset = len < PUT_HEADER ? 0 : get_u32le(p + 4);
	size_t n = len < PUT_HEADER ? 0 : len - PUT_HEADER;
	enum spdm_error refusal = check_portion(d, total, offset, n);

	if (refusal != 0)
		return twin_refuse(d, x, refusal, 0, e);
	if (offset == 0)
		buf_clear(&d->anchors);
	d->anchors_total = total;
	if (buf_add(&d->anchors, p + PUT_HEADER, n, e) != 0)
		return -1;
	if (d->anchors.len == total) {
		buf_free(&d->flash.anchors);
		d->flash.anchors = buf_steal(&d->anchors);
		d->anchors_total = 0;
		if (twin_flash_save(&d->flash, e) != 0)
			return -1;
	}
	return begin_answer(d, x, e) == 0 ? end_answer(x) : -1;
}

static int get_anchors(struct twin_device *d, struct twin_exchange *x, size_t len, struct err *e)
{
	const struct buf *anchors = &d->flash.anchors;
	uint8_t digest[SHA256_LEN] = { 0 };

	if (len != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (anchors->len > 0)
		sha256(anchors->data, anchors->len, digest);
	if (twin_device_strikes(d, TWIN_FAULT_LYING_READBACK, STEP_READBACK))
		digest[0] ^= 1;
	if (begin_answer(d, x, e) != 0 ||
	    buf_add_u32le(&x->answer, (uint32_t)anchors->len, e) != 0 ||
	    buf_add(&x->answer, digest, sizeof(digest), e) != 0)
		return -1;
	return end_answer(x);
}

static int seal(struct twin_device *d, struct twin_exchange *x, size_t len, struct err *e)
{
	if (len != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	d->flash.sealed = true;
	if (twin_flash_save(&d->flash, e) != 0)
		return -1;
	return begin_answer(d, x, e) == 0 ? end_answer(x) : -1;
}

static int reset(struct twin_device *d, struct twin_exchange *x, size_t len, struct err *e)
{
	if (len != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	d->reset = true;
	return begin_answer(d, x, e) == 0 ? end_answer(x) : -1;
}

static const struct {
	uint8_t command;
	int (*run)(struct twin_device *d, struct twin_exchange *x, size_t len, struct err *e);
} commands[] = {
	{ VENDOR_GET_IDENTITY, get_identity },
	{ VENDOR_PUT_ANCHORS, put_anchors },
	{ VENDOR_GET_ANCHORS, get_anchors },
	{ VENDOR_SEAL, seal },
	{ VENDOR_RESET, reset },
};

/* Lengths of the whole, then whose message it is, then its payload's own head. */
static enum spdm_error check_head(const struct twin_exchange *x, size_t *ret_len)
{
	const uint8_t *p = x->request.data;
	size_t len = x->request.len;

	if (len < ID_AT)
		return SPDM_ERROR_INVALID_REQUEST;
	if (get_u16le(p + 4) != SPDM_REGISTRY_IANA)
		return SPDM_ERROR_UNSUPPORTED_REQUEST;
	if (p[6] != LENGTH_AT - ID_AT || len < PAYLOAD_AT)
		return SPDM_ERROR_INVALID_REQUEST;
	if (get_u32le(p + ID_AT) != TWIN_PEN)
		return SPDM_ERROR_UNSUPPORTED_REQUEST;
	*ret_len = get_u16le(p + LENGTH_AT);
	if (*ret_len < DATA_AT - PAYLOAD_AT || *ret_len > len - PAYLOAD_AT ||
	    p[PAYLOAD_AT] != VENDOR_LAYOUT)
		return SPDM_ERROR_INVALID_REQUEST;
	*ret_len -= DATA_AT - PAYLOAD_AT;
	return 0;
}

int twin_vendor_defined(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	size_t len = 0;
	enum spdm_error refusal = check_head(x, &len);

	if (refusal == SPDM_ERROR_INVALID_REQUEST)
		return twin_refuse(d, x, refusal, 0, e);
	for (size_t i = 0; refusal == 0 && i < COUNT(commands); i++)
		if (commands[i].command == x->request.data[COMMAND_AT])
			return commands[i].run(d, x, len, e);
	return twin_refuse(d, x, SPDM_ERROR_UNSUPPORTED_REQUEST, x->request.data[1], e);
}
