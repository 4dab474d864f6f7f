/* GET_DIGESTS, GET_CERTIFICATE, SET_CERTIFICATE of certificate slot 0 (DSP0274 10.6, 10.7, 10.24). */
#include <string.h>

#include "bytes.h"
#include "twin_chain.h"
#include "twin_device.h"

enum {
	CHAIN_HEADER = 4,
	GET_CERTIFICATE_LEN = 8,
	CERTIFICATE_HEADER = 8,
	SLOTS = 8,
	SLOT_MASK = 0x0f,
	MODEL_MASK = 0x07,
	ERASE = 0x80,
	SLOT_SIZE_REQUESTED = 0x01,
	PORTION_ALL = 0xffff,
	SHORT_PORTION = 100, /* of the short-portions fault */
};

uint8_t twin_device_pair(const struct twin_device *d)
{
	for (size_t i = 0; i < TWIN_KEYS; i++)
		if (d->flash.pairs[i].asym == d->connection.curve->key_asym)
			return (uint8_t)(i + 1);
	return 0;
}

const struct buf *twin_device_certificates(const struct twin_device *d)
{
	const struct twin_slot *slot = &d->flash.slot;

	if (slot->certificates.len == 0 || (d->flash.pairs[slot->pair - 1].slots & 1) == 0)
		return NULL;
	return &slot->certificates;
}

int twin_chain(const struct twin_device *d, const struct buf *certificates, struct buf *ret,
    struct err *e)
{
	const struct twin_hash *hash = d->connection.hash;
	size_t total = CHAIN_HEADER + hash->len + certificates->len;

	if (buf_add_u16le(ret, (uint16_t)total, e) != 0 || buf_add_u16le(ret, 0, e) != 0 ||
	    twin_chain_root(certificates, hash, ret, e) != 0)
		return -1;
	return buf_add(ret, certificates->data, certificates->len, e);
}

int twin_chain_digest(const struct twin_device *d, const struct buf *certificates, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) chain = { 0 };

	if (twin_chain(d, certificates, &chain, e) != 0)
		return -1;
	return twin_hash(d->connection.hash, chain.data, chain.len, ret, e);
}

static bool waits_for_reset(const struct twin_device *d)
{
	return d->flash.pending.certificates.len > 0;
}

/* What the device serves: the plan may have another chain than the one it was given. */
static int served(struct twin_device *d, const struct buf **ret, struct err *e)
{
	*ret = twin_device_certificates(d);
	if (*ret == NULL || !d->installed ||
	    !twin_device_strikes(d, TWIN_FAULT_LYING_READBACK, STEP_READBACK))
		return 0;
	if (d->lie.len == 0 && twin_chain_forge(*ret, &d->lie, e) != 0)
		return -1;
	*ret = &d->lie;
	return 0;
}

/* 1.3: the key pair that is associated with slot 0, with or without a certificate. */
static uint8_t slot_pair(const struct twin_device *d)
{
	for (size_t i = 0; i < TWIN_KEYS; i++)
		if ((d->flash.pairs[i].slots & 1) != 0)
			return (uint8_t)(i + 1);
	return 0;
}

/* Multi-key connections: which key is in the slot, as what, and for what. */
static int add_key_data(const struct twin_device *d, uint8_t pair, bool certified, struct buf *ret,
    struct err *e)
{
	uint8_t model = certified ? d->flash.slot.model : SPDM_MODEL_NONE;

	if (buf_add_u8(ret, pair, e) != 0 || buf_add_u8(ret, model, e) != 0)
		return -1;
	return buf_add_u16le(ret, d->flash.pairs[pair - 1].usage, e);
}

static int add_digest(const struct twin_device *d, const struct buf *certificates, struct buf *ret,
    struct err *e)
{
	static const uint8_t none[SPDM_HASH_MAX];

	if (certificates != NULL)
		return twin_chain_digest(d, certificates, ret, e);
	return buf_add(ret, none, d->connection.hash->len, e);
}

