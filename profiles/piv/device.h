/* The driver's state, and its opening over any reader: tests bring one that plays a script. */
#ifndef KILN_PIV_DEVICE_H
#define KILN_PIV_DEVICE_H

#include "card.h"
#include "ccid.h"
#include "check_options.h"
#include "credential.h"
#include "driver.h"

struct piv_device {
	struct device base;
	struct piv_options options;
	struct piv_credential credential;
	struct ccid ccid;
	struct piv_card card;
	char label[PIV_LABEL_MAX + 1];
	bool ready;        /* powered, the application was chosen, and nothing failed since */
	bool managed;      /* it has shown that it knows the management key, since it was powered */
	bool pin_accepted; /* by this card, since it was powered */
	/* The card said no: it is not asked again. */
	struct err pin_refusal, management_refusal;
	struct buf spki; /* of the key that this driver made; empty: not known */
};

/* As driver.h's open. context: of the reader; NULL: the device's ccid. */
must_check int piv_device_open(struct device **ret, const struct device *base,
    const struct piv_reader *reader, void *context, struct err *e);

#endif
