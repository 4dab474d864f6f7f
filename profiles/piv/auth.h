/* What a card wants before it works: its management key, its PIN. Neither is ever tried twice. */
#ifndef KILN_PIV_AUTH_H
#define KILN_PIV_AUTH_H

#include "card.h"
#include "credential.h"

enum { PIV_BLOCK_MAX = 16 };

/*
 * The algorithm of the card's management key: configured where that is not 0, else what the card says
 * of itself, else what goes with the key's length. A factory key gets the length it needs. CONFIG "piv.secret"
 * where the key's length does not fit.
 */
must_check int piv_management_algorithm(struct piv_card *c, uint8_t configured,
    struct piv_credential *key, uint8_t *ret, struct err *e);

/*
 * Mutual authentication (SP 800-73-4 part 2, 3.2.4 and appendix A.1): the card has to know the key, too.
 * challenge is random, a block of the algorithm (8 bytes for 3DES, else 16). Errors: DEVICE
 * "piv.management-key" (the card refuses it), "piv.management-card" (the card does not know it).
 */
must_check int piv_manage(struct piv_card *c, uint8_t algorithm, const struct piv_credential *key,
    const uint8_t challenge[static PIV_BLOCK_MAX], struct err *e);

/* How often the PIN may still be wrong; -1: it is verified already. Costs no try. Errors: DEVICE
 * "piv.pin-counter" (the card does not say). */
must_check int piv_pin_tries(struct piv_card *c, int *ret, struct err *e);

/*
 * Verifies the PIN, unless the card counts only one more try. Only of a card that has answered piv_manage
 * since it was powered: another would learn the PIN. accepted: this card has accepted this PIN
 * before, in this session: so it may be verified again where the card wants that before each use.
 * Errors, all DEVICE: "piv.pin" (the card refuses it; the message says how many tries are left),
 * "piv.pin-blocked", "piv.pin-last-try", "piv.pin-counter". An answer to the PIN that was lost on the link is no
 * error to retry.
 */
must_check int piv_verify(struct piv_card *c, const struct piv_credential *pin, bool *accepted,
    struct err *e);

#endif
