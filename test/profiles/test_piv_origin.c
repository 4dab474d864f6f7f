/* What the driver brings as evidence of a key's origin. */
#include "piv_world.h"

static void without_attestation_there_is_none(void **state)
{
	AUTO_STRUCT(buf) ders = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, PIV_SECTION, "EC:P-256");
	make_key(&w);
	assert_ok(w.driver->origin(w.d, &ders, &e), &e);
	assert_int_equal(ders.len, 0);
	world_close(&w);
}

static void attestation_brings_its_certificate(void **state)
{
	AUTO_STRUCT(buf) ders = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	if (testing_vector("piv/f9-certificate.der") == NULL)
		testing_skip("the PIV vectors");
	world_open(&w, PIV_SECTION, "EC:P-256");
	make_key(&w);
	w.card.says[0] = (struct fake_says){ 0xf9, -1, -1,
		"30020500"
		"9000",
		0 };
	assert_ok(w.driver->origin(w.d, &ders, &e), &e);
	assert_int_equal(ders.len, 4); /* the card has no certificate for it */
	store(&w, "piv/f9-certificate.der", 0x5fff01);
	assert_ok(w.driver->origin(w.d, &ders, &e), &e);
	assert_int_equal(ders.len, 4 + 366);
	buf_clear(fake_object(&w.card, 0x5fff01, true));
	fake_tlv(fake_object(&w.card, 0x5fff01, true), 0x55, NULL, 0);
	assert_err(w.driver->origin(w.d, &ders, &e), &e, "piv.object");
	world_close(&w);
}

static void an_attestation_that_is_cut_is_refused(void **state)
{
	static const char *const cut[] = { "30030500", "300205", "3002", "30", "3001050000" };
	struct world w;

	(void)state;
	world_open(&w, PIV_SECTION, "EC:P-256");
	make_key(&w);
	for (size_t i = 0; i < COUNT(cut); i++) {
		AUTO_STRUCT(buf) ders = { 0 };
		struct err e = { 0 };
		char answer[32];

		(void)snprintf(answer, sizeof(answer), "%s9000", cut[i]);
		w.card.says[0] = (struct fake_says){ 0xf9, -1, -1, answer, 0 };
		assert_err(w.driver->origin(w.d, &ders, &e), &e, "origin.der");
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_attestation_there_is_none),
		cmocka_unit_test(attestation_brings_its_certificate),
		cmocka_unit_test(an_attestation_that_is_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
