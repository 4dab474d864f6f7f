/*
 * What an emulated device keeps without power: keys, certificates, anchors, whether it is sealed. One
 * record that is written as a whole, so that a device unplugged at any moment, or torn in the middle of a
 * write, has the old state or the new one. Beside it lies flash.log, the emulator's own: a line for each write.
 */
#ifndef KILN_TWIN_FLASH_H
#define KILN_TWIN_FLASH_H

#include "twin_bank.h"
#include "twin_key.h"

enum { TWIN_KEYS = 2, TWIN_TRACKING_TAGS = 7 };

/* KeyPairID is the index plus one. */
struct twin_key_pair {
	EVP_PKEY *key;     /* NULL: erased or never made */
	struct buf stored; /* the key as it lies in the flash; empty until it does */
	uint32_t asym;     /* AsymAlgo of key pairs, 0 without a key */
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
	char *path, *log_path;
	uint32_t number;       /* of the record that is in effect */
	int64_t writes;        /* in the device's life, torn ones too */
	int64_t cut;           /* the write in which it loses its power, 0: none */
	struct twin_tear tear; /* and how that ends */
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
/* DEVICE "twin.power": the power went, the device is to leave the line at once. */
must_check int twin_flash_save(struct twin_flash *f, struct err *e);
/* What a reset puts into effect. *ret_changed: there was something, and it is to be saved. */
void twin_flash_reset(struct twin_flash *f, bool *ret_changed);

#endif
