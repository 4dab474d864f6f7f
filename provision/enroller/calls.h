/* The requests that kiln-enroller answers. */
#ifndef KILN_CALLS_H
#define KILN_CALLS_H

#include <openssl/evp.h>

#include "est.h"
#include "hsm.h"
#include "serve.h"

/* { 0 } is one that "open" has not configured yet. */
struct enroller {
	struct est *est;
	struct hsm *hsm; /* where the client key lies; NULL with an HTTP credential */
	EVP_PKEY *key;
	X509 *certificate;
};

void enroller_close(struct enroller *s);
OWNED_STRUCT(enroller, enroller_close)

/*
 * "open", once: {"url", "anchors": PEM, "retry_min_s", "retry_max_s", "retry_default_s", and one of
 *   "client": {"module", "token", "key", "pin": secret, "guard", "certificate": PEM, leaf and chain}
 *   "credential": secret, with "credential_kind": "basic" (user:password) or "header" (the whole
 *   value of Authorization)} -> {"backend", "class": see backend.h}
 *
 * "enrol": {"csr": base64, "deadline", "issuers": [base64], which may be absent}
 *   -> enrol_answer_to_json
 *
 * "cacerts": {"deadline"} -> {"certificates": [base64]}
 *
 * "check": {"deadline"} -> {"chain_ok", "client_expires_s" where there is a client, and either the
 *   value or "..._error": text of "tls" (with "peer" and "peer_expires_s"), "cacerts", "csrattrs",
 *   "date_offset_s"}
 *
 * The context is a struct enroller.
 */
extern const struct serve_call enroller_calls[];
extern const size_t enroller_call_count;

#endif
