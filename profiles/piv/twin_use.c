/* GENERATE ASYMMETRIC KEY PAIR and GENERAL AUTHENTICATE with a private key (SP 800-73-4 part 2, 3.2.4, 3.3.2). */
#include "twin_card.h"
#include "twin_tlv.h"

enum {
	TEMPLATE = 0x7c,
	CHALLENGE = 0x81,
	RESPONSE = 0x82,
	EXPONENTIATION = 0x85,
	CONTROL = 0xac,
	CONTROL_ALGORITHM = 0x80,
	CONTROL_PIN = 0xaa,
	CONTROL_TOUCH = 0xab,
	PUBLIC_KEY = 0x7f49,
};

/* PIN policies as Yubico counts them. */
enum { POLICY_NEVER = 1, POLICY_ONCE = 2, POLICY_ALWAYS = 3, TOUCH_NEVER = 1 };

static uint8_t usual_policy(uint8_t slot)
{
	return slot == 0x9c ? POLICY_ALWAYS : slot == 0x9e ? POLICY_NEVER : POLICY_ONCE;
}

/* An optional byte; false: it is there and is none. */
static bool read_byte(const struct twin_tlv *body, uint32_t tag, uint8_t *ret)
{
	struct twin_tlv t;

	if (!twin_tlv_find(body->value, body->len, tag, &t))
		return true;
	if (t.len != 1)
		return false;
	*ret = t.value[0];
	return true;
}

static bool read_control(const struct twin_card *c, const struct twin_apdu *a, struct twin_key *ret)
{
	struct twin_tlv body;
	uint8_t pin = 0;

	ret->touch_policy = TOUCH_NEVER;
	if (!twin_tlv_find(a->data, a->len, CONTROL, &body) ||
	    !read_byte(&body, CONTROL_ALGORITHM, &ret->algorithm) ||
	    !read_byte(&body, CONTROL_PIN, &pin) ||
	    !read_byte(&body, CONTROL_TOUCH, &ret->touch_policy))
		return false;
	ret->pin_policy = pin != 0 ? pin : usual_policy(a->p2);
	return twin_card_can(c, ret->algorithm) && ret->pin_policy <= POLICY_ALWAYS;
}

int twin_do_generate(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	struct twin_key key = { .slot = a->p2 };
	AUTO_STRUCT(buf) public = { 0 };

	if (a->p1 != 0 || !twin_is_key_slot(a->p2))
		return twin_say(r, SW_P1P2);
	if (!c->authenticated)
		return twin_say(r, SW_SECURITY);
	if (!read_control(c, a, &key))
		return twin_say(r, SW_DATA);
	if (twin_engine_make(key.algorithm, &key.key, e) != 0)
		return -1;
	if (twin_engine_public(key.key, &public, e) != 0) {
		EVP_PKEY_free(key.key);
		return -1;
	}
	c->store.certified = false;
	c->work_ms = c->config->keygen_ms;
	if (twin_store_put_key(&c->store, &key, e) != 0 || twin_store_save(&c->store, e) != 0)
		return -1;
	return twin_tlv_add(&r->data, PUBLIC_KEY, public.data, public.len, e);
}

static bool may_use(const struct twin_card *c, const struct twin_key *key)
{
	if (key->pin_policy == POLICY_NEVER)
		return true;
	return key->pin_policy == POLICY_ALWAYS ? c->pin_fresh : c->pin_verified;
}

static enum step_id step_of(const struct twin_card *c)
{
	return c->store.certified ? STEP_PROVE : STEP_REQUEST;
}

static int pick_key(struct twin_card *c, const struct twin_key *key, EVP_PKEY **ret, struct err *e)
{
	*ret = key->key;
	if (!twin_card_strikes(c, FAULT_WRONG_KEY, step_of(c)))
		return 0;
	if (c->other_key == NULL && twin_engine_make(key->algorithm, &c->other_key, e) != 0)
		return -1;
	*ret = c->other_key;
	return 0;
}

/* False in *ret_fits: the key can not take it. */
static int sign(struct twin_card *c, const struct twin_key *key, const struct twin_tlv *message,
    struct buf *ret, bool *ret_fits, struct err *e)
{
	const struct twin_algorithm *algorithm = twin_algorithm_of(key->algorithm);
	AUTO_STRUCT(buf) copy = { 0 };
	EVP_PKEY *used;

	*ret_fits = message->len > 0 && (algorithm->group != NULL ? message->len <= algorithm->len
								  : message->len == algorithm->len);
	if (!*ret_fits)
		return 0;
	if (pick_key(c, key, &used, e) != 0 || buf_set(&copy, message->value, message->len, e) != 0)
		return -1;
	if (twin_card_strikes(c, FAULT_WRONG_NONCE, step_of(c)))
		copy.data[copy.len - 1] ^= 0x01;
	*ret_fits = twin_engine_sign(used, copy.data, copy.len, ret, e) == 0;
	if (*ret_fits && twin_card_strikes(c, FAULT_BAD_CSR_SIGNATURE, step_of(c)))
		ret->data[ret->len - 1] ^= 0x01;
	return 0;
}

static int agree(const struct twin_key *key, const struct twin_tlv *point, struct buf *ret,
    bool *ret_fits, struct err *e)
{
	*ret_fits = twin_algorithm_of(key->algorithm)->group != NULL &&
		    twin_engine_agree(key->key, point->value, point->len, ret, e) == 0;
	return 0;
}

static int use(struct twin_card *c, const struct twin_key *key, const struct twin_tlv *body,
    struct twin_reply *r, struct err *e)
{
	AUTO_STRUCT(buf) value = { 0 }, inner = { 0 };
	struct twin_tlv t;
	bool fits = false;
	int rc = 0;

	if (twin_tlv_find(body->value, body->len, CHALLENGE, &t))
		rc = sign(c, key, &t, &value, &fits, e);
	else if (twin_tlv_find(body->value, body->len, EXPONENTIATION, &t))
		rc = agree(key, &t, &value, &fits, e);
	if (rc != 0)
		return -1;
	if (!fits)
		return twin_say(r, SW_DATA);
	c->pin_fresh = false;
	if (twin_tlv_add(&inner, RESPONSE, value.data, value.len, e) != 0)
		return -1;
	return twin_tlv_add(&r->data, TEMPLATE, inner.data, inner.len, e);
}

int twin_do_sign(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	const struct twin_key *key = twin_store_key(&c->store, a->p2);
	struct twin_tlv body;

	if (!twin_is_key_slot(a->p2))
		return twin_say(r, SW_P1P2);
	if (key == NULL)
		return twin_say(r, SW_REFERENCE);
	if (key->algorithm != a->p1)
		return twin_say(r, SW_P1P2);
	if (!may_use(c, key))
		return twin_say(r, SW_SECURITY);
	if (!twin_tlv_find(a->data, a->len, TEMPLATE, &body))
		return twin_say(r, SW_DATA);
	return use(c, key, &body, r, e);
}
