#include "weak_key.h"

#include <string.h>

#include "weak_keys.h"
#include "x509.h"

static BIGNUM *number(const char *hex)
{
	BIGNUM *n = NULL;

	assert_true(BN_hex2bn(&n, hex) > 0);
	return n;
}

static BIGNUM *prime(int bits)
{
	BIGNUM *p = BN_new();

	assert_int_equal(BN_generate_prime_ex(p, bits, 0, NULL, NULL, NULL), 1);
	return p;
}

static BIGNUM *product(const BIGNUM *a, const BIGNUM *b)
{
	AUTO(BN_CTX) *ctx = BN_CTX_new();
	BIGNUM *n = BN_new();

	assert_int_equal(BN_mul(n, a, b, ctx), 1);
	return n;
}

static int check(EVP_PKEY *key, struct err *e)
{
	uint8_t spki[SHA256_LEN];

	assert_ok(x509_spki_digest(key, spki, e), e);
	return weak_key_check(key, spki, e);
}

static void refuse(const BIGNUM *n, unsigned long exponent, const char *words)
{
	AUTO(BIGNUM) *e65537 = BN_new();
	struct err e = { 0 };

	assert_int_equal(BN_set_word(e65537, exponent), 1);
	assert_err(weak_rsa_check(n, e65537, &e), &e, "csr.weak");
	assert_non_null(strstr(e.message, words));
}

static void test_ec(void **state)
{
	static const char *const curves[] = { "prime256v1", "secp384r1", "secp521r1" };
	/* The order of P-256 less 5: the point is -5 G. */
	static const char minus5[] =
	    "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC63254C";

	(void)state;
	for (size_t i = 0; i < COUNT(curves); i++) {
		AUTO(EVP_PKEY) *good = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[i]);
		AUTO(EVP_PKEY) *one = weak_ec_key(curves[i], "01");
		AUTO(EVP_PKEY) *last = weak_ec_key(curves[i], "0400");
		AUTO(EVP_PKEY) *beyond = weak_ec_key(curves[i], "0401");
		struct err e = { 0 };

		assert_ok(check(good, &e), &e);
		assert_err(check(one, &e), &e, "csr.weak");
		assert_err(check(last, &e), &e, "csr.weak");
		assert_non_null(strstr(e.message, "1024"));
		assert_ok(check(beyond, &e), &e);
	}
	for (unsigned k = 1; k <= 1024; k += 31) {
		char scalar[8];
		AUTO(EVP_PKEY) *weak = NULL;
		struct err e = { 0 };

		(void)snprintf(scalar, sizeof(scalar), "%04X", k);
		weak = weak_ec_key(curves[k % COUNT(curves)], scalar);
		assert_err(check(weak, &e), &e, "csr.weak");
	}
	{
		AUTO(EVP_PKEY) *negative = weak_ec_key("prime256v1", minus5);
		struct err e = { 0 };

		assert_err(check(negative, &e), &e, "csr.weak");
		assert_non_null(strstr(e.message, "is 5 (or its negative)"));
	}
}

static void test_published(void **state)
{
	static const struct {
		const char *curve, *scalar, *source;
	} keys[] = {
		{ "prime256v1", "E6CB5BDD80AA45AE9C95E8C15476679FFEC953C16851E711E743939589C64FC1",
		    "RFC 9500" },
		{ "secp384r1",
		    "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A8"
		    "25F872C9EA60"
		    "D2EDF5",
		    "RFC 6979" },
	};
	static const uint8_t ed25519[] = { 0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5,
		0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23,
		0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a };
	AUTO(EVP_PKEY) *ed =
	    EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, ed25519, sizeof(ed25519));
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		AUTO(EVP_PKEY) *key = weak_ec_key(keys[i].curve, keys[i].scalar);

		assert_err(check(key, &e), &e, "csr.weak");
		assert_non_null(strstr(e.message, keys[i].source));
	}
	assert_err(check(ed, &e), &e, "csr.weak");
	assert_non_null(strstr(e.message, "RFC 8032"));
}

static void test_rsa_good(void **state)
{
	AUTO(EVP_PKEY) *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	struct err e = { 0 };

	(void)state;
	assert_ok(check(key, &e), &e);
}