int twin_get_digests(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const struct buf *certificates;
	bool multi_key = d->connection.multi_key;
	uint8_t pair = slot_pair(d);
	uint8_t provisioned;

	if (waits_for_reset(d))
		return twin_refuse(d, x, SPDM_ERROR_RESET_REQUIRED, 0, e);
	if (served(d, &certificates, e) != 0)
		return -1;
	provisioned = certificates != NULL || (multi_key && pair != 0);
	if (provisioned == 0 && !twin_is_13(d))
		return twin_refuse(d, x, SPDM_ERROR_UNSPECIFIED, 0, e);
	x->request.len = SPDM_HEADER_LEN;
	if (twin_begin(d, x, twin_is_13(d) ? 1 : 0, provisioned, e) != 0)
		return -1;
	if (provisioned != 0 && add_digest(d, certificates, &x->answer, e) != 0)
		return -1;
	if (provisioned == 0 || !multi_key)
		return 0;
	return add_key_data(d, pair, certificates != NULL, &x->answer, e);
}

/* How much of `left` bytes one answer carries. */
static size_t portion(const struct twin_device *d, size_t asked, size_t left)
{
	size_t fits = d->connection.peer_transfer - CERTIFICATE_HEADER;

	if (asked > left)
		asked = left;
	if (asked > fits && asked == left)
		asked = fits;
	if (twin_device_strikes(d, TWIN_FAULT_SHORT_PORTIONS, STEP_READBACK) &&
	    asked > SHORT_PORTION)
		asked = SHORT_PORTION;
	return asked;
}

static int say_portion(const struct twin_device *d, struct twin_exchange *x, const uint8_t *data,
    size_t n, size_t left, struct err *e)
{
	uint8_t model = d->connection.multi_key ? d->flash.slot.model : 0;

	if (twin_begin(d, x, 0, model, e) != 0 || buf_add_u16le(&x->answer, (uint16_t)n, e) != 0 ||
	    buf_add_u16le(&x->answer, (uint16_t)left, e) != 0)
		return -1;
	return buf_add(&x->answer, data, n, e);
}

