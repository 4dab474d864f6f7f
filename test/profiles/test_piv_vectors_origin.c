/* The attestations of the recorded runs: one is whole, one is cut, one has no status. */
#include "family.h"
#include "piv/check_origin.h"
#include "piv/key.h"
#include "piv/object.h"
#include "piv_replay.h"

/* The APDUs of two steps one behind the other, without the SELECT that each begins with. */
static json_t *join(struct replay *r, const char *first, const char *second)
{
	json_t *joined = json_array();

	begin(r, first);
	for (size_t i = 1; i < json_array_size(r->apdus); i++)
		json_array_append(joined, json_array_get(r->apdus, i));
	begin(r, second);
	for (size_t i = 1; i < json_array_size(r->apdus); i++)
		json_array_append(joined, json_array_get(r->apdus, i));
	r->apdus = joined;
	r->at = 0;
	return joined;
}

static void attestations_are_told_apart(void **state)
{
	AUTO_STRUCT(buf) ders = { 0 }, want = { 0 };
	struct piv_options p256, p384;
	struct replay r;
	struct piv_card c = replay_card(&r);
	struct err e = { 0 };
	char label[PIV_LABEL_MAX + 1];

	(void)state;
	replay_open(&r, "piv/transcript.json");
	AUTO_PTR(profile) *a = options_of(0, &p256);
	AUTO_PTR(profile) *b = options_of(1, &p384);

	assert_true(a != NULL && b != NULL);
	begin(&r, "attest-p256-short");
	assert_err(piv_attest(&c, &p256, &ders, &e), &e, "origin.der");
	begin(&r, "attest-p256");
	assert_ok(piv_select(&c, label, &e), &e);
	assert_string_equal(label, "PivApplet v0.9.0/REeAxaD");
	assert_err(piv_attest(&c, &p256, &ders, &e), &e, "origin.der");
	begin(&r, "attest-p384");
	assert_ok(piv_select(&c, label, &e), &e);
	assert_err(piv_attest(&c, &p384, &ders, &e), &e, "piv.status");
	assert_int_equal(ders.len, 0);
	begin(&r, "read-attestation-certificate-f9");
	assert_ok(piv_select(&c, label, &e), &e);
	assert_ok(piv_get_certificates(&c, YUBICO_OBJECT_ATTESTATION, &ders, &e), &e);
	file_of("f9", "certificate", &want);
	assert_true(buf_equal(&ders, &want));
	begin(&r, "metadata-9a");
	assert_ok(piv_read_key(&c, &p256, &ders, &e), &e);
	file_of("p256", "public_key", &want);
	assert_true(buf_equal(&ders, &want));
	json_decref(r.file);
}

static void a_whole_attestation_comes_with_its_certificate(void **state)
{
	AUTO_STRUCT(buf) ders = { 0 }, want = { 0 }, f9 = { 0 };
	struct piv_options rsa;
	struct replay r;
	struct piv_card c = replay_card(&r);
	struct err e = { 0 };
	json_t *joined;

	(void)state;
	replay_open(&r, "piv/transcript.json");
	AUTO_PTR(profile) *p = options_of(2, &rsa);

	assert_non_null(p);
	joined = join(&r, "attest-rsa2048", "read-attestation-certificate-f9");
	assert_ok(piv_attest(&c, &rsa, &ders, &e), &e);
	replay_ends(&r);
	testing_read(testing_vector("piv/attestation-rsa2048.der"), &want);
	file_of("f9", "certificate", &f9);
	fake_add(&want, f9.data, f9.len);
	assert_true(buf_equal(&ders, &want));
	json_decref(joined);
	json_decref(r.file);
}

/* The evidence and its certificate as the driver brings them. */
static void evidence_of(const char *group, const char *attestation, const char *f9, struct buf *ret)
{
	AUTO_STRUCT(buf) second = { 0 };
	AUTO_STRUCT(buf) first = { 0 };

	if (strcmp(group, "rsa2048") == 0)
		testing_read(testing_vector("piv/attestation-rsa2048.der"), &first);
	else
		file_of(group, attestation, &first);
	buf_clear(ret);
	fake_add(ret, first.data, first.len);
	testing_read(testing_vector(f9), &second);
	fake_add(ret, second.data, second.len);
}

static void attested_keys_are_the_cards_keys(void **state)
{
	static const struct {
		const char *group, *public, *f9, *algorithm;
	} cases[] = {
		{ "rsa2048", "piv/public-rsa2048.der", "piv/f9-certificate.der", "RSA:2048" },
		{ "tool_run_p256", "piv/tool-public-p256.der", "piv/tool-f9-certificate.der",
		    "EC:P-256" },
	};

	(void)state;
	if (conclusions == NULL)
		testing_skip("the PIV vectors");
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_PTR(profile) *p = piv_profile("{ identity: serial, factory_secrets: true, "
						   "pin_policy: once, touch_policy: never }",
		    cases[i].algorithm);
		AUTO_STRUCT(origin_claims) claims = { 0 };
		AUTO_STRUCT(buf) ders = { 0 }, public = { 0 };
		AUTO(X509_STACK) *list = NULL;
		struct err e = { 0 };

		evidence_of(cases[i].group, "attestation", cases[i].f9, &ders);
		testing_read(testing_vector(cases[i].public), &public);
		assert_ok(family_find("piv")->check_origin(p, &ders, &claims, &e), &e);
		assert_string_equal(claims.scheme, PIV_ORIGIN_SCHEME);
		assert_string_equal(claims.serial, ""); /* this card has no such extension */
		assert_true(buf_equal(&claims.spki, &public));
		assert_true(buf_equal(&claims.chain, &ders)); /* byte for byte, strict DER or not */
		assert_ok(x509_parse_list(claims.chain.data, claims.chain.len, &list, ERR_DEVICE,
			      &e),
		    &e);
		assert_int_equal(X509_verify(sk_X509_value(list, 0),
				     X509_get0_pubkey(sk_X509_value(list, 1))),
		    1);
	}
}

static void evidence_that_is_cut_is_refused(void **state)
{
	AUTO_PTR(profile) *p =
	    piv_profile("{ identity: serial, factory_secrets: true }", "EC:P-256");
	AUTO_STRUCT(origin_claims) claims = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO_STRUCT(buf) f9 = { 0 };
	struct err e = { 0 };

	(void)state;
	if (conclusions == NULL)
		testing_skip("the PIV vectors");
	testing_read(testing_vector("piv/attestation-p256.short.bin"), &ders);
	assert_int_equal(ders.len,
	    json_integer_value(
		json_object_get(conclusion("p256", "attestation"), "received_length")));
	assert_err(family_find("piv")->check_origin(p, &ders, &claims, &e), &e, "origin.der");
	/* it does not become whole by what follows */
	testing_read(testing_vector("piv/f9-certificate.der"), &f9);
	fake_add(&ders, f9.data, f9.len);
	assert_err(family_find("piv")->check_origin(p, &ders, &claims, &e), &e, "origin.der");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attestations_are_told_apart),
		cmocka_unit_test(a_whole_attestation_comes_with_its_certificate),
		cmocka_unit_test(attested_keys_are_the_cards_keys),
		cmocka_unit_test(evidence_that_is_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, open_conclusions, close_conclusions);
}
