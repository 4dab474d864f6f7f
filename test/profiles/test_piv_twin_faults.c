#include "piv_twin_kit.h"

static void test_every_fault_parses(void **state)
{
	(void)state;
	for (size_t i = 0; twin_fault_names[i] != NULL; i++) {
		struct twin_config config = { .serial = "1",
			.fault = twin_fault_names[i],
			.seed = i };
		struct err e = { 0 };

		assert_ok(twin_card_check(&config, &e), &e);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *variant, *fault, *code;
	} rows[] = {
		{ NULL, "nonsense", "twin.fault" },
		{ NULL, "wrong-key:keygen", "twin.fault" },
		{ NULL, "mute:never", "twin.fault" },
		{ NULL, "power-cut:0", "twin.fault" },
		{ NULL, "power-cut:x", "twin.fault" },
		{ NULL, "power-cut:10000", "twin.fault" },
		{ "plain", "short-attestation", "twin.fault" },
		{ "serial", NULL, "twin.variant" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct twin_config config = { .serial = "1",
			.variant = rows[i].variant,
			.fault = rows[i].fault };
		struct err e;

		assert_err(twin_card_check(&config, &e), &e, rows[i].code);
	}
}

static enum step_id step_of(const struct kit *k, const char *hex)
{
	struct buf apdu = { 0 };
	enum step_id step;

	testing_hex(hex, &apdu);
	step = twin_card_step(&k->card, apdu.data, apdu.len);
	buf_free(&apdu);
	return step;
}

static void test_steps(void **state)
{
	static const struct {
		const char *apdu;
		enum step_id fresh, certified;
	} rows[] = {
		{ KIT_SELECT, STEP_IDENTIFY, STEP_IDENTIFY },
		{ "00f8000000", STEP_IDENTIFY, STEP_IDENTIFY },
		{ KIT_PIN, STEP_COUNT, STEP_COUNT },
		{ "0087039b047c028000", STEP_COUNT, STEP_COUNT },
		{ KIT_P256, STEP_KEYGEN, STEP_KEYGEN },
		{ "0087119a00", STEP_REQUEST, STEP_PROVE },
		{ "00f99a0000", STEP_REQUEST, STEP_REQUEST },
		{ "00db3fff095c035fc1055302aabb", STEP_INSTALL, STEP_INSTALL },
		{ "00cb3fff055c035fc10500", STEP_COUNT, STEP_READBACK },
		{ "00cb3fff055c035fc10200", STEP_COUNT, STEP_COUNT },
		{ "00", STEP_COUNT, STEP_COUNT },
	};
	struct kit k;

	(void)state;
	kit_open(&k, NULL, NULL);
	for (size_t i = 0; i < COUNT(rows); i++) {
		k.card.store.certified = false;
		assert_int_equal(step_of(&k, rows[i].apdu), rows[i].fresh);
		k.card.store.certified = true;
		assert_int_equal(step_of(&k, rows[i].apdu), rows[i].certified);
	}
	kit_shut(&k);
}

static void test_refuse(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "refuse:keygen");
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_authenticate(&k);
	kit_expect(&k, KIT_P256, 0x6f00);
	kit_expect(&k, "00f7009a00", 0x6a88);
	kit_shut(&k);
}

static void test_pin_blocked(void **state)
{
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "pin-blocked");
	kit_expect(&k, KIT_SELECT, 0x9000);
	kit_expect(&k, KIT_PIN, 0x6983);
	kit_shut(&k);
}

/* Which signatures are bad: of the request, and of the proof. */
static void expect_signatures(const char *fault, bool request, bool proof)
{
	struct buf point = { 0 };
	struct kit k;

	kit_open(&k, NULL, fault);
	kit_make_key(&k, &point);
	kit_expect(&k, KIT_PIN, 0x9000);
	assert_int_equal(kit_signs(&k, 0x33, &point), request);
	kit_put_certificate(&k, 200);
	assert_int_equal(kit_signs(&k, 0x33, &point), proof);
	buf_free(&point);
	kit_shut(&k);
}

