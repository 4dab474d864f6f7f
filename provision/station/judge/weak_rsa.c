#include "weak_key.h"

#include <stdint.h>
#include <string.h>

enum {
	RSA_OCTETS_MAX = 1024,
	SMALL_PRIMES_END = 65537,
	FERMAT_ROUNDS = 100,
	PATTERN_LEN = 16,
};

/* The odd primes up to 167 divide the ROCA generator's M for every key size. */
static const unsigned roca_primes[] = { 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59,
	61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157,
	163, 167 };

static bool is_power_of_65537(unsigned residue, unsigned prime)
{
	unsigned power = 1;

	do {
		if (power == residue)
			return true;
		power = power * (65537 % prime) % prime;
	} while (power != 1);
	return false;
}

bool weak_rsa_is_roca(const BIGNUM *n)
{
	for (size_t i = 0; i < COUNT(roca_primes); i++)
		if (!is_power_of_65537((unsigned)BN_mod_word(n, roca_primes[i]), roca_primes[i]))
			return false;
	return true;
}

/* Floor of the square root, by Newton's method from above. */
static int square_root(BIGNUM *ret, const BIGNUM *n, BN_CTX *ctx)
{
	BIGNUM *next = BN_CTX_get(ctx);

	if (next == NULL || BN_set_word(ret, 1) != 1 ||
	    BN_lshift(ret, ret, (BN_num_bits(n) + 1) / 2) != 1)
		return 0;
	for (;;) {
		if (BN_div(next, NULL, n, ret, ctx) != 1 || BN_add(next, next, ret) != 1 ||
		    BN_rshift1(next, next) != 1)
			return 0;
		if (BN_cmp(next, ret) >= 0)
			return 1;
		if (BN_copy(ret, next) == NULL)
			return 0;
	}
}

/* Looks for a >= sqrt(n) with a^2 - n a square. 1 found, 0 not, -1 out of memory. */
static int fermat(const BIGNUM *n, BN_CTX *ctx)
{
	BIGNUM *a = BN_CTX_get(ctx), *rest = BN_CTX_get(ctx);
	BIGNUM *root = BN_CTX_get(ctx), *square = BN_CTX_get(ctx);

	if (square == NULL || square_root(a, n, ctx) != 1)
		return -1;
	for (int i = 0; i < FERMAT_ROUNDS; i++, BN_add_word(a, 1)) {
		if (BN_sqr(rest, a, ctx) != 1 || BN_sub(rest, rest, n) != 1)
			return -1;
		if (BN_is_negative(rest))
			continue;
		if (square_root(root, rest, ctx) != 1 || BN_sqr(square, root, ctx) != 1)
			return -1;
		if (BN_cmp(square, rest) == 0)
			return 1;
	}
	return 0;
}

int weak_rsa_is_fermat(const BIGNUM *n, bool *ret, struct err *e)
{
	AUTO(BN_CTX) *ctx = BN_CTX_new();
	int found;

	if (ctx == NULL)
		return err_nomem(e);
	BN_CTX_start(ctx);
	found = fermat(n, ctx);
	BN_CTX_end(ctx);
	if (found < 0)
		return err_nomem(e);
	*ret = found == 1;
	return 0;
}

/* The smallest prime below SMALL_PRIMES_END that divides n, or 0. */
static unsigned small_factor(const BIGNUM *n)
{
	uint8_t composite[SMALL_PRIMES_END] = { 0 };

	for (unsigned p = 2; p < SMALL_PRIMES_END; p++) {
		if (composite[p])
			continue;
		if (BN_mod_word(n, p) == 0)
			return p;
		for (unsigned multiple = 2 * p; multiple < SMALL_PRIMES_END; multiple += p)
			composite[multiple] = 1;
	}
	return 0;
}

/* The same 16 bytes at two places of n: memory that was never filled with random bytes. */
static bool has_pattern(const BIGNUM *n)
{
	uint8_t octets[RSA_OCTETS_MAX];
	int len = BN_num_bytes(n);

	if (len > RSA_OCTETS_MAX || BN_bn2bin(n, octets) != len)
		return true;
	for (int i = 0; i + 2 * PATTERN_LEN <= len; i++)
		for (int k = i + PATTERN_LEN; k + PATTERN_LEN <= len; k++)
			if (memcmp(octets + i, octets + k, PATTERN_LEN) == 0)
				return true;
	return false;
}

static int check_factors(const BIGNUM *n, struct err *e)
{
	unsigned factor = small_factor(n);
	bool close = false;

	if (factor != 0)
		return err_set(e, ERR_DEVICE, "csr.weak", "the RSA modulus has the factor %u",
		    factor);
	if (weak_rsa_is_fermat(n, &close, e) < 0)
		return -1;
	if (close)
		return err_set(e, ERR_DEVICE, "csr.weak",
		    "the RSA modulus splits by Fermat's method: its primes are too close");
	if (weak_rsa_is_roca(n))
		return err_set(e, ERR_DEVICE, "csr.weak",
		    "the RSA modulus has the form of CVE-2017-15361 (ROCA)");
	return 0;
}

int weak_rsa_check(const BIGNUM *n, const BIGNUM *exponent, struct err *e)
{
	AUTO(BN_CTX) *ctx = BN_CTX_new();
	int prime;

	if (!BN_is_word(exponent, 65537))
		return err_set(e, ERR_DEVICE, "csr.weak", "the RSA exponent is not 65537");
	if (has_pattern(n))
		return err_set(e, ERR_DEVICE, "csr.weak",
		    "the RSA modulus repeats itself: it is not random");
	if (check_factors(n, e) < 0)
		return -1;
	prime = ctx != NULL ? BN_check_prime(n, ctx, NULL) : -1;
	if (prime < 0)
		return err_nomem(e);
	if (prime > 0)
		return err_set(e, ERR_DEVICE, "csr.weak", "the RSA modulus is a prime");
	return 0;
}
