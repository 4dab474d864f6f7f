/* A proof as a hostile device may make it. Even bytes at the front: the preimage is what follows;
 * odd: what follows is a chain, and a preimage that fits it is made around it. */
#include <stdlib.h>
#include <string.h>

#include "spdm/check_proof.h"
#include "spdm/spdm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t setup[] = { 0x10, 0x84, 0, 0, 0x10, 0x04, 0, 0, 0, 1, 0, 0x12, 0x12, 0xe1, 0,
	0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 4, 1, 0, 0, 4, 1, 0, 0x12, 0x61, 0, 0, 0, 0, 0, 0, 6, 0, 0x18,
	0, 0, 0x12, 0, 0, 0, 0x12, 0, 0, 0x12, 0xe3, 0, 0, 32, 0, 1, 2, 0x10, 0, 0, 0, 1, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x63, 0, 0, 36, 0, 1, 2, 2, 0, 0, 0,
	0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

static int add_chain(const uint8_t *chain, size_t len, struct buf *p, struct err *e)
{
	const uint8_t digests[] = { 0x12, 0x81, 0, 0, 0x12, 0x01, 0, 1 };
	const uint8_t ask[] = { 0x12, 0x82, 0, 0, 0, 0, 0xff, 0xff };
	const uint8_t portion[] = { 0x12, 0x02, 0, 0, (uint8_t)len, (uint8_t)(len >> 8), 0, 0 };
	const uint8_t challenge[36] = { 0x12, 0x83, 0, 0, 7 };
	const uint8_t auth[] = { 0x12, 0x03, 0, 1 };
	uint8_t hash[32];

	sha256(chain, len, hash);
	if (buf_add(p, digests, sizeof(digests), e) != 0 || buf_add(p, hash, 32, e) != 0 ||
	    buf_add(p, ask, sizeof(ask), e) != 0 || buf_add(p, portion, sizeof(portion), e) != 0 ||
	    buf_add(p, chain, len, e) != 0 || buf_add(p, challenge, sizeof(challenge), e) != 0 ||
	    buf_add(p, auth, sizeof(auth), e) != 0 || buf_add(p, hash, 32, e) != 0 ||
	    buf_add(p, hash, 32, e) != 0)
		return -1;
	return buf_add_u16le(p, 0, e);
}

static int make_preimage(const uint8_t *data, size_t size, struct buf *p, struct err *e)
{
	if ((data[0] & 1) == 0)
		return buf_add(p, data + 1, size - 1, e);
	if (size > 60000)
		return -1;
	if (buf_add(p, setup, sizeof(setup), e) != 0)
		return -1;
	return add_chain(data + 1, size - 1, p, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct spdm_options options = { .algorithm = spdm_algorithm_find("EC:P-256"),
		.v12 = true,
		.v13 = true };
	AUTO_STRUCT(proof) proof = { .scheme = SPDM_PROOF_SCHEME };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct err e = { 0 };

	if (size < 65 || make_preimage(data, size, &proof.preimage, &e) != 0 ||
	    buf_set(&proof.signature, data + size - 64, 64, &e) != 0)
		return 0;
	if (spdm_proof_read(&options, &proof, &claims, &e) == 0 &&
	    (claims.message.len != 132 || claims.signature.len < 8))
		abort();
	return 0;
}
