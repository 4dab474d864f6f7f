/* What a card stores and sends: certificate objects, keys, TLVs. */
#include <stdlib.h>
#include <string.h>

#include "piv/check_origin.h"
#include "piv/key.h"
#include "piv/object.h"
#include "piv/tlv.h"
#include "piv_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct buf content = { .data = (uint8_t *)(uintptr_t)data, .len = size };
	AUTO_STRUCT(buf) ders = { 0 }, again = { 0 }, back = { 0 }, spki = { 0 };
	struct piv_options options;
	struct err e = { 0 };
	struct tlv t = { 0 };
	size_t at = 0, length;

	while (tlv_next(data, size, &at, &t))
		if (at > size || t.value + t.len != data + at)
			abort();
	length = piv_der_length(data, size);
	if (length > size)
		abort();
	if (piv_unwrap(&content, &ders, &e) == 0) {
		if (piv_wrap(&ders, &again, &e) != 0 || piv_unwrap(&again, &back, &e) != 0 ||
		    !buf_equal(&ders, &back))
			abort();
	}
	if (piv_options_read(piv_fuzz_profile(), &options, &e) != 0)
		abort();
	if (piv_public_key(options.algorithm, data, size, &spki, &e) == 0 && spki.len != 91)
		abort();
	return 0;
}
