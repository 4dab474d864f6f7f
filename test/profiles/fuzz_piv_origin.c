/* Evidence of a key's origin, as a hostile token may make it: the station reads it. */
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "piv_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct buf ders = { .data = (uint8_t *)(uintptr_t)data, .len = size };
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct err e = { 0 };

	if (family_find("piv")->check_origin(piv_fuzz_profile(), &ders, &claims, &e) == 0 &&
	    (claims.chain.len != size || claims.spki.len == 0 ||
		memchr(claims.serial, '\0', sizeof(claims.serial)) == NULL))
		abort();
	return 0;
}
