/*
 * Raw PKCS#11 on one module: what libp11 can not do, or does not survive (token state, one exact
 * login, attributes, key generation, random). hsm_raw.c has module, tokens and session,
 * hsm_object.c has keys. Nobody else makes a PKCS#11 call.
 */
#ifndef KILN_HSM_RAW_H
#define KILN_HSM_RAW_H

#include "hsm.h"

enum { HSM_TOKENS_MAX = 64 };

struct hsm_raw;

/* Loads and initialises the module. It stays in memory until the process ends: modules leave
 * threads and exit handlers behind. */
must_check int hsm_raw_open(struct hsm_raw **ret, const char *module, struct err *e);
/* Ends the session and finalises the module, which libp11 may have done before. */
void hsm_raw_close(struct hsm_raw *r);
OWNED_PTR(hsm_raw, hsm_raw_close)

/* True where the module gives each caller an instance of its own (p11-kit's remote client): sessions
 * and login are then not shared with libp11. */
bool hsm_raw_is_per_caller(const struct hsm_raw *r);

/* Tokens and their raw flags; no session, no login. */
must_check int hsm_raw_token(struct hsm_raw *r, unsigned long slot, struct hsm_token *ret,
    struct err *e);
must_check int hsm_raw_tokens(struct hsm_raw *r, struct hsm_token *ret, size_t max,
    size_t *ret_count, struct err *e);

/* The one session that all calls below use, read-only, on a token that is initialised. A second call
 * does nothing. */
must_check int hsm_raw_session(struct hsm_raw *r, unsigned long slot, struct err *e);
void hsm_raw_session_end(struct hsm_raw *r);
/* One C_Login, never repeated. hsm_ckr_is_pin tells whether the module counted it; *ret_absent: it can
 * not have, the token was not there. */
must_check int hsm_raw_login(struct hsm_raw *r, const struct secret *pin, bool *ret_absent,
    struct err *e);

must_check int hsm_raw_random(struct hsm_raw *r, uint8_t *ret, size_t len, struct err *e);
/* Mechanism by its PKCS#11 name: "CKM_ECDSA", "CKM_RSA_PKCS", "CKM_RSA_X_509". */
must_check int hsm_raw_has_mechanism(struct hsm_raw *r, unsigned long slot, const char *name,
    bool *ret, struct err *e);
/* C_InitToken on a free slot, then the user PIN. */
must_check int hsm_raw_init_token(struct hsm_raw *r, unsigned long slot, const char *label,
    const struct secret *so_pin, const struct secret *pin, struct err *e);

/* The private key of that label; more than one is an error, none is not (ret->present). */
must_check int hsm_raw_audit(struct hsm_raw *r, const char *label, struct hsm_key_audit *ret,
    struct err *e);
/* An error that names the first key, private or public, that libp11 can not read: it would hide all. */
must_check int hsm_raw_no_foreign_key(struct hsm_raw *r, struct err *e);
must_check int hsm_raw_keygen(struct hsm_raw *r, unsigned long slot, const char *label,
    const char *algorithm, struct err *e);

#endif
