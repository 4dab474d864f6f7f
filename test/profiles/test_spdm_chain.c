#include "spdm/check_chain.h"

#include "pki.h"
#include "spdm/spdm.h"
#include "spdm_rig.h"

struct fixture {
	struct profile *profile;
	struct spdm_options options;
	struct pki pki;
	struct buf ders;  /* leaf, issuing, root */
	struct buf chain; /* the same as SPDM has it */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err e = { 0 };

	f->profile = rig_profile(RIG_SECTION, "EC:P-256", "refuse");
	assert_ok(spdm_options_read(f->profile, &f->options, &e), &e);
	f->pki = pki_attester("P-256");
	assert_ok(x509_add_der(f->pki.leaf, &f->ders, &e), &e);
	assert_ok(x509_add_der(f->pki.ca, &f->ders, &e), &e);
	assert_ok(x509_add_der(f->pki.root, &f->ders, &e), &e);
	assert_ok(spdm_chain_build(f->options.algorithm, &f->ders, &f->chain, &e), &e);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_free(&f->ders);
	buf_free(&f->chain);
	pki_free(&f->pki);
	profile_free(f->profile);
	free(f);
	return 0;
}

static size_t der_len(X509 *cert)
{
	return (size_t)i2d_X509(cert, NULL);
}

static void a_chain_begins_with_its_root(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(buf) root = { 0 };
	uint8_t hash[SHA256_LEN];
	struct err e = { 0 };

	assert_ok(x509_add_der(f->pki.root, &root, &e), &e);
	sha256(root.data, root.len, hash);
	assert_int_equal(f->chain.len, 36 + f->ders.len);
	assert_int_equal(f->chain.data[0] | f->chain.data[1] << 8, f->chain.len);
	assert_int_equal(f->chain.data[2] | f->chain.data[3], 0);
	assert_memory_equal(f->chain.data + 4, hash, sizeof(hash));
	assert_memory_equal(f->chain.data + 36, root.data, root.len);
}

static void there_and_back_is_the_same(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(buf) back = { 0 };
	struct err e = { 0 };

	assert_ok(spdm_chain_read(f->options.algorithm, &f->chain, "device.chain", &back, &e), &e);
	assert_true(buf_equal(&back, &f->ders));
	assert_int_equal(spdm_chain_leaf_len(&back), der_len(f->pki.leaf));
}

static void other_lists_are_not_built(void **state)
{
	struct fixture *f = *state;
	const struct spdm_algorithm *a = f->options.algorithm;
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO_STRUCT(buf) chain = { 0 };
	struct err e = { 0 };

	assert_err(spdm_chain_build(a, &ders, &chain, &e), &e, "chain"); /* empty */
	assert_ok(buf_add(&ders, f->ders.data, f->ders.len - der_len(f->pki.root), &e), &e);
	assert_err(spdm_chain_build(a, &ders, &chain, &e), &e, "chain"); /* no root */
	ders.len--;
	assert_err(spdm_chain_build(a, &ders, &chain, &e), &e, "chain"); /* cut off */
	assert_ok(buf_set(&ders, f->ders.data, f->ders.len, &e), &e);
	assert_ok(buf_add_u8(&ders, 0, &e), &e);
	assert_err(spdm_chain_build(a, &ders, &chain, &e), &e, "chain"); /* trailing byte */
	buf_clear(&ders);
	for (int i = 0; i <= SPDM_CHAIN_CERTIFICATES_MAX; i++)
		assert_ok(x509_add_der(f->pki.root, &ders, &e), &e);
	assert_err(spdm_chain_build(a, &ders, &chain, &e), &e, "chain"); /* too many */
	assert_int_equal(chain.len, 0);
	assert_int_equal(e.domain, ERR_CERT);
}

static void expect_refused(struct fixture *f, const struct buf *chain)
{
	AUTO_STRUCT(buf) back = { 0 };
	struct err e = { 0 };

	assert_err(spdm_chain_read(f->options.algorithm, chain, "device.chain", &back, &e), &e,
	    "device.chain");
	assert_int_equal(e.domain, ERR_DEVICE);
	assert_int_equal(back.len, 0);
}

static void broken_chains_are_refused(void **state)
{
	/* length, its high byte, reserved, root hash, first certificate */
	static const size_t at[] = { 0, 1, 2, 3, 4, 35, 36, 38 };
	struct fixture *f = *state;
	AUTO_STRUCT(buf) chain = { 0 };
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(at); i++) {
		assert_ok(buf_set(&chain, f->chain.data, f->chain.len, &e), &e);
		chain.data[at[i]] ^= 1;
		expect_refused(f, &chain);
	}
	for (size_t len = 0; len < f->chain.len; len += len < 64 ? 1 : 16) {
		assert_ok(buf_set(&chain, f->chain.data, len, &e), &e);
		expect_refused(f, &chain);
		if (len < 2)
			continue;
		chain.data[0] = (uint8_t)len; /* and with a length field that agrees: */
		chain.data[1] = (uint8_t)(len >> 8);
		if (len != 36 + der_len(f->pki.root) &&
		    len != 36 + der_len(f->pki.root) + der_len(f->pki.ca))
			expect_refused(f, &chain);
	}
}

/* A device may leave the root out and only name it by its hash. */
static void a_chain_may_begin_below_its_root(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(buf) back = { 0 };
	size_t root_len = der_len(f->pki.root);
	struct err e = { 0 };

	assert_ok(buf_add(&chain, f->chain.data, 36, &e), &e);
	assert_ok(buf_add(&chain, f->chain.data + 36 + root_len, f->chain.len - 36 - root_len, &e),
	    &e);
	chain.data[0] = (uint8_t)chain.len;
	chain.data[1] = (uint8_t)(chain.len >> 8);
	assert_ok(spdm_chain_read(f->options.algorithm, &chain, "device.chain", &back, &e), &e);
	assert_int_equal(back.len, f->ders.len - root_len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_begins_with_its_root),
		cmocka_unit_test(there_and_back_is_the_same),
		cmocka_unit_test(other_lists_are_not_built),
		cmocka_unit_test(broken_chains_are_refused),
		cmocka_unit_test(a_chain_may_begin_below_its_root),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
