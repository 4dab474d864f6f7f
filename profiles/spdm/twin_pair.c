/* GET_KEY_PAIR_INFO and SET_KEY_PAIR_INFO (DSP0274 1.3, 10.25 and 10.26): keys made on request. */
#include "bytes.h"
#include "twin_device.h"

enum {
	GET_LEN = 5,
	SET_LEN = 13,
	CAPABILITIES = SPDM_KEY_CAP_GENERATE | SPDM_KEY_CAP_ERASE | SPDM_KEY_CAP_CERT_ASSOC |
		       SPDM_KEY_CAP_USAGE | SPDM_KEY_CAP_ASYM_ALGO,
	USAGES = SPDM_USAGE_CHALLENGE | SPDM_USAGE_MEASUREMENT,
};

/* What SET_KEY_PAIR_INFO asks for. */
struct wish {
	uint16_t usage;
	uint32_t asym;
	uint8_t slots;
};

/* The algorithms a key may have: those of the variant, in the bits of key pairs. */
static uint32_t asym_capabilities(const struct twin_device *d)
{
	uint32_t bits = 0;

	for (uint32_t bit = 1; bit != 0; bit <<= 1) {
		const struct twin_curve *curve = twin_curve_of_base(d->traits->asym & bit);

		if (curve != NULL)
			bits |= curve->key_asym;
	}
	return bits;
}

static bool pair_exists(const struct twin_exchange *x)
{
	return x->request.len >= GET_LEN && x->request.data[4] != 0 &&
	       x->request.data[4] <= TWIN_KEYS;
}

int twin_get_key_pair_info(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const struct twin_key_pair *pair;
	const struct twin_curve *curve;
	struct buf *a = &x->answer;
	size_t len;

	if (!pair_exists(x))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	pair = &d->flash.pairs[x->request.data[4] - 1];
	curve = twin_curve_of_key(pair->asym);
	len = curve != NULL ? curve->algorithm_len : 0;
	if (twin_begin(d, x, 0, 0, e) != 0 || buf_add_u8(a, TWIN_KEYS, e) != 0 ||
	    buf_add_u8(a, x->request.data[4], e) != 0 || buf_add_u16le(a, CAPABILITIES, e) != 0 ||
	    buf_add_u16le(a, USAGES, e) != 0 || buf_add_u16le(a, pair->usage, e) != 0 ||
	    buf_add_u32le(a, asym_capabilities(d), e) != 0 ||
	    buf_add_u32le(a, pair->asym, e) != 0 || buf_add_u16le(a, (uint16_t)len, e) != 0 ||
	    buf_add_u8(a, pair->slots, e) != 0)
		return -1;
	return curve != NULL ? buf_add(a, curve->algorithm, len, e) : 0;
}

static enum spdm_error check_wish(const struct twin_device *d, const struct wish *w)
{
	if ((w->usage & ~USAGES) != 0 || (w->slots & ~1) != 0)
		return SPDM_ERROR_INVALID_REQUEST;
	if (w->asym == 0)
		return 0;
	if (twin_curve_of_key(w->asym) == NULL || (w->asym & asym_capabilities(d)) == 0)
		return SPDM_ERROR_INVALID_REQUEST;
	return 0;
}

static enum spdm_error erase(struct twin_device *d, struct twin_key_pair *pair)
{
	uint8_t id = (uint8_t)(pair - d->flash.pairs + 1);

	if (pair->slots != 0)
		return SPDM_ERROR_OPERATION_FAILED;
	if (d->flash.slot.pair == id)
		buf_clear(&d->flash.slot.certificates);
	EVP_PKEY_free(pair->key);
	buf_free(&pair->stored);
	*pair = (struct twin_key_pair){ 0 };
	return 0;
}

/* A key that is there is erased first: nothing is lost by one message alone. */
static enum spdm_error generate(struct twin_key_pair *pair, const struct wish *w, struct err *e)
{
	if (w->asym == 0)
		return SPDM_ERROR_INVALID_REQUEST;
	if (pair->slots != 0 || pair->key != NULL)
		return SPDM_ERROR_OPERATION_FAILED;
	if (twin_key_make(twin_curve_of_key(w->asym), &pair->key, e) != 0)
		return SPDM_ERROR_OPERATION_FAILED;
	pair->asym = w->asym;
	pair->usage = w->usage != 0 ? w->usage : USAGES;
	pair->slots = w->slots;
	return 0;
}

static enum spdm_error change(struct twin_device *d, struct twin_key_pair *pair,
    const struct wish *w)
{
	if (w->asym != 0 && w->asym != pair->asym)
		return SPDM_ERROR_OPERATION_FAILED;
	if (w->usage != 0)
		pair->usage = w->usage;
	for (size_t i = 0; w->slots != 0 && i < TWIN_KEYS; i++)
		d->flash.pairs[i].slots = 0; /* a slot has one key */
	pair->slots = w->slots;
	return 0;
}

static enum spdm_error set(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const uint8_t *p = x->request.data;
	struct twin_key_pair *pair;
	struct wish w;
	enum spdm_error refusal;

	if (!pair_exists(x) || p[2] > SPDM_KEY_GENERATE)
		return SPDM_ERROR_INVALID_REQUEST;
	if (d->flash.sealed)
		return SPDM_ERROR_UNEXPECTED_REQUEST;
	pair = &d->flash.pairs[p[4] - 1];
	if (p[2] == SPDM_KEY_ERASE)
		return erase(d, pair);
	if (x->request.len < SET_LEN)
		return SPDM_ERROR_INVALID_REQUEST;
	w = (struct wish){ get_u16le(p + 6), get_u32le(p + 8), p[12] };
	refusal = check_wish(d, &w);
	if (refusal != 0)
		return refusal;
	if (p[2] == SPDM_KEY_CHANGE)
		return change(d, pair, &w);
	x->work_ms = d->config->keygen_ms;
	return generate(pair, &w, e);
}

int twin_set_key_pair_info(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	enum spdm_error refusal = set(d, x, e);

	if (refusal != 0)
		return twin_refuse(d, x, refusal, 0, e);
	if (twin_flash_save(&d->flash, e) != 0)
		return -1;
	return twin_begin(d, x, 0, 0, e);
}
