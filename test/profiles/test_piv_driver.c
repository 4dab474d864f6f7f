#include "driver.h"

#include "family.h"
#include "piv_world.h"

static void install(struct world *w, const char *what, size_t len)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	struct err e = { 0 };
	enum object object = OBJECT_LEAF;

	assert_true(object_parse(what, &object));
	for (size_t i = 0; i < len; i++)
		assert_ok(buf_add_u8(&der, (uint8_t)(i * 7), &e), &e);
	assert_ok(w->driver->install(w->d, object, &der, &e), &e);
	assert_ok(w->driver->readback(w->d, object, &stored, &e), &e);
	assert_false(stored.is_digest);
	assert_true(buf_equal(&stored.bytes, &der));
}

static void prove(struct world *w, EVP_PKEY *key)
{
	static const uint8_t nonce[32] = { 1, 2, 3 };
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	AUTO_STRUCT(stored) leaf = { 0 };
	uint8_t digest[SHA256_LEN];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct err e = { 0 };

	assert_ok(w->driver->prove(w->d, nonce, &proof, &e), &e);
	assert_ok(family_find("piv")->check_proof(w->profile, &proof, &claims, &e), &e);
	assert_memory_equal(claims.nonce, nonce, sizeof(nonce));
	assert_ok(w->driver->readback(w->d, OBJECT_LEAF, &leaf, &e), &e);
	sha256(leaf.bytes.data, leaf.bytes.len, digest);
	assert_memory_equal(claims.leaf_sha256, digest, sizeof(digest));
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, claims.digest, NULL, NULL, key, NULL),
	    1);
	assert_int_equal(EVP_DigestVerify(ctx, claims.signature.data, claims.signature.len,
			     claims.message.data, claims.message.len),
	    1);
	EVP_MD_CTX_free(ctx);
}

/* From nothing to a proof, with every algorithm. */
static void a_unit_passes(void **state)
{
	static const char *const algorithms[] = { "EC:P-256", "EC:P-384", "RSA:2048", "RSA:3072" };

	(void)state;
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		AUTO_STRUCT(buf) csr = { 0 };
		AUTO_STRUCT(identity) id = { 0 };
		AUTO(X509_REQ) *parsed = NULL;
		struct err e = { 0 };
		struct world w;

		world_open(&w, PIV_SECTION, algorithms[i]);
		assert_ok(w.driver->identify(w.d, &id, &e), &e);
		assert_string_equal(id.model, "UT1");
		assert_string_equal(id.serial, "20000001");
		assert_string_equal(id.firmware, "5.4.3");
		assert_string_equal(id.lifecycle, "factory");
		assert_false(id.key_present);
		make_key(&w);
		assert_ok(request(&w, &csr, &e), &e);
		assert_ok(x509_parse_request(csr.data, csr.len, &parsed, ERR_DEVICE, &e), &e);
		assert_int_equal(X509_REQ_verify(parsed, w.card.key), 1);
		install(&w, "leaf", 900);
		install(&w, "anchors", 1700);
		prove(&w, w.card.key);
		assert_ok(w.driver->identify(w.d, &id, &e), &e);
		assert_true(id.key_present);
		assert_int_equal(w.card.power_ons, 1); /* nothing failed */
		assert_int_equal(w.card.generates, 1);
		world_close(&w);
	}
}

/* Slot and policies are the profile's. */
static void other_slots_are_used(void **state)
{
	static const struct {
		const char *section;
		uint32_t object;
		uint8_t policy;
		int verifies;
	} cases[] = {
		{ "{ identity: serial, slot: 9c, factory_secrets: true, pin_policy: always }",
		    0x5fc10a, 3, 2 },
		{ "{ identity: serial, slot: \"9e\", factory_secrets: true }", 0x5fc101, 0, 0 },
		{ "{ identity: serial, slot: \"95\", factory_secrets: true }", 0x5fc120, 0, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(buf) csr = { 0 };
		struct err e = { 0 };
		struct world w;

		world_open(&w, cases[i].section, "EC:P-256");
		make_key(&w);
		assert_int_equal(w.card.pin_policy, cases[i].policy);
		assert_ok(request(&w, &csr, &e), &e);
		install(&w, "leaf", 300);
		assert_non_null(fake_object(&w.card, cases[i].object, false));
		prove(&w, w.card.key);
		assert_int_equal(w.card.verifies, cases[i].verifies);
		world_close(&w);
	}
}

static void keygen_keeps_or_replaces(void **state)
{
	const struct key_spec keep = { "EC:P-256", false }, other = { "EC:P-384", true };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, PIV_SECTION, "EC:P-256");
	assert_ok(w.driver->keygen(w.d, &keep, &e), &e);
	assert_int_equal(w.card.generates, 1);
	assert_ok(w.driver->keygen(w.d, &keep, &e), &e);
	assert_int_equal(w.card.generates, 1);
	make_key(&w);
	assert_int_equal(w.card.generates, 2);
	assert_err(w.driver->keygen(w.d, &other, &e), &e, "piv.keygen");
	assert_int_equal(e.domain, ERR_CONFIG);
	world_close(&w);
}

