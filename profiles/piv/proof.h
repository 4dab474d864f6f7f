/* The family's proof of possession: what the card's key signs. */
#ifndef KILN_PIV_PROOF_H
#define KILN_PIV_PROOF_H

#include "buf.h"

/* The name of the layout: PREFIX with its NUL, the nonce, SHA-256 of the certificate's DER. Signed with
 * the digest that goes with the key's algorithm (pkcs10_digest). */
#define PIV_PROOF_SCHEME "piv-signature"

enum {
	PIV_PROOF_PREFIX_LEN = sizeof(PIV_PROOF_SCHEME),
	PIV_PROOF_NONCE_LEN = 32,
	PIV_PROOF_LEN = PIV_PROOF_PREFIX_LEN + PIV_PROOF_NONCE_LEN + SHA256_LEN,
};

#endif
