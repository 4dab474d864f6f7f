/*
 * What an emulated card keeps without power: keys, objects, PIN and PUK with their counters, the
 * management key. One file in its folder, replaced whole: a cut leaves the old content or the new.
 */
#ifndef KILN_TWIN_STORE_H
#define KILN_TWIN_STORE_H

#include "twin_engine.h"

enum {
	TWIN_KEYS_MAX = 25,
	TWIN_OBJECTS_MAX = 40,
	TWIN_OBJECT_LEN = 3072,
	TWIN_PIN_LEN = 8,
	TWIN_SLOT_ATTESTATION = 0xf9,
};

struct twin_key {
	uint8_t slot; /* key reference: 0x9a */
	uint8_t algorithm, pin_policy, touch_policy;
	EVP_PKEY *key; /* NULL: this place is free */
};

struct twin_object {
	uint32_t tag;       /* 0x5fc105; 0: this place is free */
	struct buf content; /* the whole data object: tag 53, length, value */
};

struct twin_pin {
	uint8_t value[TWIN_PIN_LEN];
	uint8_t left, tries; /* left of so many */
};

struct twin_store {
	char *path, *log_path; /* NULL: nothing is kept */
	int64_t writes;        /* in the card's life, torn ones too */
	int64_t cut;           /* the write in which it loses its power, 0: none */
	bool torn;             /* that write is lost */
	bool made;             /* it has been written once */
	struct twin_key keys[TWIN_KEYS_MAX];
	struct twin_object objects[TWIN_OBJECTS_MAX];
	struct twin_pin pin, puk;
	uint8_t management_algorithm, management[TWIN_CIPHER_KEY_MAX];
	bool certified; /* a certificate was stored since the last key was made */
	int64_t faults; /* how often the planned fault has struck */
};
void twin_store_free(struct twin_store *s);
OWNED_STRUCT(twin_store, twin_store_free)

/* Reads folder's file; a folder without one is a new card (made is false). folder NULL: nothing is kept. */
must_check int twin_store_load(struct twin_store *ret, const char *folder, struct err *e);
/* DEVICE "twin.power": the power went, the card is to leave at once. */
must_check int twin_store_save(struct twin_store *s, struct err *e);

/* The key of a slot, or NULL. */
const struct twin_key *twin_store_key(const struct twin_store *s, uint8_t slot);
/* Takes over key->key, also on failure; what was there goes. */
must_check int twin_store_put_key(struct twin_store *s, const struct twin_key *key, struct err *e);
void twin_store_drop_keys(struct twin_store *s);

/* The object of a tag, or NULL. */
const struct twin_object *twin_store_object(const struct twin_store *s, uint32_t tag);
/* content is copied; NULL removes it. False: there is no room. */
must_check int twin_store_put_object(struct twin_store *s, uint32_t tag, const struct buf *content,
    bool *ret_room, struct err *e);

#endif
