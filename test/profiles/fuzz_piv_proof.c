/* What a proof of the piv family says: the station reads it. */
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "piv_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte is the length of the signature, the rest is the preimage. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proof p = { .scheme = "piv-signature" };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct err e = { 0 };

	if (size == 0 || size - 1 < data[0])
		return 0;
	p.signature = (struct buf){ .data = (uint8_t *)(uintptr_t)data + 1, .len = data[0] };
	p.preimage = (struct buf){ .data = (uint8_t *)(uintptr_t)data + 1 + data[0],
		.len = size - 1 - data[0] };
	if (family_find("piv")->check_proof(piv_fuzz_profile(), &p, &claims, &e) == 0 &&
	    (claims.message.len != 78 || memcmp(claims.message.data + 14, claims.nonce, 32) != 0))
		abort();
	return 0;
}
