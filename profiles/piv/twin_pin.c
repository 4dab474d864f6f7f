/* VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (SP 800-73-4 part 2, 3.2), and Yubico's SET PIN RETRIES. */
#include <string.h>

#include <openssl/crypto.h>

#include "twin_card.h"

enum { REFERENCE_PIN = 0x80, REFERENCE_PUK = 0x81 };

/*
 * The counter goes down in the flash before the two are compared: a card that loses its power at the
 * right moment gives no try for nothing. *ret_sw: 9000, 63Cx or 6983.
 */
static int try(struct twin_card *c, struct twin_pin *pin, const uint8_t *value, uint16_t *ret_sw,
    struct err *e)
{
	*ret_sw = SW_BLOCKED;
	if (pin->left == 0)
		return 0;
	pin->left--;
	if (twin_store_save(&c->store, e) != 0)
		return -1;
	*ret_sw = (uint16_t)(SW_TRIES | pin->left);
	if (CRYPTO_memcmp(pin->value, value, TWIN_PIN_LEN) != 0)
		return 0;
	pin->left = pin->tries;
	*ret_sw = SW_OK;
	return twin_store_save(&c->store, e);
}

/* Without data: is it verified, and if not, how many tries are left? */
static int tell(const struct twin_card *c, struct twin_reply *r)
{
	if (c->pin_verified)
		return twin_say(r, SW_OK);
	if (c->store.pin.left == 0)
		return twin_say(r, SW_BLOCKED);
	return twin_say(r, (uint16_t)(SW_TRIES | c->store.pin.left));
}

int twin_do_verify(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	if (a->p1 != 0x00 && a->p1 != 0xff)
		return twin_say(r, SW_P1P2);
	if (a->p2 != REFERENCE_PIN)
		return twin_say(r, SW_REFERENCE);
	if (a->p1 == 0xff) {
		c->pin_verified = c->pin_fresh = false;
		return twin_say(r, a->len == 0 ? SW_OK : SW_DATA);
	}
	if (a->len == 0)
		return tell(c, r);
	if (a->len != TWIN_PIN_LEN)
		return twin_say(r, SW_DATA);
	c->pin_verified = c->pin_fresh = false;
	if (try(c, &c->store.pin, a->data, &r->sw, e) != 0)
		return -1;
	c->pin_verified = c->pin_fresh = r->sw == SW_OK;
	return 0;
}

/* Six to eight bytes, padded with FF. */
static bool is_acceptable(const uint8_t value[static TWIN_PIN_LEN])
{
	size_t len = 0;

	while (len < TWIN_PIN_LEN && value[len] != 0xff)
		len++;
	for (size_t i = len; i < TWIN_PIN_LEN; i++)
		if (value[i] != 0xff)
			return false;
	return len >= 6;
}

/* Old or PUK, then new. */
static int replace(struct twin_card *c, struct twin_pin *checked, struct twin_pin *changed,
    const struct twin_apdu *a, struct twin_reply *r, struct err *e)
{
	const uint8_t *fresh;

	if (a->len != 2 * TWIN_PIN_LEN)
		return twin_say(r, SW_DATA);
	fresh = a->data + TWIN_PIN_LEN;
	if (!is_acceptable(fresh))
		return twin_say(r, SW_DATA);
	if (try(c, checked, a->data, &r->sw, e) != 0)
		return -1;
	if (r->sw != SW_OK)
		return 0;
	memcpy(changed->value, fresh, TWIN_PIN_LEN);
	changed->left = changed->tries;
	return twin_store_save(&c->store, e);
}

int twin_do_change_reference(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	struct twin_pin *pin = a->p2 == REFERENCE_PUK ? &c->store.puk : &c->store.pin;

	if (a->p1 != 0x00)
		return twin_say(r, SW_P1P2);
	if (a->p2 != REFERENCE_PIN && a->p2 != REFERENCE_PUK)
		return twin_say(r, SW_REFERENCE);
	return replace(c, pin, pin, a, r, e);
}

int twin_do_reset_retry(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	if (a->p1 != 0x00)
		return twin_say(r, SW_P1P2);
	if (a->p2 != REFERENCE_PIN)
		return twin_say(r, SW_REFERENCE);
	return replace(c, &c->store.puk, &c->store.pin, a, r, e);
}

/* Both are then what they were on a new card. */
int twin_do_set_retries(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	struct twin_store *s = &c->store;

	if (!c->authenticated || !c->pin_verified)
		return twin_say(r, SW_SECURITY);
	if (a->p1 == 0 || a->p1 > 15 || a->p2 == 0 || a->p2 > 15)
		return twin_say(r, SW_P1P2);
	memcpy(s->pin.value, "123456\xff\xff", TWIN_PIN_LEN);
	memcpy(s->puk.value, "12345678", TWIN_PIN_LEN);
	s->pin.left = s->pin.tries = a->p1;
	s->puk.left = s->puk.tries = a->p2;
	return twin_store_save(s, e);
}
