/* Any bytes as transfers to the emulated card's reader, and as APDUs to the card. */
#include <stdlib.h>
#include <string.h>

#include "piv/twin_ccid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* bit 0..2: variant; bit 3: the management key was shown; bit 4: so was the PIN; bit 5: bare APDUs */
enum { SETUP_LEN = 1, VARIANTS = 5, AUTHENTICATED = 8, VERIFIED = 16, BARE = 32 };

/* An RSA key takes longer than a thousand of the other inputs. */
static void spare(struct twin_card *c)
{
	for (size_t i = 0; i < COUNT(c->store.keys); i++)
		if (c->store.keys[i].algorithm == TWIN_RSA2048 ||
		    c->store.keys[i].algorithm == TWIN_RSA3072)
			abort();
}

static void send(struct twin_card *c, struct twin_ccid *r, bool bare, const uint8_t *data,
    size_t len)
{
	AUTO_STRUCT(buf) answer = { 0 };
	enum twin_ccid_fate fate;
	struct err e = { 0 };

	if (bare) {
		if (twin_card_transmit(c, data, len, &answer, &e) != 0 || answer.len < 2)
			abort();
		return;
	}
	if (twin_ccid_take(r, data, len, &fate, &e) != 0)
		abort();
	if (fate == TWIN_CCID_ANSWER && r->answer.len < TWIN_CCID_HEADER)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t select[] = { 0, 0xa4, 4, 0, 5, 0xa0, 0, 0, 3, 8 };
	struct twin_traits traits;
	struct twin_config config = { .serial = "PIV0000001" };
	AUTO_STRUCT(twin_card) c = { 0 };
	AUTO_STRUCT(twin_ccid) r = { .card = &c, .active = true };
	struct err e = { 0 };

	if (size < SETUP_LEN)
		return 0;
	config.variant = twin_card_variants[(data[0] & 7) % VARIANTS];
	if (twin_card_open(&c, &config, &e) != 0)
		abort();
	traits = *c.traits;
	memcpy(traits.algorithms, (const uint8_t[]){ TWIN_P256, TWIN_P384, 0, 0 }, 4);
	c.traits = &traits;
	send(&c, &r, true, select, sizeof(select));
	c.authenticated = (data[0] & AUTHENTICATED) != 0;
	c.pin_verified = c.pin_fresh = (data[0] & VERIFIED) != 0;
	for (size_t at = SETUP_LEN; at < size; at += 1U + data[at]) {
		size_t len = data[at] < size - at - 1 ? data[at] : size - at - 1;

		send(&c, &r, (data[0] & BARE) != 0, data + at + 1, len);
	}
	spare(&c);
	return 0;
}
