/*
 * What an emulated device keeps without power: keys, certificates, anchors, whether it is sealed. One
 * file that is replaced as a whole, so that a device unplugged at any moment has the old state or the
 * new one.
 */
#ifndef KILN_TWIN_FLASH_H
#define KILN_TWIN_FLASH_H

#include "twin_key.h"

enum { TWIN_KEYS = 2, TWIN_TRACKING_TAGS = 7 };

/* KeyPairID is the index plus one. */
struct twin_key_pair {
	EVP_PKEY *key; /* NULL: erased or never made */
	uint32_t asym; /* AsymAlgo of key pairs, 0 without a key */
	uint16_t usage;
	uint8_t slots; /* AssocCertSlotMask */
};

/* Certificate slot 0. certificates are DERs, root first; empty: no certificate. */
struct twin_slot {
	struct buf certificates;
	uint8_t pair; /* KeyPairID of the leaf's key */
	uint8_t model;
};

enum twin_tag_state { TWIN_TAG_FREE, TWIN_TAG_WAITS, TWIN_TAG_READY };

/* A GET_CSR that was answered with ResetRequired. */
struct twin_tag {
	enum twin_tag_state state;
	uint8_t request[SHA256_LEN]; /* digest of the message without its tag */
};

struct twin_flash {
	char *path;
	struct twin_key_pair pairs[TWIN_KEYS];
	struct twin_slot slot, pending; /* pending is in effect after the next reset */
	struct buf anchors;
	bool sealed;
	bool requested;                           /* a CSR has left the device */
	int64_t faults;                           /* how often the planned fault has struck */
	struct twin_tag tags[TWIN_TRACKING_TAGS]; /* CSRTrackingTag is the index plus one */
};
void twin_flash_free(struct twin_flash *f);
OWNED_STRUCT(twin_flash, twin_flash_free)

/* Reads folder's file; a folder without one is a new device. */
must_check int twin_flash_load(struct twin_flash *ret, const char *folder, struct err *e);
must_check int twin_flash_save(const struct twin_flash *f, struct err *e);
/* What a reset puts into effect. *ret_changed: there was something, and it is to be saved. */
void twin_flash_reset(struct twin_flash *f, bool *ret_changed);

#endif
