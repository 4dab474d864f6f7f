/* A JWS from someone else's records, read with a key of ours: nothing verifies by chance. */
#include "jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A certificate is only the key's holder here. */
static X509 *make_signer(void)
{
	AUTO(EVP_PKEY) *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();

	if (key == NULL || cert == NULL || X509_set_pubkey(cert, key) != 1 ||
	    X509_sign(cert, key, EVP_sha256()) <= 0)
		abort();
	return cert;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static X509 *signer; /* made once for all inputs */
	const struct buf payload = { .data = (uint8_t[]){ '{', '}' }, .len = 2 };
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (signer == NULL)
		signer = make_signer();
	if (buf_add(&text, data, size, &e) != 0 || buf_str(&text, &e) == NULL)
		return 0;
	if (jws_verify((const char *)text.data, signer, &payload, &e) == 0)
		__builtin_trap();
	return 0;
}
