/* CHALLENGE (DSP0274 10.8) and the signatures that a responder makes (15). */
#include <openssl/rand.h>

#include "twin_device.h"

enum {
	SUMMARY_NONE = 0,
	SUMMARY_TCB = 1,
	SUMMARY_ALL = 0xff,
};

int twin_sign_answer(const struct twin_device *d, struct twin_exchange *x, const char *context,
    EVP_PKEY *key, struct err *e)
{
	const struct twin_connection *c = &d->connection;
	AUTO_STRUCT(buf) transcript = { 0 };
	AUTO_STRUCT(buf) message = { 0 };

	if (twin_transcript_signed(&c->transcript, &x->request, &x->answer, &transcript, e) != 0 ||
	    twin_signed_message(c->version, context, c->hash, &transcript, &message, e) != 0)
		return -1;
	x->signed_len = 2 * c->curve->width;
	return twin_sign(key, c->curve, c->hash, &message, &x->answer, e);
}

static size_t request_len(const struct twin_device *d)
{
	return SPDM_HEADER_LEN + SPDM_NONCE_LEN + (twin_is_13(d) ? SPDM_CONTEXT_LEN : 0);
}

/* Slot 0 has a chain, and its key may do this. */
static bool slot_may(const struct twin_device *d, uint16_t usage)
{
	const struct twin_key_pair *pair = &d->flash.pairs[d->flash.slot.pair - 1];

	if (twin_device_certificates(d) == NULL || pair->asym != d->connection.curve->key_asym)
		return false;
	return !d->connection.multi_key || (pair->usage & usage) != 0;
}

static bool challenge_is_fine(const struct twin_device *d, const struct twin_exchange *x)
{
	const uint8_t *p = x->request.data;

	if (x->request.len < request_len(d) || p[2] != 0)
		return false;
	if (p[3] != SUMMARY_NONE && p[3] != SUMMARY_TCB && p[3] != SUMMARY_ALL)
		return false;
	if (p[3] != SUMMARY_NONE && !d->connection.measures)
		return false;
	return slot_may(d, SPDM_USAGE_CHALLENGE);
}

static int add_nonce(struct buf *ret, struct err *e)
{
	uint8_t *room = buf_room(ret, SPDM_NONCE_LEN, e);

	if (room == NULL)
		return -1;
	if (RAND_bytes(room, SPDM_NONCE_LEN) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.random", "making a nonce");
	ret->len += SPDM_NONCE_LEN;
	return 0;
}

/* Everything of CHALLENGE_AUTH but the signature. */
static int say_challenge(const struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const uint8_t *p = x->request.data;
	const struct buf *certificates = d->lie.len > 0 ? &d->lie : twin_device_certificates(d);

	if (twin_begin(d, x, 0, 1, e) != 0 ||
	    twin_chain_digest(d, certificates, &x->answer, e) != 0 || add_nonce(&x->answer, e) != 0)
		return -1;
	if (p[3] != SUMMARY_NONE &&
	    twin_measurement_summary(d, p[3] == SUMMARY_TCB, &x->answer, e) != 0)
		return -1;
	if (buf_add_u16le(&x->answer, 0, e) != 0) /* opaque data */
		return -1;
	if (!twin_is_13(d))
		return 0;
	return buf_add(&x->answer, p + SPDM_HEADER_LEN + SPDM_NONCE_LEN, SPDM_CONTEXT_LEN, e);
}

/* The key that signs: by plan another one of the same kind. */
static int signing_key(struct twin_device *d, EVP_PKEY **ret, struct err *e)
{
	*ret = d->flash.pairs[d->flash.slot.pair - 1].key;
	if (!twin_device_strikes(d, TWIN_FAULT_WRONG_KEY, STEP_PROVE))
		return 0;
	if (d->other_key == NULL && twin_key_make(d->connection.curve, &d->other_key, e) != 0)
		return -1;
	*ret = d->other_key;
	return 0;
}

static int sign_challenge(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	bool wrong = twin_device_strikes(d, TWIN_FAULT_WRONG_NONCE, STEP_PROVE);
	EVP_PKEY *key;
	int rc;

	if (signing_key(d, &key, e) != 0)
		return -1;
	if (wrong)
		x->request.data[SPDM_HEADER_LEN] ^= 1;
	rc = twin_sign_answer(d, x, SPDM_CONTEXT_CHALLENGE, key, e);
	if (wrong)
		x->request.data[SPDM_HEADER_LEN] ^= 1;
	return rc;
}

int twin_challenge(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	if (d->flash.pending.certificates.len > 0)
		return twin_refuse(d, x, SPDM_ERROR_RESET_REQUIRED, 0, e);
	if (d->flash.slot.pair == 0 || !challenge_is_fine(d, x))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	x->request.len = request_len(d);
	if (say_challenge(d, x, e) != 0)
		return -1;
	return sign_challenge(d, x, e);
}
