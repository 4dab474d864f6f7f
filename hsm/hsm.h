/*
 * One token of a PKCS#11 module. Keys leave as EVP_PKEY (libp11, hsm_p11.c); everything else is raw
 * PKCS#11 (hsm_raw.c, hsm_object.c). One thread uses it, and it opens one token at a time. A module
 * that hangs or whose sessions died is recovered by ending the process, never in it: libp11 0.4.12 can
 * not reconnect.
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
	unsigned long pin_min, pin_max; /* bytes of a PIN */
	unsigned long slot;
};
const char *pin_state_name(enum pin_state state); /* "ok", "count-low", "final-try", ... */

struct hsm_key_audit {
	bool present;
	bool is_private; /* CKA_PRIVATE */
	bool sensitive, always_sensitive, extractable, never_extractable, local, sign;
	char type[16]; /* "EC:P-256", "EC:P-384", "RSA:3072", "ED25519", "other" */
	uint8_t id[32];
	size_t id_len;
};

/* Loads the module (a path) and finds the token by label, which must be unique; label NULL: only the
 * module. Any EVP_PKEY of the token is freed before hsm_close, which finalises the module. */
must_check int hsm_open(struct hsm **ret, const char *module, const char *label, struct err *e);
void hsm_close(struct hsm *h);
OWNED_PTR(hsm, hsm_close)
/* The second half of hsm_open, once, where its label was NULL. */
must_check int hsm_choose(struct hsm *h, const char *label, struct err *e);

/* Raw look at the token, no login, no libp11: never hangs on an uninitialised token. */
must_check int hsm_token(struct hsm *h, struct hsm_token *ret, struct err *e);
/* All tokens of the module; ret holds max, *ret_count are filled. */
must_check int hsm_tokens(struct hsm *h, struct hsm_token *ret, size_t max, size_t *ret_count,
    struct err *e);

/*
 * One login with this PIN, refused where the flags say FINAL_TRY or LOCKED, and where guard_file (a
 * file this process may write, NULL for none) says that a PIN failed before ("hsm.operator.guard"),
 * or that two logins never ended: a restarting service can not lock an HSM. A failed login leaves
 * guard_file; a person removes it (hsm_guard_clear) after correcting the PIN.
 */
must_check int hsm_login(struct hsm *h, const struct secret *pin, const char *guard_file,
    struct err *e);
must_check int hsm_guard_clear(const char *guard_file, struct err *e);

/* Attributes of the private key with that label. Needs a login. Absent is no error. */
must_check int hsm_key_audit(struct hsm *h, const char *label, struct hsm_key_audit *ret,
    struct err *e);
/* PRIVATE, SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL and SIGN all true and EXTRACTABLE
 * false, else HSM "hsm.fatal.key" naming all that is wrong; "hsm.operator.key" where it is absent. */
must_check int hsm_key_is_sound(const char *label, const struct hsm_key_audit *a, struct err *e);
/* The token offers the signing mechanism that libp11 uses with such a key; *ret_name is a static text
 * that says which. */
must_check int hsm_mechanism(struct hsm *h, const struct hsm_key_audit *a, const char **ret_name,
    struct err *e);
/* The private key with that label as EVP_PKEY (legacy, libp11); freed before hsm_close. A key on the
 * token that libp11 can not read is an error that names it ("hsm.operator.foreign-key"). */
must_check int hsm_key(struct hsm *h, const char *label, EVP_PKEY **ret, struct err *e);
/* Signs random bytes and verifies with the key's public half. */
must_check int hsm_key_test(struct hsm *h, EVP_PKEY *key, struct err *e);
/* Random bytes from the token. Needs a login. */
must_check int hsm_random(struct hsm *h, uint8_t *ret, size_t len, struct err *e);

/* What a signature of this key hashes with: "SHA384" for P-384, else "SHA256". */
const char *hsm_key_digest(const EVP_PKEY *key);
/* As err_openssl, for calls that used a key of the token: the module's own return value decides the
 * code where OpenSSL's queue has one, else it is "hsm.rebuild". Empties the queue. */
int hsm_openssl_error(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Administration. */
/* Gives a token that is not initialised yet this label, which no other has, and both PINs. */
must_check int hsm_init_token(const char *module, const char *label, const struct secret *so_pin,
    const struct secret *pin, struct err *e);
/* algorithm "EC:P-256", "EC:P-384", "RSA:3072"; refuses a label that exists. Needs a login. */
must_check int hsm_keygen(struct hsm *h, const char *label, const char *algorithm, struct err *e);

#endif
