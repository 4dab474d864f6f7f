#include "challenge.h"

#include <stdio.h>

#include "bytes.h"
#include "certificate.h"
#include "check_proof.h"

/* The nonce is the station's; the 1.3 context, which only has to come back, is taken from it. */
static int make_request(const struct spdm_connection *c, const uint8_t nonce[static SPDM_NONCE_LEN],
    struct buf *ret, struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_CHALLENGE, 0, 0 };

	if (buf_set(ret, head, sizeof(head), e) != 0 || buf_add(ret, nonce, SPDM_NONCE_LEN, e) != 0)
		return -1;
	return c->peer.version >= SPDM_VERSION_13 ? buf_add(ret, nonce, SPDM_CONTEXT_LEN, e) : 0;
}

/* Length of CHALLENGE_AUTH up to its signature; 0 where it is cut off before. */
static size_t signed_len(const struct spdm_connection *c, const struct buf *answer)
{
	size_t opaque_at = SPDM_HEADER_LEN + c->options->algorithm->hash_len + SPDM_NONCE_LEN;
	size_t context_len = c->peer.version >= SPDM_VERSION_13 ? SPDM_CONTEXT_LEN : 0;

	if (answer->len < opaque_at + 2)
		return 0;
	return opaque_at + 2 + get_u16le(answer->data + opaque_at) + context_len;
}

int spdm_prove(struct spdm_connection *c, const uint8_t nonce[static SPDM_NONCE_LEN],
    struct proof *ret, struct err *e)
{
	size_t signature_len = c->options->algorithm->signature_len;
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	size_t len;

	if (spdm_require(c, SPDM_CAP_CERT | SPDM_CAP_CHAL, "CERT_CAP, CHAL_CAP", e) != 0 ||
	    (!c->has_chain && spdm_get_chain(c, &chain, e) != 0) ||
	    make_request(c, nonce, &request, e) != 0 ||
	    spdm_exchange(&c->peer, &request, SPDM_CRYPTO, &answer, e) != 0)
		return -1;
	len = signed_len(c, &answer);
	if (len == 0 || answer.len < len + signature_len)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "CHALLENGE_AUTH is shorter than it says (%zu bytes)", answer.len);
	if (spdm_remember(c, &request, &answer, len, e) != 0 ||
	    buf_set(&proof.preimage, c->transcript.data, c->transcript.len, e) != 0 ||
	    buf_set(&proof.signature, answer.data + len, signature_len, e) != 0)
		return -1;
	spdm_forget_chain(c);
	(void)snprintf(proof.scheme, sizeof(proof.scheme), "%s", SPDM_PROOF_SCHEME); /* fits */
	*ret = proof;
	proof = (struct proof){ 0 };
	return 0;
}