int twin_get_certificate(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	AUTO_STRUCT(buf) chain = { 0 };
	const struct buf *certificates;
	const uint8_t *p = x->request.data;
	size_t offset, n;

	if (x->request.len < GET_CERTIFICATE_LEN || (p[2] & SLOT_MASK) != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (waits_for_reset(d))
		return twin_refuse(d, x, SPDM_ERROR_RESET_REQUIRED, 0, e);
	if (served(d, &certificates, e) != 0)
		return -1;
	if (certificates == NULL)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	x->request.len = GET_CERTIFICATE_LEN;
	if (twin_is_13(d) && (p[3] & SLOT_SIZE_REQUESTED) != 0)
		return say_portion(d, x, p, 0, SPDM_CHAIN_MAX, e);
	if (twin_chain(d, certificates, &chain, e) != 0)
		return -1;
	offset = get_u16le(p + 4);
	if (offset >= chain.len)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	n = portion(d, get_u16le(p + 6), chain.len - offset);
	return say_portion(d, x, chain.data + offset, n, chain.len - offset - n, e);
}

/* Slot, model and KeyPairID; *ret_pair: the key that the leaf must be over. */
static enum spdm_error check_target(const struct twin_device *d, const struct twin_exchange *x,
    uint8_t *ret_pair)
{
	uint8_t slot = x->request.data[2] & SLOT_MASK;
	uint8_t model = x->request.data[2] >> 4 & MODEL_MASK;
	uint8_t pair = x->request.data[3];

	if (slot >= SLOTS)
		return SPDM_ERROR_INVALID_REQUEST;
	if (slot != 0 || d->flash.sealed)
		return SPDM_ERROR_UNEXPECTED_REQUEST;
	*ret_pair = d->connection.multi_key ? pair : twin_device_pair(d);
	if (!twin_is_13(d) || (x->request.data[2] & ERASE) != 0)
		return 0;
	if (!d->connection.multi_key)
		return model == 0 && pair == 0 ? 0 : SPDM_ERROR_INVALID_REQUEST;
	if (model != SPDM_MODEL_DEVICE || pair == 0 || pair > TWIN_KEYS)
		return SPDM_ERROR_INVALID_REQUEST;
	return 0;
}

/* The header of the chain that came; what is behind its Length is surplus. */
static bool chain_is_whole(const struct twin_device *d, const struct twin_exchange *x)
{
	size_t least = CHAIN_HEADER + d->connection.hash->len;
	size_t length;

	if (x->request.len < SPDM_HEADER_LEN + least)
		return false;
	length = get_u16le(x->request.data + SPDM_HEADER_LEN);
	return length > least && length <= x->request.len - SPDM_HEADER_LEN;
}

static enum spdm_error check_chain(const struct twin_device *d, const struct twin_exchange *x,
    uint8_t pair, struct buf *ret_certificates, struct err *e)
{
	const uint8_t *chain = x->request.data + SPDM_HEADER_LEN;
	size_t head = CHAIN_HEADER + d->connection.hash->len;
	AUTO(X509_STACK) *list = NULL;
	struct err why = { 0 };

	if (buf_set(ret_certificates, chain + head, get_u16le(chain) - head, e) != 0)
		return SPDM_ERROR_UNSPECIFIED;
	if (x509_parse_list(ret_certificates->data, ret_certificates->len, &list, ERR_DEVICE,
		&why) != 0)
		return SPDM_ERROR_INVALID_REQUEST;
	if (pair == 0 || d->flash.pairs[pair - 1].key == NULL)
		return SPDM_ERROR_UNSPECIFIED;
	if (twin_chain_check(ret_certificates, list, d->connection.hash, chain + CHAIN_HEADER,
		d->flash.pairs[pair - 1].key, twin_is_13(d), &why) != 0)
		return SPDM_ERROR_UNSPECIFIED;
	return 0;
}

/* Into effect at once, or after the next reset. */
static int store(struct twin_device *d, struct twin_exchange *x, struct buf *certificates,
    uint8_t pair, struct err *e)
{
	bool later = (twin_flags(d) & SPDM_CAP_INSTALL_RESET) != 0;
	struct twin_flash *f = &d->flash;

	buf_free(&f->pending.certificates);
	f->pending = (struct twin_slot){ .certificates = buf_steal(certificates),
		.pair = pair,
		.model = SPDM_MODEL_DEVICE };
	if (!later) {
		bool changed;

		twin_flash_reset(f, &changed);
	}
	d->installed = true;
	buf_clear(&d->lie);
	if (twin_flash_save(f, e) != 0)
		return -1;
	return later ? twin_refuse(d, x, SPDM_ERROR_RESET_REQUIRED, 0, e)
		     : twin_begin(d, x, 0, 0, e);
}

static int erase(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	if (!twin_is_13(d) || (x->request.data[2] >> 4 & MODEL_MASK) != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	buf_clear(&d->flash.slot.certificates);
	buf_clear(&d->flash.pending.certificates);
	if (twin_flash_save(&d->flash, e) != 0)
		return -1;
	return twin_begin(d, x, 0, 0, e);
}

int twin_set_certificate(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	AUTO_STRUCT(buf) certificates = { 0 };
	uint8_t pair = 0;
	enum spdm_error refusal = check_target(d, x, &pair);

	if (refusal != 0)
		return twin_refuse(d, x, refusal, 0, e);
	if ((x->request.data[2] & ERASE) != 0)
		return erase(d, x, e);
	if (!chain_is_whole(d, x))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	refusal = check_chain(d, x, pair, &certificates, e);
	if (refusal != 0)
		return twin_refuse(d, x, refusal, 0, e);
	return store(d, x, &certificates, pair, e);
}
