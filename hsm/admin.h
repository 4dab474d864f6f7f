/*
 * Administration of tokens, as rows for serve(): kiln-signer --admin and kiln-enroller --admin answer
 * them with a NULL context. Each call opens the module, acts and closes it again; nothing stays.
 * Secrets are base64 members that are wiped as they are read.
 *
 *   status       module, token?                  -> tokens: [{label, serial, manufacturer, model,
 *                                                   initialised, user_pin, slot}]; token: only that
 *   init         module, token, so_pin, pin      -> {}
 *   keygen       module, token, pin, guard?, key, algorithm -> key: attributes as in audit
 *   csr          module, token, pin, guard?, key, subject, ra?, attestation? -> csr: base64 DER
 *   audit        module, token, pin?, guard?, key -> checks: [{check, ok: text} or {check, err}], in the
 *                order module, token, pin, login, key, attributes, mechanism, signature, up to the first
 *                one that fails; without a pin it ends before the login
 *   guard_clear  guard                           -> {}
 */
#ifndef KILN_HSM_ADMIN_H
#define KILN_HSM_ADMIN_H

#include "serve.h"

extern const struct serve_call hsm_admin_calls[];
extern const size_t hsm_admin_call_count;

#endif
