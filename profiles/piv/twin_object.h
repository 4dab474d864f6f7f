/* The data objects of an emulated card (SP 800-73-4 part 1, section 3). */
#ifndef KILN_TWIN_OBJECT_H
#define KILN_TWIN_OBJECT_H

#include "twin_card.h"

enum {
	TWIN_TAG_CHUID = 0x5fc102,
	TWIN_TAG_CCC = 0x5fc107,
	TWIN_TAG_DISCOVERY = 0x7e,
	TWIN_TAG_ATTESTATION = 0x5fff01,
};

/* Removes all objects but the attestation key's certificate, and adds CHUID and CCC. */
must_check int twin_object_fill(struct twin_card *c, struct err *e);
/* The object of a certificate alone: 53 { 70 cert, 71 01 00, FE 00 }. Appended. */
must_check int twin_object_wrap(const struct buf *der, struct buf *ret, struct err *e);
/* An APDU with GET DATA's data field asks for the certificate of a key slot. */
bool twin_object_is_certificate_asked(const uint8_t *apdu, size_t len);

#endif
