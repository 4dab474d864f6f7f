#include "judge_proof.h"

#include "judge_kit.h"

static struct kit kit;
static X509 *cert;      /* what was read back, */
static struct buf leaf; /* and its bytes */
static const uint8_t nonce[32] = "0123456789abcdef0123456789abcde";

static void sign(EVP_PKEY *key, const char *digest, struct proof_claims *ret)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct err e = { 0 };
	size_t len = 0;

	memcpy(ret->nonce, nonce, sizeof(ret->nonce));
	sha256(leaf.data, leaf.len, ret->leaf_sha256);
	(void)snprintf(ret->digest, sizeof(ret->digest), "%s", digest != NULL ? digest : "");
	assert_ok(buf_set(&ret->message, "message", 7, &e), &e);
	assert_int_equal(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL), 1);
	assert_int_equal(EVP_DigestSign(ctx, NULL, &len, ret->message.data, ret->message.len), 1);
	assert_non_null(buf_room(&ret->signature, len, &e));
	assert_int_equal(EVP_DigestSign(ctx, ret->signature.data, &len, ret->message.data,
			     ret->message.len),
	    1);
	ret->signature.len = len;
	EVP_MD_CTX_free(ctx);
}

static void test_good(void **state)
{
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct err e = { 0 };

	(void)state;
	sign(kit.unit_key, "SHA256", &claims);
	assert_ok(judge_proof(&claims, nonce, cert, &e), &e);
}

static void test_nonce(void **state)
{
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct err e = { 0 };

	(void)state;
	sign(kit.unit_key, "SHA256", &claims);
	claims.nonce[31] ^= 1;
	assert_err(judge_proof(&claims, nonce, cert, &e), &e, "proof.nonce");
	assert_int_equal(e.domain, ERR_DEVICE);
}

static void test_certificate(void **state)
{
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct err e = { 0 };

	(void)state;
	sign(kit.unit_key, "SHA256", &claims);
	claims.leaf_sha256[0] ^= 1;
	assert_err(judge_proof(&claims, nonce, cert, &e), &e, "proof.certificate");
}

static void test_signature(void **state)
{
	AUTO_STRUCT(proof_claims) other = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct err e = { 0 };

	(void)state;
	sign(kit.ca_key, "SHA256", &other);
	assert_err(judge_proof(&other, nonce, cert, &e), &e, "proof.signature");
	sign(kit.unit_key, "SHA256", &claims);
	(void)snprintf(claims.digest, sizeof(claims.digest), "SHA384");
	assert_err(judge_proof(&claims, nonce, cert, &e), &e, "proof.signature");
	(void)snprintf(claims.digest, sizeof(claims.digest), "NONSENSE");
	assert_err(judge_proof(&claims, nonce, cert, &e), &e, "proof.signature");
	(void)snprintf(claims.digest, sizeof(claims.digest), "SHA256");
	claims.message.data[0] ^= 1;
	assert_err(judge_proof(&claims, nonce, cert, &e), &e, "proof.signature");
	claims.message.data[0] ^= 1;
	buf_clear(&claims.signature);
	assert_err(judge_proof(&claims, nonce, cert, &e), &e, "proof.signature");
}

static void test_readback(void **state)
{
	AUTO_STRUCT(stored) stored = { 0 };
	uint8_t digest[SHA256_LEN];
	struct err e = { 0 };

	(void)state;
	assert_ok(buf_set(&stored.bytes, leaf.data, leaf.len, &e), &e);
	assert_ok(judge_readback(OBJECT_CHAIN, &leaf, &stored, &e), &e);
	stored.bytes.data[9] ^= 1;
	assert_err(judge_readback(OBJECT_CHAIN, &leaf, &stored, &e), &e, "readback.differs");
	assert_int_equal(e.domain, ERR_DEVICE);
	stored.bytes.data[9] ^= 1;
	stored.bytes.len--;
	assert_err(judge_readback(OBJECT_CHAIN, &leaf, &stored, &e), &e, "readback.differs");
	assert_non_null(strstr(e.message, "chain"));

	sha256(leaf.data, leaf.len, digest);
	stored.is_digest = true;
	assert_err(judge_readback(OBJECT_CHAIN, &leaf, &stored, &e), &e, "readback.differs");
	assert_ok(buf_set(&stored.bytes, digest, sizeof(digest), &e), &e);
	assert_ok(judge_readback(OBJECT_CHAIN, &leaf, &stored, &e), &e);
	stored.bytes.data[0] ^= 1;
	assert_err(judge_readback(OBJECT_CHAIN, &leaf, &stored, &e), &e, "readback.differs");
}

static int open_kit(void **state)
{
	(void)state;
	kit_open(&kit);
	cert = kit_unsigned_leaf(&kit);
	assert_true(X509_sign(cert, kit.ca_key, EVP_sha256()) > 0);
	kit_der(cert, &leaf);
	return 0;
}

static int close_kit(void **state)
{
	(void)state;
	buf_free(&leaf);
	X509_free(cert);
	kit_close(&kit);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_nonce),
		cmocka_unit_test(test_certificate),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_readback),
	};

	return cmocka_run_group_tests(tests, open_kit, close_kit);
}
