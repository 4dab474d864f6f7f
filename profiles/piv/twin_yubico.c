/* Yubico's instructions: GET VERSION, GET SERIAL, GET METADATA, ATTEST, RESET. */
#include <string.h>

#include "twin_card.h"
#include "twin_issue.h"
#include "twin_object.h"
#include "twin_tlv.h"

enum {
	META_ALGORITHM = 1,
	META_POLICY = 2,
	META_ORIGIN = 3,
	META_PUBLIC = 4,
	META_DEFAULT = 5,
	META_RETRIES = 6,
	ORIGIN_GENERATED = 1,
	ALGORITHM_PIN = 0xff,
};

int twin_do_get_version(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	(void)a;
	return buf_set(&r->data, c->traits->version, sizeof(c->traits->version), e);
}

int twin_do_get_serial(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	uint32_t serial = twin_card_serial(c->config);

	(void)a;
	return buf_set(&r->data,
	    (const uint8_t[]){ (uint8_t)(serial >> 24), (uint8_t)(serial >> 16),
		(uint8_t)(serial >> 8), (uint8_t)serial },
	    4, e);
}

static int add_pin(const struct twin_pin *pin, const char *usual, struct buf *ret, struct err *e)
{
	if (twin_tlv_add_u8(ret, META_ALGORITHM, ALGORITHM_PIN, e) != 0 ||
	    twin_tlv_add_u8(ret, META_DEFAULT, memcmp(pin->value, usual, TWIN_PIN_LEN) == 0, e) !=
		0)
		return -1;
	return twin_tlv_add(ret, META_RETRIES, (const uint8_t[]){ pin->tries, pin->left }, 2, e);
}

static bool is_usual_management(const struct twin_store *s)
{
	for (size_t i = 0; i < twin_cipher_key_len(s->management_algorithm); i++)
		if (s->management[i] != 1 + i % 8)
			return false;
	return true;
}

static int add_management(const struct twin_store *s, struct buf *ret, struct err *e)
{
	if (twin_tlv_add_u8(ret, META_ALGORITHM, s->management_algorithm, e) != 0 ||
	    twin_tlv_add(ret, META_POLICY, (const uint8_t[]){ 0, 1 }, 2, e) != 0)
		return -1;
	return twin_tlv_add_u8(ret, META_DEFAULT, is_usual_management(s), e);
}

static int add_key(const struct twin_key *key, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) public = { 0 };

	if (twin_tlv_add_u8(ret, META_ALGORITHM, key->algorithm, e) != 0 ||
	    twin_tlv_add(ret, META_POLICY, (const uint8_t[]){ key->pin_policy, key->touch_policy },
		2, e) != 0 ||
	    twin_tlv_add_u8(ret, META_ORIGIN, ORIGIN_GENERATED, e) != 0 ||
	    twin_engine_public(key->key, &public, e) != 0)
		return -1;
	return twin_tlv_add(ret, META_PUBLIC, public.data, public.len, e);
}

int twin_do_get_metadata(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	const struct twin_key *key = twin_store_key(&c->store, a->p2);

	if (a->p1 != 0)
		return twin_say(r, SW_P1P2);
	if (a->p2 == 0x80)
		return add_pin(&c->store.pin, "123456\xff\xff", &r->data, e);
	if (a->p2 == 0x81)
		return add_pin(&c->store.puk, "12345678", &r->data, e);
	if (a->p2 == 0x9b)
		return add_management(&c->store, &r->data, e);
	if (key == NULL)
		return twin_say(r, SW_REFERENCE);
	return add_key(key, &r->data, e);
}

int twin_do_attest(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	const struct twin_key *key = twin_store_key(&c->store, a->p1);

	if (a->p2 != 0 || !twin_is_key_slot(a->p1))
		return twin_say(r, SW_P1P2);
	if (key == NULL || twin_store_key(&c->store, TWIN_SLOT_ATTESTATION) == NULL)
		return twin_say(r, SW_REFERENCE);
	if (twin_issue_attestation(c, key, &r->data, e) != 0) {
		buf_clear(&r->data); /* 5FFF01 can be overwritten by who has the management key */
		return twin_say(r, SW_ERROR);
	}
	if (twin_card_strikes(c, FAULT_SHORT_ATTESTATION, STEP_REQUEST))
		r->data.len--;
	return 0;
}

/* Only where neither PIN nor PUK can be used any more. */
int twin_do_reset_card(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	(void)a;
	if (c->store.pin.left > 0 || c->store.puk.left > 0)
		return twin_say(r, SW_CONDITIONS);
	if (twin_card_blank(c, e) != 0)
		return -1;
	return twin_store_save(&c->store, e);
}
