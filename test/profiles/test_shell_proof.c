#include "linux-shell/proof.h"

#include <string.h>

#include "family.h"
#include "testing.h"

struct world {
	struct proof proof;
	struct proof_claims claims;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->proof.scheme, SHELL_PROOF_SCHEME);
	assert_ok(buf_add(&w->proof.preimage, SHELL_PROOF_SCHEME, 14, &w->e), &w->e);
	for (int i = 0; i < 64; i++)
		assert_ok(buf_add_u8(&w->proof.preimage, (uint8_t)i, &w->e), &w->e);
	assert_ok(buf_add_str(&w->proof.signature, "signature", &w->e), &w->e);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	proof_free(&w->proof);
	proof_claims_free(&w->claims);
	free(w);
	return 0;
}

static int check(struct world *w)
{
	return family_find("linux-shell")->check_proof(NULL, &w->proof, &w->claims, &w->e);
}

/* The layout in the family's README, byte by byte. */
static void test_the_layout(void **state)
{
	struct world *w = *state;

	assert_int_equal(SHELL_PROOF_LEN, 78);
	assert_ok(check(w), &w->e);
	for (uint8_t i = 0; i < 32; i++) {
		assert_int_equal(w->claims.nonce[i], i);
		assert_int_equal(w->claims.leaf_sha256[i], i + 32);
	}
	assert_true(buf_equal(&w->claims.message, &w->proof.preimage));
	assert_true(buf_equal(&w->claims.signature, &w->proof.signature));
	assert_string_equal(w->claims.digest, "SHA256");
}

static void test_another_scheme(void **state)
{
	struct world *w = *state;

	strcpy(w->proof.scheme, "spdm-challenge");
	assert_err(check(w), &w->e, "proof.scheme");
}

static void test_another_length(void **state)
{
	struct world *w = *state;

	w->proof.preimage.len--;
	assert_err(check(w), &w->e, "proof.layout");
	w->proof.preimage.len += 2;
	assert_err(check(w), &w->e, "proof.layout");
	w->proof.preimage.len = 0;
	assert_err(check(w), &w->e, "proof.layout");
}

static void test_another_beginning(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < 14; i++) {
		w->proof.preimage.data[i] ^= 1;
		assert_err(check(w), &w->e, "proof.layout");
		w->proof.preimage.data[i] ^= 1;
	}
	assert_ok(check(w), &w->e);
}

static void test_signatures_have_a_size(void **state)
{
	struct world *w = *state;
	uint8_t zeros[1025] = { 0 };

	buf_clear(&w->proof.signature);
	assert_err(check(w), &w->e, "proof.signature");
	assert_ok(buf_add(&w->proof.signature, zeros, sizeof(zeros), &w->e), &w->e);
	assert_err(check(w), &w->e, "proof.signature");
	w->proof.signature.len--;
	assert_ok(check(w), &w->e);
}

static void test_nothing_at_all(void **state)
{
	struct world *w = *state;

	proof_free(&w->proof);
	assert_err(check(w), &w->e, "proof.layout");
	memset(w->proof.scheme, 0, sizeof(w->proof.scheme));
	assert_err(check(w), &w->e, "proof.scheme");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_layout, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_scheme, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_beginning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_signatures_have_a_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_at_all, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
