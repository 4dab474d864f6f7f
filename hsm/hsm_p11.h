/*
 * libp11 on one token, for EVP_PKEY and nothing else. Slots are enumerated once: a second
 * enumeration's release would close every live session. No function here may be called for a token
 * that is not initialised: libp11 0.4.12 would wait for ever.
 */
#ifndef KILN_HSM_P11_H
#define KILN_HSM_P11_H

#include "hsm.h"

struct hsm_p11;

/* module is loaded and initialised by hsm_raw already. */
must_check int hsm_p11_open(struct hsm_p11 **ret, const char *module, unsigned long slot,
    struct err *e);
/* Releases the slots, then finalises the module. All EVP_PKEYs are freed before. */
void hsm_p11_close(struct hsm_p11 *p);
OWNED_PTR(hsm_p11, hsm_p11_close)

/* Only for a module that shares no login between callers. The PIN has just been proved right. */
must_check int hsm_p11_login(struct hsm_p11 *p, const struct secret *pin, struct err *e);

/* The private key with this label and id. */
must_check int hsm_p11_key(struct hsm_p11 *p, const char *label, const uint8_t *id, size_t id_len,
    EVP_PKEY **ret, struct err *e);

#endif