/* The driver that made the key is gone; the next one reads the public half again. */
static void a_key_of_before_is_read(void **state)
{
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO(X509_REQ) *parsed = NULL;
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, PIV_SECTION, "EC:P-256");
	make_key(&w);
	w.driver->close(w.d);
	w.d = fake_open(&w.card, w.profile, NULL);
	assert_ok(request(&w, &csr, &e), &e);
	assert_ok(x509_parse_request(csr.data, csr.len, &parsed, ERR_DEVICE, &e), &e);
	assert_int_equal(X509_REQ_verify(parsed, w.card.key), 1);
	world_close(&w);
}

/* Without metadata: attestation, then the certificate, then nothing. */
static void other_ways_to_a_public_key(void **state)
{
	AUTO_STRUCT(identity) id = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	if (testing_vector("piv/certificate-p256.der") == NULL)
		testing_skip("the PIV vectors");
	world_open(&w, PIV_SECTION, "EC:P-256");
	w.card.has_metadata = false;
	make_key(&w);
	assert_ok(w.driver->identify(w.d, &id, &e), &e);
	assert_false(id.key_present); /* nothing tells */
	assert_string_equal(id.lifecycle, "");
	w.driver->close(w.d);
	w.d = fake_open(&w.card, w.profile, NULL);
	assert_err(request(&w, &csr, &e), &e, "piv.public-key");
	assert_non_null(strstr(e.message, "slot 9a"));
	store(&w, "piv/certificate-p256.der", 0x5fc105);
	assert_ok(w.driver->identify(w.d, &id, &e), &e);
	assert_true(id.key_present);
	assert_ok(request(&w, &csr, &e), &e); /* the judge sees that it is another key */
	world_close(&w);
}

static void identities(void **state)
{
	static const char chuid[] = "5333301900000000000000000000000000000000000000000000000000"
				    "3410000102030405060708090a0b0c0d0e0f3e00fe00";
	AUTO_STRUCT(identity) id = { 0 };
	AUTO_STRUCT(buf) content = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, "{ identity: guid, factory_secrets: true }", "EC:P-256");
	assert_err(w.driver->identify(w.d, &id, &e), &e, "piv.identity");
	testing_hex(chuid + 4, &content);
	fake_add(fake_object(&w.card, 0x5fc102, true), content.data, content.len);
	assert_ok(w.driver->identify(w.d, &id, &e), &e);
	assert_string_equal(id.model, "fake"); /* the application's label */
	assert_string_equal(id.serial, "000102030405060708090a0b0c0d0e0f");
	assert_string_equal(id.uuid, "00010203-0405-0607-0809-0a0b0c0d0e0f");
	w.card.label = NULL;
	assert_err(w.driver->identify(w.d, &id, &e), &e, "piv.identity");
	w.card.label = "not\nprintable";
	assert_err(w.driver->identify(w.d, &id, &e), &e, "piv.identity");
	world_close(&w);
}

