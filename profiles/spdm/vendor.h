/* The vendor-defined messages of README.md. */
#ifndef KILN_SPDM_VENDOR_H
#define KILN_SPDM_VENDOR_H

#include "connection.h"

struct spdm_vendor_identity {
	char model[VENDOR_TEXT_MAX + 1]; /* "" where it is not said, as all texts here */
	char serial[VENDOR_TEXT_MAX + 1];
	char firmware[VENDOR_TEXT_MAX + 1];
	char lifecycle[VENDOR_TEXT_MAX + 1];
	char uuid[37];
	bool has_digest;    /* of the firmware, in message */
	struct buf message; /* the whole answer */
};
void spdm_vendor_identity_free(struct spdm_vendor_identity *i);
OWNED_STRUCT(spdm_vendor_identity, spdm_vendor_identity_free)

/* Errors of all: as spdm_exchange; DEVICE "device.protocol" for a wrong answer. */
must_check int spdm_vendor_identify(struct spdm_connection *c, struct spdm_vendor_identity *ret,
    struct err *e);
must_check int spdm_vendor_put_anchors(struct spdm_connection *c, const struct buf *anchors,
    struct err *e);
/* Length and SHA-256 of what is stored. */
must_check int spdm_vendor_get_anchors(struct spdm_connection *c, uint32_t *ret_len,
    uint8_t ret[static SHA256_LEN], struct err *e);
must_check int spdm_vendor_seal(struct spdm_connection *c, struct err *e);
must_check int spdm_vendor_reset(struct spdm_connection *c, struct err *e);

/* 8-4-4-4-12 hex of RFC 4122 bytes. */
void spdm_uuid_text(const uint8_t uuid[static VENDOR_UUID_LEN], char ret[static 37]);

#endif
