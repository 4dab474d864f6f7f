/*
 * An emulated PIV card (NIST SP 800-73-4 part 2), most variants with Yubico's extensions, without its
 * reader: command APDUs in, response APDUs out. It knows no time: what takes long is said, and the
 * caller waits.
 */
#ifndef KILN_TWIN_CARD_H
#define KILN_TWIN_CARD_H

#include "twin.h"
#include "twin_apdu.h"
#include "twin_fault.h"
#include "twin_store.h"

/* What a variant can do. */
struct twin_traits {
	const char *name;
	const uint8_t *atr;
	size_t atr_len;
	const uint8_t *application; /* what SELECT answers */
	size_t application_len;
	bool extensions;              /* Yubico's instructions, and a key to attest with */
	bool short_only;              /* the reader takes no extended APDU */
	bool keeps_status;            /* SELECT of what is selected changes nothing (3.1.1) */
	uint8_t version[3];           /* of the firmware */
	uint8_t management_algorithm; /* of the key it is born with */
	uint8_t tries;                /* of PIN and PUK */
	uint8_t algorithms[4];        /* of key pairs, 0 at the end */
	uint16_t wrong_management;    /* status word of an answer to the challenge that is wrong */
};
extern const char *const twin_card_variants[];
/* NULL: the default; NULL is returned where there is none of that name. */
const struct twin_traits *twin_card_traits(const char *variant);

enum twin_sw {
	SW_OK = 0x9000,
	SW_MORE = 0x6100,
	SW_TRIES = 0x63c0,
	SW_LENGTH = 0x6700,
	SW_SECURITY = 0x6982,
	SW_BLOCKED = 0x6983,
	SW_CONDITIONS = 0x6985,
	SW_DATA = 0x6a80,
	SW_NOT_FOUND = 0x6a82,
	SW_NO_SPACE = 0x6a84,
	SW_P1P2 = 0x6a86,
	SW_REFERENCE = 0x6a88,
	SW_INS = 0x6d00,
	SW_CLA = 0x6e00,
	SW_ERROR = 0x6f00,
};

/* Management authentication that has begun, for the next command only. */
enum twin_challenge { TWIN_NO_CHALLENGE, TWIN_WITNESS, TWIN_CHALLENGE };

struct twin_card {
	const struct twin_config *config; /* borrowed */
	const struct twin_traits *traits;
	struct twin_fault fault;
	struct twin_store store;
	/* until the next reset: */
	bool selected, authenticated;
	bool pin_verified, pin_fresh; /* fresh: since the last use of a private key */
	enum twin_challenge challenge;
	uint8_t expected[TWIN_BLOCK_MAX]; /* answer to the challenge */
	struct twin_apdu chain_head;      /* of the commands that are chained; ins 0: none */
	struct buf chain;
	struct buf rest; /* of an answer, for GET RESPONSE */
	/* of the faults: */
	EVP_PKEY *other_key, *foreign_key; /* foreign_key: instead of the attestation key */
	struct buf foreign;                /* and its certificate's object */
	int64_t work_ms;                   /* how long it works on the last command */
};
void twin_card_free(struct twin_card *c);
OWNED_STRUCT(twin_card, twin_card_free)

/* twin_family's check. */
must_check int twin_card_check(const struct twin_config *config, struct err *e);
/* A card as it was left in config->folder (NULL: a new one that keeps nothing). config outlives it. */
must_check int twin_card_open(struct twin_card *ret, const struct twin_config *config,
    struct err *e);
/* Power on, warm or cold: the session is forgotten. */
void twin_card_reset(struct twin_card *c);

/* Any bytes; ret is replaced and ends in SW1 SW2. -1 only when the flash can not be written. */
must_check int twin_card_transmit(struct twin_card *c, const uint8_t *apdu, size_t len,
    struct buf *ret, struct err *e);

/* Which of the station's steps a command belongs to, as far as a card can tell; else STEP_COUNT. */
enum step_id twin_card_step(const struct twin_card *c, const uint8_t *apdu, size_t len);
bool twin_card_strikes(const struct twin_card *c, enum twin_fault_kind kind, enum step_id step);
/* Counts a fault that struck, here or in the reader. */
must_check int twin_card_struck(struct twin_card *c, struct err *e);

/* Yubico's serial number: the last digits of the device's, nine at most; without digits a hash of it. */
uint32_t twin_card_serial(const struct twin_config *config);

/* --- for the instructions, twin_*.c --- */

struct twin_reply {
	struct buf data;
	uint16_t sw;
};

typedef int twin_instruction(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e);
twin_instruction twin_do_verify, twin_do_change_reference, twin_do_reset_retry, twin_do_set_retries;
twin_instruction twin_do_get_data, twin_do_put_data;
twin_instruction twin_do_authenticate, twin_do_generate, twin_do_sign;
twin_instruction twin_do_get_version, twin_do_get_serial, twin_do_get_metadata, twin_do_attest;
twin_instruction twin_do_set_management, twin_do_reset_card;

/* Sets the status word and returns 0. */
int twin_say(struct twin_reply *r, uint16_t sw);
/* What a new card has, and one after RESET: default secrets, CHUID, CCC. */
must_check int twin_card_blank(struct twin_card *c, struct err *e);
bool twin_card_can(const struct twin_card *c, uint8_t algorithm);
/* 9A 9C 9D 9E 82..95. */
bool twin_is_key_slot(uint8_t slot);

#endif