static const struct {
	const char *what; /* the op */
	struct fake_says says;
	const char *code, *why;
} refusals[] = {
	{ "identify", { 0xa4, -1, -1, "6a82", 0 }, "piv.application", "6A82" },
	{ "identify", { 0xa4, -1, -1, "9000", 0 }, "piv.protocol", "application" },
	{ "identify", { 0xa4, -1, -1, NULL, 0 }, "link.gone", "application" },
	{ "identify", { 0xa4, -1, -1, "90", 0 }, "piv.protocol", "less than 2" },
	{ "identify", { 0xf8, -1, -1, "6d00", 0 }, "piv.identity", "guid" },
	{ "identify", { 0xf8, -1, -1, "0102039000", 0 }, "piv.identity", "no serial" },
	{ "identify", { 0xcb, -1, -1, "6f00", 0 }, "piv.status", "5fc102: the card answers 6F00" },
	{ "identify", { 0xcb, -1, -1, "5401009000", 0 }, "piv.protocol", "5fc102" },
	{ "identify", { 0xcb, -1, -1, "530200ff009000", 0 }, "piv.protocol", "5fc102" },
	{ "identify", { 0xcb, -1, -1, "61ff", 0 }, "piv.protocol", "announces more" },
	{ "keygen", { 0x47, -1, -1, "6982", 0 }, "piv.not-allowed", "making a key" },
	{ "keygen", { 0x47, -1, -1, "0001", 0 }, "piv.status", "no status word" },
	{ "keygen", { 0x47, -1, -1, "7f490286009000", 0 }, "piv.key", "P-256" },
	{ "keygen", { 0x47, -1, -1, "7e0286009000", 0 }, "piv.protocol", "making a key" },
	{ "keygen", { 0x87, 3, 0x9b, "6a86", 0 }, "piv.status", "witness" },
	{ "keygen",
	    { 0x87, 3, 0x9b,
		"7c0480020102"
		"9000",
		0 },
	    "piv.protocol", "witness" },
	{ "keygen", { 0x87, 3, 0x9b, "6982", 1 }, "piv.management-key", "not tried again" },
	{ "keygen", { 0x87, 3, 0x9b, "7c0a820800112233445566779000", 1 }, "piv.management-card",
	    "does not know it" },
	{ "keygen", { 0x87, 3, 0x9b, "9000", 1 }, "piv.management-card", "does not know it" },
	{ "keygen", { 0xf7, 0, 0x9b, "0101079000", 0 }, "piv.management-key", "0x07" },
	{ "request", { 0x87, -1, 0x9a, "6985", 0 }, "piv.status", "conditions" },
	{ "request", { 0x87, -1, 0x9a, "7c0282009000", 0 }, "piv.protocol", "signing" },
	{ "request", { 0x87, -1, 0x9a, "9000", 0 }, "piv.protocol", "signing" },
	{ "install", { 0xdb, -1, -1, "6a84", 0 }, "piv.space", "object 5fc105" },
	{ "install", { 0xdb, -1, -1, "6982", 0 }, "piv.not-allowed", "writing" },
	{ "readback", { 0xcb, -1, -1, "6a82", 0 }, "piv.empty", "5fc105" },
	{ "readback", { 0xcb, -1, -1, "53009000", 0 }, "piv.empty", "5fc105" },
	{ "readback",
	    { 0xcb, -1, -1,
		"53027000"
		"9000",
		0 },
	    "piv.object", "no certificate" },
	{ "readback",
	    { 0xcb, -1, -1,
		"5306700101710101"
		"9000",
		0 },
	    "piv.object", "compressed" },
	{ "readback",
	    { 0xcb, -1, -1,
		"5305700101ab00"
		"9000",
		0 },
	    "piv.object", "0xab" },
	{ "readback",
	    { 0xcb, -1, -1,
		"5306700101700102"
		"9000",
		0 },
	    "piv.object", "0x70" },
	{ "readback",
	    { 0xcb, -1, -1,
		"5304700101fe"
		"9000",
		0 },
	    "piv.object", "no sense" },
	{ "prove", { 0xcb, -1, -1, "6a82", 0 }, "piv.empty", "5fc105" },
	{ "prove", { 0x87, -1, 0x9a, "6982", 0 }, "piv.not-allowed", "signing" },
	{ "origin", { 0xf9, -1, -1, "6a80", 0 }, "piv.status", "attesting" },
	{ "origin", { 0xf9, -1, -1, "0001", 0 }, "piv.status", "no status word" },
	{ "origin",
	    { 0xf9, -1, -1,
		"30050101"
		"9000",
		0 },
	    "origin.der", "4 bytes" },
	{ "origin",
	    { 0xf9, -1, -1,
		"300101ff"
		"9000",
		0 },
	    "origin.der", "4 bytes" },
};