static void test_rsa_factors(void **state)
{
	AUTO(BIGNUM) *p = prime(1024);
	AUTO(BIGNUM) *q = prime(1024);
	AUTO(BIGNUM) *n = product(p, q);
	AUTO(BIGNUM) *small = number("FFF1"); /* 65521, the largest prime of 16 bits */
	AUTO(BIGNUM) *three = number("03");
	AUTO(BIGNUM) *with_small = product(n, small);
	AUTO(BIGNUM) *with_three = product(n, three);
	AUTO(BIGNUM) *whole = prime(2048);

	(void)state;
	refuse(n, 3, "exponent is not 65537");
	refuse(with_small, 65537, "factor 65521");
	refuse(with_three, 65537, "factor 3");
	refuse(whole, 65537, "is a prime");
}

static void test_rsa_fermat(void **state)
{
	AUTO(BN_CTX) *ctx = BN_CTX_new();
	AUTO(BIGNUM) *p = prime(1024);
	AUTO(BIGNUM) *q = BN_dup(p);
	AUTO(BIGNUM) *far = prime(1024);
	AUTO(BIGNUM) *other = NULL;
	AUTO(BIGNUM) *n = NULL;
	struct err e = { 0 };
	bool close = true;

	(void)state;
	do
		assert_int_equal(BN_add_word(q, 2), 1);
	while (BN_check_prime(q, ctx, NULL) != 1);
	n = product(p, q);
	refuse(n, 65537, "Fermat");
	other = product(p, far);
	assert_ok(weak_rsa_is_fermat(other, &close, &e), &e);
	assert_false(close);
}

/* A prime of the generator's form: k * M + (65537^a mod M), M the product of the first 39 primes. */
static BIGNUM *roca_prime(BN_CTX *ctx)
{
	AUTO(BIGNUM) *m = number("01");
	AUTO(BIGNUM) *a = BN_new();
	AUTO(BIGNUM) *base = number("010001");
	AUTO(BIGNUM) *k = BN_new();
	BIGNUM *p = BN_new();
	unsigned count = 0;

	for (unsigned candidate = 2; count < 39; candidate++) {
		bool is_prime = true;

		for (unsigned d = 2; d * d <= candidate; d++)
			is_prime = is_prime && candidate % d != 0;
		if (!is_prime)
			continue;
		assert_int_equal(BN_mul_word(m, candidate), 1);
		count++;
	}
	do {
		assert_int_equal(BN_rand(a, 60, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY), 1);
		assert_int_equal(BN_rand(k, 37, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY), 1);
		assert_int_equal(BN_mod_exp(p, base, a, m, ctx), 1);
		assert_int_equal(BN_mul(k, k, m, ctx), 1);
		assert_int_equal(BN_add(p, p, k), 1);
	} while (BN_check_prime(p, ctx, NULL) != 1);
	return p;
}

static void test_rsa_roca(void **state)
{
	AUTO(BN_CTX) *ctx = BN_CTX_new();
	AUTO(BIGNUM) *p = roca_prime(ctx);
	AUTO(BIGNUM) *q = roca_prime(ctx);
	AUTO(BIGNUM) *n = product(p, q);

	(void)state;
	assert_true(weak_rsa_is_roca(n));
	refuse(n, 65537, "ROCA");
	for (int i = 0; i < 20; i++) {
		AUTO(BIGNUM) *good = prime(256);

		assert_false(weak_rsa_is_roca(good));
	}
}

static void test_rsa_pattern(void **state)
{
	uint8_t octets[256];
	AUTO(BIGNUM) *n = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(0x80 | (i * 7 + (i >> 4)));
	memcpy(octets + 200, octets + 40, 16);
	n = BN_bin2bn(octets, sizeof(octets), NULL);
	refuse(n, 65537, "repeats itself");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ec),
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_rsa_good),
		cmocka_unit_test(test_rsa_factors),
		cmocka_unit_test(test_rsa_fermat),
		cmocka_unit_test(test_rsa_roca),
		cmocka_unit_test(test_rsa_pattern),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
