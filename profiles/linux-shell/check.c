#include "family.h"

#include <string.h>

#include "options.h"
#include "proof.h"

enum { SIGNATURE_MAX = 1024 };

static int check_options(const struct profile *p, struct err *e)
{
	struct shell_options options = { 0 };

	return shell_options(p, &options, e);
}

static int check_proof(const struct profile *p, const struct proof *proof, struct proof_claims *ret,
    struct err *e)
{
	const uint8_t *at = proof->preimage.data;

	(void)p; /* the layout is the same for every product */
	if (strcmp(proof->scheme, SHELL_PROOF_SCHEME) != 0)
		return err_set(e, ERR_DEVICE, "proof.scheme",
		    "the proof is a \"%s\", not a " SHELL_PROOF_SCHEME, proof->scheme);
	if (proof->preimage.len != SHELL_PROOF_LEN)
		return err_set(e, ERR_DEVICE, "proof.layout",
		    "a " SHELL_PROOF_SCHEME " has %d bytes, not %zu", SHELL_PROOF_LEN,
		    proof->preimage.len);
	if (memcmp(at, SHELL_PROOF_SCHEME, SHELL_PROOF_PREFIX_LEN) != 0)
		return err_set(e, ERR_DEVICE, "proof.layout",
		    "the signed bytes do not begin with " SHELL_PROOF_SCHEME);
	if (proof->signature.len == 0 || proof->signature.len > SIGNATURE_MAX)
		return err_set(e, ERR_DEVICE, "proof.signature",
		    "a signature of %zu bytes; 1 to %d are accepted", proof->signature.len,
		    SIGNATURE_MAX);
	if (buf_set(&ret->message, at, SHELL_PROOF_LEN, e) != 0 ||
	    buf_set(&ret->signature, proof->signature.data, proof->signature.len, e) != 0)
		return -1;
	at += SHELL_PROOF_PREFIX_LEN;
	memcpy(ret->nonce, at, SHELL_PROOF_NONCE_LEN);
	memcpy(ret->leaf_sha256, at + SHELL_PROOF_NONCE_LEN, SHA256_LEN);
	memcpy(ret->digest, "SHA256", sizeof("SHA256"));
	return 0;
}

const struct family linux_shell_family = {
	.name = "linux-shell",
	.keygen = true,
	.seals = true,
	.anchors = true,
	.identity_before_key = true,
	.links = 1u << LINK_SERIAL,
	.objects = 1u << OBJECT_LEAF | 1u << OBJECT_CHAIN | 1u << OBJECT_ANCHORS,
	.check_options = check_options,
	.check_proof = check_proof,
};
