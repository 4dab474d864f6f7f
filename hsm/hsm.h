/*
 * One token of a PKCS#11 module. Keys leave as EVP_PKEY (libp11, hsm_p11.c); everything else is raw
 * PKCS#11 (hsm_raw.c). One thread uses it. A module that hangs or whose sessions died is recovered by
 * ending the process, never in it (reference: libp11 0.4.12 can not reconnect).
 *
 * Errors are of domain HSM. code says what to do: "hsm.operator..." a person must act (PIN, absent
 * token), "hsm.rebuild..." the process must be restarted, "hsm.fatal..." neither helps.
 */
#ifndef KILN_HSM_H
#define KILN_HSM_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "buf.h"
#include "err.h"
#include "secret.h"

struct hsm;

/* Where the PIN counter stands, from the raw token flags, before any login (PKCS#11 2.40, 3.2). */
enum pin_state { PIN_OK, PIN_COUNT_LOW, PIN_FINAL_TRY, PIN_LOCKED, PIN_NOT_SET };

struct hsm_token {
	char label[33];
	char serial[17];
	char manufacturer[33];
	char model[17];
	bool initialised;
	bool login_required;
	enum pin_state user_pin;
	unsigned long slot;
};

struct hsm_key_audit {
	bool present;
	bool is_private; /* CKA_PRIVATE */
	bool sensitive, always_sensitive, extractable, never_extractable, local, sign;
	char type[16]; /* "EC:P-256", "EC:P-384", "RSA:3072", "ED25519", "other" */
	uint8_t id[32];
	size_t id_len;
};

/* Loads the module (a path) and finds the token by label; label NULL: only the module. */
must_check int hsm_open(struct hsm **ret, const char *module, const char *label, struct err *e);
void hsm_close(struct hsm *h);
OWNED_PTR(hsm, hsm_close)

/* Raw look at the token, no login, no libp11: never hangs on an uninitialised token. */
must_check int hsm_token(struct hsm *h, struct hsm_token *ret, struct err *e);
/* All tokens of the module; ret holds max, *ret_count are filled. */
must_check int hsm_tokens(
    struct hsm *h, struct hsm_token *ret, size_t max, size_t *ret_count, struct err *e);

/*
 * One login with this PIN, refused where the flags say FINAL_TRY or LOCKED, and where guard_file (a
 * file this process may write, NULL for none) says that this token's PIN failed before: a restarting
 * service can not lock an HSM. A failed login writes guard_file; a person removes it
 * (hsm_guard_clear) after correcting the PIN.
 */
must_check int hsm_login(
    struct hsm *h, const struct secret *pin, const char *guard_file, struct err *e);
must_check int hsm_guard_clear(const char *guard_file, struct err *e);

/* Attributes of the private key with that label. Needs a login. Absent is no error. */
must_check int hsm_key_audit(
    struct hsm *h, const char *label, struct hsm_key_audit *ret, struct err *e);
/* SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL all true and EXTRACTABLE false, else HSM
 * "hsm.fatal.key" naming what is wrong. */
must_check int hsm_key_is_sound(const char *label, const struct hsm_key_audit *a, struct err *e);
/* The private key with that label as EVP_PKEY (legacy, libp11); freed before hsm_close. */
must_check int hsm_key(struct hsm *h, const char *label, EVP_PKEY **ret, struct err *e);
/* Signs random bytes and verifies with the key's public half. */
must_check int hsm_key_test(struct hsm *h, EVP_PKEY *key, struct err *e);
/* Random bytes from the token. */
must_check int hsm_random(struct hsm *h, uint8_t *ret, size_t len, struct err *e);

/* Administration. */
must_check int hsm_init_token(const char *module, const char *label, const struct secret *so_pin,
    const struct secret *pin, struct err *e);
/* algorithm "EC:P-256", "EC:P-384", "RSA:3072"; refuses a label that exists. Needs a login. */
must_check int hsm_keygen(struct hsm *h, const char *label, const char *algorithm, struct err *e);

#endif