static int run(struct world *w, const char *op, struct err *e)
{
	static const uint8_t nonce[32];
	const struct key_spec spec = { "EC:P-256", true };
	AUTO_STRUCT(identity) id = { 0 };
	AUTO_STRUCT(buf) out = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	uint8_t der[] = { 0x30, 0 };
	const struct buf leaf = { .data = der, .len = sizeof(der) };

	if (strcmp(op, "identify") == 0)
		return w->driver->identify(w->d, &id, e);
	if (strcmp(op, "keygen") == 0)
		return w->driver->keygen(w->d, &spec, e);
	if (strcmp(op, "request") == 0)
		return request(w, &out, e);
	if (strcmp(op, "install") == 0)
		return w->driver->install(w->d, OBJECT_LEAF, &leaf, e);
	if (strcmp(op, "readback") == 0)
		return w->driver->readback(w->d, OBJECT_LEAF, &stored, e);
	if (strcmp(op, "prove") == 0)
		return w->driver->prove(w->d, nonce, &proof, e);
	return w->driver->origin(w->d, &out, e);
}

static void what_the_card_refuses_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct err e = { 0 };
		struct world w;

		world_open(&w, PIV_SECTION, "EC:P-256");
		make_key(&w);
		install(&w, "leaf", 200);
		w.card.says[0] = refusals[i].says;
		w.card.says[1] = (struct fake_says){ 0xc0, -1, -1, "61ff", 0 };
		if (run(&w, refusals[i].what, &e) == 0)
			fail_msg("case %zu: %s is taken", i, refusals[i].what);
		if (!err_is(&e, refusals[i].code) || strstr(e.message, refusals[i].why) == NULL)
			fail_msg("case %zu: %s: %s", i, e.code, e.message);
		/* the next step resets the card, and works */
		memset(w.card.says, 0, sizeof(w.card.says));
		w.card.power_ons = 0;
		memset(&e, 0, sizeof(e));
		assert_ok(run(&w, "readback", &e), &e);
		assert_int_equal(w.card.power_ons, 1);
		world_close(&w);
	}
}

/* A length the card wants otherwise (6Cxx) is given to it. */
static void a_wanted_length_is_given(void **state)
{
	AUTO_STRUCT(identity) id = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, PIV_SECTION, "EC:P-256");
	w.card.says[0] = (struct fake_says){ 0xf8, -1, -1, "6c04", 0 };
	w.card.says_once = true;
	assert_ok(w.driver->identify(w.d, &id, &e), &e);
	assert_string_equal(id.serial, "20000001");
	assert_int_equal(w.card.last_le, 4);
	world_close(&w);
}

static void objects_without_a_place_are_refused(void **state)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, "{ identity: serial, factory_secrets: true }", "EC:P-256");
	assert_err(w.driver->install(w.d, OBJECT_CHAIN, &der, &e), &e, "piv.object");
	assert_err(w.driver->install(w.d, OBJECT_ANCHORS, &der, &e), &e, "piv.object");
	assert_err(w.driver->readback(w.d, OBJECT_ANCHORS, &stored, &e), &e, "piv.object");
	world_close(&w);
}

static void what_does_not_fit_is_told(void **state)
{
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, PIV_SECTION, "EC:P-256");
	for (int i = 0; i < 3000; i++)
		assert_ok(buf_add_u8(&der, 0, &e), &e);
	assert_err(w.driver->install(w.d, OBJECT_LEAF, &der, &e), &e, "piv.space");
	assert_non_null(strstr(e.message, "3009 bytes"));
	for (int i = 0; i < 70000; i++)
		assert_ok(buf_add_u8(&der, 0, &e), &e);
	assert_err(w.driver->install(w.d, OBJECT_LEAF, &der, &e), &e, "piv.size");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_unit_passes),
		cmocka_unit_test(other_slots_are_used),
		cmocka_unit_test(keygen_keeps_or_replaces),
		cmocka_unit_test(a_key_of_before_is_read),
		cmocka_unit_test(other_ways_to_a_public_key),
		cmocka_unit_test(identities),
		cmocka_unit_test(what_the_card_refuses_is_told),
		cmocka_unit_test(a_wanted_length_is_given),
		cmocka_unit_test(objects_without_a_place_are_refused),
		cmocka_unit_test(what_does_not_fit_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
