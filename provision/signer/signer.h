/*
 * kiln-signer's service: typed attestation requests in, HSM signatures out. It signs statements whose
 * every claim it knows, for one station, each at a chain position above the last.
 *
 *   open    module, token, key, pin (secret), guard?, certificate (PEM: leaf, then its chain),
 *           state (path of the position file), station, spki? (SHA-256 of the public key that it must
 *           be, in hex: "hsm.operator.swapped") -> token, key, position (last seq, 0: none)
 *   status  -> position; an error where the token does not answer any more
 *   attest  statement (statement.h, without jti) -> statement (base64, canonical bytes), cms (base64
 *           DER), jws (text), jti (hex)
 *
 * One open for each process, also when it fails: a PKCS#11 module recovers only with its process. The
 * position is durable before an answer with a signature leaves; a request whose answer was lost is
 * refused when repeated ("signer.position") and must come at a new position.
 * Errors: HSM and CONFIG; code "statement" (CONFIG) for a statement that is not one.
 */
#ifndef KILN_SIGNER_H
#define KILN_SIGNER_H

#include "position.h"
#include "serve.h"
#include "x509.h"

struct hsm;

/* The context of signer_calls. { 0 } before open. */
struct signer {
	bool used; /* open was called */
	struct hsm *hsm;
	EVP_PKEY *key; /* of hsm; NULL until open has succeeded */
	X509 *leaf;
	X509_STACK *chain; /* without leaf */
	struct position position;
};

extern const struct serve_call signer_calls[];
extern const size_t signer_call_count;

/* Frees the key, then finalises the module: a TPM behind it would keep what an unclean end leaves. */
void signer_free(struct signer *s);
OWNED_STRUCT(signer, signer_free)

#endif
