#include "family.h"

#include <string.h>

#include "check_options.h"
#include "check_origin.h"
#include "proof.h"

enum { SIGNATURE_MAX = 1024 };

static int check_options(const struct profile *p, struct err *e)
{
	struct piv_options options;

	return piv_options_read(p, &options, e);
}

static int check_layout(const struct proof *proof, struct err *e)
{
	if (strncmp(proof->scheme, PIV_PROOF_SCHEME, sizeof(proof->scheme)) != 0)
		return err_set(e, ERR_DEVICE, "proof.scheme",
		    "the proof is a \"%.*s\", not a " PIV_PROOF_SCHEME, (int)sizeof(proof->scheme),
		    proof->scheme);
	if (proof->preimage.len != PIV_PROOF_LEN)
		return err_set(e, ERR_DEVICE, "proof.layout",
		    "a " PIV_PROOF_SCHEME " has %d bytes, not %zu", PIV_PROOF_LEN,
		    proof->preimage.len);
	if (memcmp(proof->preimage.data, PIV_PROOF_SCHEME, PIV_PROOF_PREFIX_LEN) != 0)
		return err_set(e, ERR_DEVICE, "proof.layout",
		    "the signed bytes do not begin with " PIV_PROOF_SCHEME);
	if (proof->signature.len == 0 || proof->signature.len > SIGNATURE_MAX)
		return err_set(e, ERR_DEVICE, "proof.signature",
		    "a signature of %zu bytes; 1 to %d are accepted", proof->signature.len,
		    SIGNATURE_MAX);
	return 0;
}

static int check_proof(const struct profile *p, const struct proof *proof, struct proof_claims *ret,
    struct err *e)
{
	const uint8_t *at = proof->preimage.data;
	struct piv_options options;

	if (piv_options_read(p, &options, e) != 0 || check_layout(proof, e) != 0 ||
	    buf_set(&ret->message, at, PIV_PROOF_LEN, e) != 0 ||
	    buf_set(&ret->signature, proof->signature.data, proof->signature.len, e) != 0)
		return -1;
	at += PIV_PROOF_PREFIX_LEN;
	memcpy(ret->nonce, at, PIV_PROOF_NONCE_LEN);
	memcpy(ret->leaf_sha256, at + PIV_PROOF_NONCE_LEN, SHA256_LEN);
	memcpy(ret->digest, options.algorithm->digest, strlen(options.algorithm->digest) + 1);
	return 0;
}

static int check_origin(const struct profile *p, const struct buf *ders, struct origin_claims *ret,
    struct err *e)
{
	struct piv_options options;

	if (piv_options_read(p, &options, e) != 0)
		return -1;
	return piv_origin_read(&options, ders, ret, e);
}

static const char *const secret_refusals[] = { "piv.pin", "piv.management-key", NULL };

extern const struct family piv_family; /* the build's table of families declares it too */
const struct family piv_family = {
	.name = "piv",
	.keygen = true,
	.seals = false,
	.anchors = true,
	.identity_before_key = true,
	.links = 1u << LINK_USB_CCID,
	.secret_refusals = secret_refusals,
	.objects = 1u << OBJECT_LEAF | 1u << OBJECT_ANCHORS,
	.check_options = check_options,
	.check_proof = check_proof,
	.check_origin = check_origin,
};
