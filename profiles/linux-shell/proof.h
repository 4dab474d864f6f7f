/* The family's proof of possession: what the device's key signs. */
#ifndef KILN_SHELL_PROOF_H
#define KILN_SHELL_PROOF_H

#include "buf.h"

/* The name of the layout: PREFIX with its NUL, the nonce, SHA-256 of the certificate's DER. Signed
 * with SHA-256. */
#define SHELL_PROOF_SCHEME "kiln-proof-v1"

enum {
	SHELL_PROOF_PREFIX_LEN = sizeof(SHELL_PROOF_SCHEME),
	SHELL_PROOF_NONCE_LEN = 32,
	SHELL_PROOF_LEN = SHELL_PROOF_PREFIX_LEN + SHELL_PROOF_NONCE_LEN + SHA256_LEN,
};

#endif
