/*
 * GENERAL AUTHENTICATE with the management key (SP 800-73-4 part 2, 3.2.4 and A.1), and Yubico's SET
 * MANAGEMENT KEY.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "twin_card.h"
#include "twin_tlv.h"

enum { TEMPLATE = 0x7c, WITNESS = 0x80, CHALLENGE = 0x81, RESPONSE = 0x82 };

static int cipher(const struct twin_card *c, const uint8_t *in, uint8_t *out, struct err *e)
{
	return twin_cipher(c->store.management_algorithm, c->store.management, true, in, out, e);
}

static int give(struct twin_reply *r, uint32_t tag, const uint8_t *block, size_t len, struct err *e)
{
	AUTO_STRUCT(buf) inner = { 0 };

	if (twin_tlv_add(&inner, tag, block, len, e) != 0)
		return -1;
	return twin_tlv_add(&r->data, TEMPLATE, inner.data, inner.len, e);
}

/* The card's number goes out encrypted, and is to come back in clear: the host has the key. */
static int give_witness(struct twin_card *c, size_t block, struct twin_reply *r, struct err *e)
{
	uint8_t witness[TWIN_BLOCK_MAX];

	if (twin_engine_random(c->expected, block, e) != 0 ||
	    cipher(c, c->expected, witness, e) != 0)
		return -1;
	c->challenge = TWIN_WITNESS;
	return give(r, WITNESS, witness, block, e);
}

/* The card's number goes out in clear, and is to come back encrypted. */
static int give_challenge(struct twin_card *c, size_t block, struct twin_reply *r, struct err *e)
{
	uint8_t number[TWIN_BLOCK_MAX];

	if (twin_engine_random(number, block, e) != 0 || cipher(c, number, c->expected, e) != 0)
		return -1;
	c->challenge = TWIN_CHALLENGE;
	return give(r, CHALLENGE, number, block, e);
}

static bool is_expected(const struct twin_card *c, const struct twin_tlv *t, size_t block)
{
	return t->len == block && CRYPTO_memcmp(t->value, c->expected, block) == 0;
}

/* The witness in clear, and the host's own challenge, which the card encrypts: it has the key too. */
static int take_witness(struct twin_card *c, const struct twin_tlv *witness,
    const struct twin_tlv *challenge, size_t block, struct twin_reply *r, struct err *e)
{
	uint8_t proof[TWIN_BLOCK_MAX];

	if (challenge->len != block)
		return twin_say(r, SW_DATA);
	if (!is_expected(c, witness, block))
		return twin_say(r, c->traits->wrong_management);
	if (cipher(c, challenge->value, proof, e) != 0)
		return -1;
	c->authenticated = true;
	return give(r, RESPONSE, proof, block, e);
}

static int take_response(struct twin_card *c, const struct twin_tlv *response, size_t block,
    struct twin_reply *r)
{
	if (!is_expected(c, response, block))
		return twin_say(r, c->traits->wrong_management);
	c->authenticated = true;
	return 0;
}

int twin_do_authenticate(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	uint8_t algorithm = a->p1 != 0 ? a->p1 : TWIN_3DES;
	size_t block = twin_cipher_block_len(algorithm);
	enum twin_challenge begun = c->challenge;
	struct twin_tlv body, witness = { 0 }, challenge = { 0 }, response = { 0 };

	c->challenge = TWIN_NO_CHALLENGE;
	if (algorithm != c->store.management_algorithm)
		return twin_say(r, SW_P1P2);
	if (!twin_tlv_find(a->data, a->len, TEMPLATE, &body))
		return twin_say(r, SW_DATA);
	(void)twin_tlv_find(body.value, body.len, WITNESS, &witness); /* those that are not there */
	(void)twin_tlv_find(body.value, body.len, CHALLENGE, &challenge); /* have no tag */
	(void)twin_tlv_find(body.value, body.len, RESPONSE, &response);
	c->authenticated = false;
	if (witness.tag != 0 && witness.len == 0)
		return give_witness(c, block, r, e);
	if (challenge.tag != 0 && challenge.len == 0)
		return give_challenge(c, block, r, e);
	if (begun == TWIN_WITNESS && witness.tag != 0 && challenge.tag != 0)
		return take_witness(c, &witness, &challenge, block, r, e);
	if (begun == TWIN_CHALLENGE && response.tag != 0)
		return take_response(c, &response, block, r);
	return twin_say(r, SW_DATA);
}

/* algorithm, 9B, length, key. */
int twin_do_set_management(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	size_t len = a->len > 0 ? twin_cipher_key_len(a->data[0]) : 0;

	if (a->p1 != 0xff || (a->p2 != 0xff && a->p2 != 0xfe))
		return twin_say(r, SW_P1P2);
	if (!c->authenticated)
		return twin_say(r, SW_SECURITY);
	if (len == 0 || a->len != 3 + len || a->data[1] != 0x9b || a->data[2] != len)
		return twin_say(r, SW_DATA);
	c->store.management_algorithm = a->data[0];
	memcpy(c->store.management, a->data + 3, len);
	return twin_store_save(&c->store, e);
}
