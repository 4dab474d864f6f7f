/* A hostile device's evidence: the input is what it gives, and also what is trusted. */
#include "judge_origin.h"

#include "fuzz_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct profile *profile; /* read once for all inputs */
	static EVP_PKEY *key;           /* made once */
	const struct identity unit = { .model = "TP-A", .serial = "SN0001" };
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct err e = { 0 };

	if (profile == NULL) {
		profile = fuzz_profile();
		key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	}
	if (buf_set(&profile->attestation.ders, data, size, &e) == 0 &&
	    buf_set(&claims.chain, data, size, &e) == 0 &&
	    buf_set(&claims.spki, data, size, &e) == 0)
		(void)(judge_origin_claims(profile, &unit, &claims, key, 1795372200, &e) == 0);
	return 0;
}