static void test_signatures(void **state)
{
	(void)state;
	expect_signatures(NULL, true, true);
	expect_signatures("bad-csr-signature", false, true);
	expect_signatures("wrong-key", true, false);
	expect_signatures("wrong-nonce", true, false);
}

static void test_lying_readback(void **state)
{
	struct buf point = { 0 }, lie = { 0 }, truth = { 0 };
	struct kit k;
	size_t differ = 0;

	(void)state;
	kit_open(&k, NULL, "lying-readback");
	kit_make_key(&k, &point);
	kit_put_certificate(&k, 200);
	assert_int_equal(kit_ask_all(&k, "00cb3fff055c035fc10500", &lie), 0x9000);
	k.config.fault = NULL;
	kit_reboot(&k);
	kit_expect(&k, KIT_SELECT, 0x9000);
	assert_int_equal(kit_ask_all(&k, "00cb3fff055c035fc10500", &truth), 0x9000);
	assert_int_equal(lie.len, truth.len);
	for (size_t i = 0; i < lie.len; i++)
		differ += lie.data[i] != truth.data[i];
	assert_int_equal(differ, 1);
	buf_free(&point);
	buf_free(&lie);
	buf_free(&truth);
	kit_shut(&k);
}

/* As the simulator of the vectors did: 9000, and the outer length promises one byte more. */
static void test_short_attestation(void **state)
{
	struct buf point = { 0 }, der = { 0 };
	struct kit k;

	(void)state;
	kit_open(&k, NULL, "short-attestation");
	kit_make_key(&k, &point);
	assert_int_equal(kit_ask_all(&k, "00f99a0000", &der), 0x9000);
	assert_memory_equal(der.data, "\x30\x82", 2);
	assert_int_equal(4 + (der.data[2] << 8 | der.data[3]), der.len + 1);
	buf_free(&point);
	buf_free(&der);
	kit_shut(&k);
}

static X509 *fleet_root(const struct kit *k)
{
	struct buf pem = { 0 };
	X509_STACK *list = NULL;
	struct err e = { 0 };
	char path[4096];
	X509 *root;

	(void)snprintf(path, sizeof(path), "%s/attestation-root.pem", k->fleet);
	testing_read(path, &pem);
	assert_ok(x509_parse_pem(path, &pem, &list, ERR_CONFIG, &e), &e);
	root = sk_X509_pop(list);
	x509_stack_free(list);
	buf_free(&pem);
	return root;
}

/* The attestation agrees with its issuer in both cases; whether that is the fleet's, tells them apart. */
static void expect_issuer(const char *fault, bool ours)
{
	struct buf point = { 0 }, der = { 0 }, object = { 0 };
	X509 *attestation = NULL, *issuer, *root;
	struct err e = { 0 };
	struct kit k;

	kit_open(&k, NULL, fault);
	kit_make_key(&k, &point);
	root = fleet_root(&k);
	assert_int_equal(kit_ask_all(&k, "00f99a0000", &der), 0x9000);
	assert_int_equal(kit_ask_all(&k, "00cb3fff055c035fff0100", &object), 0x9000);
	issuer = kit_certificate(&object);
	assert_ok(x509_parse(der.data, der.len, &attestation, ERR_DEVICE, &e), &e);
	assert_int_equal(X509_verify(attestation, X509_get0_pubkey(issuer)), 1);
	assert_int_equal(X509_verify(issuer, X509_get0_pubkey(root)) == 1, ours);
	X509_free(attestation);
	X509_free(issuer);
	X509_free(root);
	buf_free(&point);
	buf_free(&der);
	buf_free(&object);
	kit_shut(&k);
}

static void test_foreign_attestation(void **state)
{
	(void)state;
	expect_issuer(NULL, true);
	expect_issuer("foreign-attestation", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_fault_parses),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_pin_blocked),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_lying_readback),
		cmocka_unit_test(test_short_attestation),
		cmocka_unit_test(test_foreign_attestation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
