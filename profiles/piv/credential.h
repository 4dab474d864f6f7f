/*
 * What opens a card: the profile's secret, one line of words with a blank between them, each at most
 * once and in any order:
 *
 *   management-key=010203040506070801020304050607080102030405060708 pin=123456
 *
 * The management key has 16, 24 or 32 bytes. The PIN has 6 to 8 printable characters; it may be left out
 * for slots that need none.
 */
#ifndef KILN_PIV_CREDENTIAL_H
#define KILN_PIV_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secret.h"

enum { PIV_PIN_LEN = 8, PIV_PIN_MIN = 6, PIV_MANAGEMENT_KEY_MAX = 32 };

/* { 0 } is empty. Wiped by piv_credential_free. */
struct piv_credential {
	uint8_t key[PIV_MANAGEMENT_KEY_MAX];
	size_t key_len;
	bool factory;             /* key_len goes by the card's algorithm */
	uint8_t pin[PIV_PIN_LEN]; /* padded with FF, as the card takes it */
	bool has_pin;
};
void piv_credential_free(struct piv_credential *c);
OWNED_STRUCT(piv_credential, piv_credential_free)

/* Errors: CONFIG "piv.secret", which says what is wrong and quotes nothing. */
must_check int piv_credential_read(const struct secret *s, struct piv_credential *ret,
    struct err *e);

/* What cards come with: the key 0102030405060708 again and again, and 123456. */
void piv_credential_factory(struct piv_credential *ret);

#endif
