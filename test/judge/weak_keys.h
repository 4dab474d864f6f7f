/* Keys that must not pass, made for tests. */
#ifndef KILN_TEST_WEAK_KEYS_H
#define KILN_TEST_WEAK_KEYS_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "testing.h"
#include "weak_key.h"
#include "x509.h"

/* A key pair from its private scalar, in hexadecimal. */
__attribute__((unused)) static EVP_PKEY *weak_ec_key(const char *curve, const char *scalar)
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_txt2nid(curve));
	EC_POINT *point = EC_POINT_new(group);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;
	uint8_t encoded[200];
	BIGNUM *d = NULL;
	size_t len;

	assert_true(BN_hex2bn(&d, scalar) > 0);
	assert_int_equal(EC_POINT_mul(group, point, d, NULL, NULL, NULL), 1);
	len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, encoded,
	    sizeof(encoded), NULL);
	OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
	OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, encoded, len);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d);
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	EC_POINT_free(point);
	EC_GROUP_free(group);
	BN_free(d);
	return key;
}

#endif
