#include "weak_key.h"

#include <string.h>

#include <openssl/core_names.h>

#include "x509.h"

/* SHA-256 over the SubjectPublicKeyInfo of keys whose private half is printed in a standard. */
static const struct {
	const char *spki;
	const char *source;
} published[] = {
	{ "b2b04340cfaee616ec9c2c62d261b208e54bb197498df52e8cadede23ac0ba5e", "RFC 9500" },
	{ "c4c10105a0be0ed4dd3354428dc38a9bfee64da141ce16e75c94eda272f9dd3a", "RFC 9500" },
	{ "acb1b8327fef995e2458fdf5e3c33b2dc0749feabd6a894cb9bda9d70ac06c24", "RFC 9500" },
	{ "5a7a78cca4a0f420d9bc62bb669c3c2759e39f723d3ae10dcbe0f0815a07ecd4", "RFC 6979" },
	{ "2f95601fa82060b909bfc6b979dbd303d34d34e0afb27ea496beac362f242a4b", "RFC 6979" },
	{ "2bd1bb0c44a897c30a7aa0991cde38d8062fe441de50da0f46825344f602e827", "RFC 7515" },
	{ "51b944cdfa544d4c3273aa6bf350625a7dd53bbb6a71723274f538b19a207760", "RFC 7517" },
	{ "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9", "RFC 8032" },
	{ "deb2ded39dc26fce0e6085b6fc34bf6b5941913bbfe2ea614113cff9e004c170", "RFC 8032" },
	{ "8d39ba50abe50f77b6bb8ae7b6927aff7ffbeba35ad2837c0e51e82bcbcc60d5", "RFC 8032" },
};

static int check_published(const uint8_t spki[static SHA256_LEN], struct err *e)
{
	char hex[2 * SHA256_LEN + 1];

	hex_encode(spki, SHA256_LEN, hex);
	for (size_t i = 0; i < COUNT(published); i++)
		if (strcmp(published[i].spki, hex) == 0)
			return err_set(e, ERR_DEVICE, "csr.weak",
			    "the device's key is the test key of %s; everybody has its private "
			    "half",
			    published[i].source);
	return 0;
}

static int check_rsa(EVP_PKEY *key, struct err *e)
{
	AUTO(BIGNUM) *n = NULL;
	AUTO(BIGNUM) *exponent = NULL;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.weak", "the RSA key can not be read");
	return weak_rsa_check(n, exponent, e);
}

int weak_key_check(EVP_PKEY *key, const uint8_t spki[static SHA256_LEN], struct err *e)
{
	if (check_published(spki, e) < 0)
		return -1;
	if (EVP_PKEY_is_a(key, "EC"))
		return weak_ec_check(key, e);
	return EVP_PKEY_is_a(key, "RSA") ? check_rsa(key, e) : 0;
}
