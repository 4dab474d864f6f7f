/* GET_MEASUREMENTS (DSP0274 10.11): what the emulated firmware says of itself. */
#include <string.h>

#include <openssl/rand.h>

#include "twin_device.h"

enum {
	WANT_SIGNATURE = 0x01,
	WANT_RAW = 0x02,
	INDEX_COUNT = 0x00,
	INDEX_ALL = 0xff,
	NOT_CHANGED = 0x20,
	RAW = 0x80,
	TYPE_ROM = 0,
	TYPE_FIRMWARE = 1,
	TYPE_CONFIG = 3,
	TYPE_VERSION = 6,
	TYPE_SVN = 7,
	SLOT_MASK = 0x0f,
};

#define CONTEXT_MEASUREMENTS "responder-measurements signing"

static const uint8_t rom[] = "boot ROM of an emulated device, mask 3";
static const uint8_t firmware[] = "firmware image of an emulated device";
static const uint8_t config[] = "configuration of an emulated device";
static const uint8_t svn[8] = { 7 };

/* by_digest: the value is a digest unless the raw stream was asked for; else it is raw always. A
 * block without a value has the variant's firmware version. */
static const struct block {
	uint8_t index, type;
	bool by_digest;
	const uint8_t *value;
	size_t len;
} blocks[] = {
	{ 1, TYPE_ROM, true, rom, sizeof(rom) - 1 },
	{ 2, TYPE_FIRMWARE, true, firmware, sizeof(firmware) - 1 },
	{ 3, TYPE_CONFIG, true, config, sizeof(config) - 1 },
	{ 0x10, TYPE_VERSION, false, NULL, 0 },
	{ 0x11, TYPE_SVN, false, svn, sizeof(svn) },
};

void twin_firmware_digest(uint8_t ret[static SHA256_LEN])
{
	sha256(firmware, sizeof(firmware) - 1, ret);
}

static int add_block(const struct twin_device *d, const struct block *b, bool raw, struct buf *ret,
    struct err *e)
{
	const char *version = d->traits->firmware;
	bool digest = b->by_digest && !raw;
	size_t value_len = b->value != NULL ? b->len : strlen(version);
	uint16_t len = (uint16_t)(digest ? d->connection.hash->len : value_len);

	if (buf_add_u8(ret, b->index, e) != 0 ||
	    buf_add_u8(ret, SPDM_MEASUREMENT_SPEC_DMTF, e) != 0 ||
	    buf_add_u16le(ret, (uint16_t)(3 + len), e) != 0 ||
	    buf_add_u8(ret, digest ? b->type : b->type | RAW, e) != 0 ||
	    buf_add_u16le(ret, len, e) != 0)
		return -1;
	if (digest)
		return twin_hash(d->connection.hash, b->value, b->len, ret, e);
	if (b->value == NULL)
		return buf_add_str(ret, version, e);
	return buf_add(ret, b->value, b->len, e);
}

/* The blocks of that index, or all; returns their number through ret_count. */
static int add_blocks(const struct twin_device *d, uint8_t index, bool raw, struct buf *ret,
    uint8_t *ret_count, struct err *e)
{
	*ret_count = 0;
	for (size_t i = 0; i < COUNT(blocks); i++) {
		if (index != INDEX_ALL && blocks[i].index != index)
			continue;
		if (add_block(d, &blocks[i], raw, ret, e) != 0)
			return -1;
		(*ret_count)++;
	}
	return 0;
}

int twin_measurement_summary(const struct twin_device *d, bool only_tcb, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) record = { 0 };

	for (size_t i = 0; i < COUNT(blocks); i++)
		if ((!only_tcb || blocks[i].type <= TYPE_FIRMWARE) &&
		    add_block(d, &blocks[i], false, &record, e) != 0)
			return -1;
	return twin_hash(d->connection.hash, record.data, record.len, ret, e);
}

static size_t request_len(const struct twin_device *d, bool is_signed)
{
	size_t len = is_signed ? SPDM_HEADER_LEN + SPDM_NONCE_LEN + 1 : SPDM_HEADER_LEN;

	return twin_is_13(d) ? len + SPDM_CONTEXT_LEN : len;
}

/* A signature needs a key of the connection's kind in slot 0 that may sign measurements. */
static bool may_sign(const struct twin_device *d, const struct twin_exchange *x)
{
	const struct twin_slot *slot = &d->flash.slot;
	const struct twin_key_pair *pair;

	if ((x->request.data[SPDM_HEADER_LEN + SPDM_NONCE_LEN] & SLOT_MASK) != 0 ||
	    twin_device_certificates(d) == NULL)
		return false;
	pair = &d->flash.pairs[slot->pair - 1];
	if (pair->asym != d->connection.curve->key_asym)
		return false;
	return !d->connection.multi_key || (pair->usage & SPDM_USAGE_MEASUREMENT) != 0;
}

static int say_record(const struct twin_device *d, struct twin_exchange *x,
    const struct buf *record, uint8_t count, struct err *e)
{
	const uint8_t *p = x->request.data;
	bool is_signed = (p[2] & WANT_SIGNATURE) != 0;
	uint8_t total = p[3] == INDEX_COUNT ? COUNT(blocks) : 0;
	uint8_t nonce[SPDM_NONCE_LEN];

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.random", "making a nonce");
	if (twin_begin(d, x, total, is_signed ? NOT_CHANGED : 0, e) != 0 ||
	    buf_add_u8(&x->answer, count, e) != 0 ||
	    buf_add_u16le(&x->answer, (uint16_t)record->len, e) != 0 ||
	    buf_add_u8(&x->answer, 0, e) != 0 ||
	    buf_add(&x->answer, record->data, record->len, e) != 0 ||
	    buf_add(&x->answer, nonce, sizeof(nonce), e) != 0 ||
	    buf_add_u16le(&x->answer, 0, e) != 0)
		return -1;
	if (!twin_is_13(d))
		return 0;
	return buf_add(&x->answer, p + x->request.len - SPDM_CONTEXT_LEN, SPDM_CONTEXT_LEN, e);
}

int twin_get_measurements(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	AUTO_STRUCT(buf) record = { 0 };
	const uint8_t *p = x->request.data;
	bool is_signed = (p[2] & WANT_SIGNATURE) != 0;
	uint8_t count = 0;

	if (!d->connection.measures)
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	if (x->request.len < request_len(d, is_signed) || (is_signed && !may_sign(d, x)))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	x->request.len = request_len(d, is_signed);
	if (p[3] != INDEX_COUNT &&
	    add_blocks(d, p[3], (p[2] & WANT_RAW) != 0, &record, &count, e) != 0)
		return -1;
	if (p[3] != INDEX_COUNT && count == 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (say_record(d, x, &record, count, e) != 0)
		return -1;
	if (!is_signed)
		return 0;
	return twin_sign_answer(d, x, CONTEXT_MEASUREMENTS,
	    d->flash.pairs[d->flash.slot.pair - 1].key, e);
}
