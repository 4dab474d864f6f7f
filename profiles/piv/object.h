/* Data objects of a PIV card, and certificates in them (SP 800-73-4 part 1, 4 and appendix A). */
#ifndef KILN_PIV_OBJECT_H
#define KILN_PIV_OBJECT_H

#include "card.h"

/* What is in the object (tag 53's value; ret is replaced); *ret_found is false where it is empty or not
 * there. Errors: as piv_call. */
must_check int piv_get(struct piv_card *c, uint32_t object, struct buf *ret, bool *ret_found,
    struct err *e);

/* Needs the management key. "piv.space" where the card has no room. */
must_check int piv_put(struct piv_card *c, uint32_t object, const struct buf *content,
    struct err *e);

/* Certificates (DERs one behind the other) as a certificate object's content, and back. DEVICE
 * "piv.object" for content that is something else, or compressed. */
must_check int piv_wrap(const struct buf *ders, struct buf *ret, struct err *e);
must_check int piv_unwrap(const struct buf *content, struct buf *ret_ders, struct err *e);

/* piv_get and piv_unwrap; DEVICE "piv.empty" where there is nothing. */
must_check int piv_get_certificates(struct piv_card *c, uint32_t object, struct buf *ret_ders,
    struct err *e);

#endif
