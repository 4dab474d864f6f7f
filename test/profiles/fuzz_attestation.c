/* An attestation from someone else's records: no anchor is given, so that none may be accepted. */
#include "attestation.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The CMS, then after the first NUL-NUL the JWS. */
static size_t split(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if (data[i] == 0 && data[i + 1] == 0)
			return i;
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t end = split(data, size);
	AUTO(X509_STACK) *trust = sk_X509_new_null();
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) jws = { 0 };
	AUTO_STRUCT(buf) statement = { 0 };
	X509 *signer = NULL;
	struct err e = { 0 };

	if (buf_add(&cms, data, end, &e) != 0 || buf_add(&jws, data + end, size - end, &e) != 0 ||
	    buf_str(&jws, &e) == NULL)
		return 0;
	if (attestation_verify(&cms, (const char *)jws.data, trust, 1780000000, &statement, &signer,
		&e) == 0)
		__builtin_trap();
	return 0;
}
