/* Who the card is, without any secret. */
#ifndef KILN_PIV_IDENTIFY_H
#define KILN_PIV_IDENTIFY_H

#include "card.h"
#include "check_options.h"

/* label: of the application, as piv_select read it. Errors: DEVICE "piv.identity" (no serial, no GUID,
 * no model), as piv_call. */
must_check int piv_identify(struct piv_card *c, const struct piv_options *o, const char *label,
    struct identity *ret, struct err *e);

#endif
