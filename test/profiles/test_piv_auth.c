/* Management key, PIN and its counter, and the line they are written in. */
#include "piv/auth.h"

#include "piv_kit.h"

static struct piv_card card_of(struct fake *f)
{
	return (struct piv_card){ .reader = &fake_reader, .context = f, .deadline = INT64_MAX };
}

static int read_line(const char *text, struct piv_credential *ret, struct err *e)
{
	AUTO_STRUCT(secret) s = { 0 };

	assert_ok(secret_set(&s, text, strlen(text), e), e);
	return piv_credential_read(&s, ret, e);
}

static void lines_are_read(void **state)
{
	static const struct {
		const char *text;
		size_t key_len;
		bool has_pin;
		const char *pin;
	} cases[] = {
		{ "management-key=00112233445566778899aabbccddeeff", 16, false, NULL },
		{ "management-key=00112233445566778899AABBCCDDEEFF0011223344556677 pin=123456", 24,
		    true, "123456\xff\xff" },
		{ "pin=a!b?12=8 "
		  "management-key="
		  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		    32, true, "a!b?12=8" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(piv_credential) c = { 0 };
		struct err e = { 0 };

		assert_ok(read_line(cases[i].text, &c, &e), &e);
		assert_int_equal(c.key_len, cases[i].key_len);
		assert_int_equal(c.key[1], 0x11);
		assert_int_equal(c.key[15], 0xff);
		assert_int_equal(c.has_pin, cases[i].has_pin);
		if (c.has_pin)
			assert_memory_equal(c.pin, cases[i].pin, 8);
	}
}

static void wrong_lines_are_refused_and_not_quoted(void **state)
{
	static const char *const lines[] = {
		"",
		"pin=765432",
		"pin=",
		"pin=76543",
		"pin=765432109",
		"pin=76543\t",
		"pin=76543\xc3\xbc",
		"pin=765432 pin=765432",
		"pin=765432  management-key=7654327654327654327654327654327a",
		"pin=765432 management-key=7654327654327654327654327654327a ",
		" pin=765432 management-key=7654327654327654327654327654327a",
		"management-key=",
		"management-key=7654327654327654327654327654327",
		"management-key=7654327654327654327654327654327g",
		"management-key=76543276543276543276543276543276543",
		("management-key=7654327654327654327654327654327a "
		 "management-key=7654327654327654327654327654327a"),
		"management-key=7654327654327654327654327654327a\npin=765432",
		"Management-Key=7654327654327654327654327654327a",
		"management-key: 7654327654327654327654327654327a",
		"puk=76543210 management-key=7654327654327654327654327654327a",
		"7654327654327654327654327654327a",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		AUTO_STRUCT(piv_credential) c = { 0 };
		struct err e = { 0 };

		if (read_line(lines[i], &c, &e) == 0)
			fail_msg("taken: %s", lines[i]);
		assert_err(-1, &e, "piv.secret");
		assert_int_equal(e.domain, ERR_CONFIG);
		assert_null(strstr(e.message, "7654"));
		assert_int_equal(c.key_len, 0);
	}
}

static void factory_secrets_are_known(void **state)
{
	static const uint8_t key[] = { 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4,
		5, 6, 7, 8 };
	AUTO_STRUCT(piv_credential) c = { 0 };

	(void)state;
	piv_credential_factory(&c);
	assert_int_equal(c.key_len, sizeof(key));
	assert_memory_equal(c.key, key, sizeof(key));
	assert_true(c.has_pin);
	assert_memory_equal(c.pin, "123456\xff\xff", 8);
	piv_credential_free(&c);
	assert_int_equal(c.key[0], 0);
}

static const struct {
	uint8_t algorithm;
	const char *key;
} keys[] = {
	{ PIV_3DES, "010203040506070801020304050607080102030405060708" },
	{ PIV_AES128, "00112233445566778899aabbccddeeff" },
	{ PIV_AES192, "00112233445566778899aabbccddeeff0011223344556677" },
	{ PIV_AES256, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" },
};

static void load_key(const char *hex, struct piv_credential *ret)
{
	ret->key_len = strlen(hex) / 2;
	assert_true(hex_decode(hex, ret->key, ret->key_len));
}

/* Both sides know the key, whatever its algorithm; a bit of it changed and the card says no. */
static void every_management_key_works(void **state)
{
	static const uint8_t challenge[PIV_BLOCK_MAX] = { 9, 8, 7 };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		AUTO_STRUCT(piv_credential) key = { 0 };
		struct err e = { 0 };
		struct fake f;
		struct piv_card c = card_of(&f);

		fake_init(&f);
		f.management_algorithm = keys[i].algorithm;
		f.management = keys[i].key;
		load_key(keys[i].key, &key);
		assert_ok(piv_manage(&c, keys[i].algorithm, &key, challenge, &e), &e);
		assert_true(f.managed);
		assert_int_equal(f.management_tries, 1);
		f.managed = false;
		key.key[0] ^= 2;
		assert_err(piv_manage(&c, keys[i].algorithm, &key, challenge, &e), &e,
		    "piv.management-key");
		assert_false(f.managed);
		assert_int_equal(f.management_tries, 2); /* one each */
		key.key_len--;
		assert_err(piv_manage(&c, keys[i].algorithm, &key, challenge, &e), &e,
		    "piv.secret");
		assert_int_equal(f.management_tries, 2);
		fake_free(&f);
	}
}

static void the_algorithm_is_found(void **state)
{
	static const struct {
		uint8_t configured;
		bool metadata;
		uint8_t of_card;
		size_t key_len;
		uint8_t want; /* 0: refused */
		bool factory;
	} cases[] = {
		{ 0, true, PIV_AES256, 24, PIV_AES256, true },
		{ 0, false, 0, 24, PIV_3DES, true },
		{ 0, true, PIV_AES192, 24, PIV_AES192, false },
		{ 0, true, PIV_3DES, 24, PIV_3DES, false },
		{ 0, false, 0, 24, PIV_3DES, false },
		{ 0, false, 0, 16, PIV_AES128, false },
		{ 0, false, 0, 32, PIV_AES256, false },
		{ PIV_AES192, false, 0, 24, PIV_AES192, false },
		{ PIV_AES192, true, PIV_3DES, 24, PIV_AES192, false },
		{ 0, true, PIV_AES128, 24, 0, false },
		{ PIV_AES256, true, PIV_AES256, 24, 0, false },
		{ PIV_3DES, false, 0, 16, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		struct fake f;
		struct piv_card c = card_of(&f);
		uint8_t got = 0;
		int rc;

		fake_init(&f);
		f.has_metadata = cases[i].metadata;
		f.management_algorithm = cases[i].of_card;
		AUTO_STRUCT(piv_credential)
		key = { .key_len = cases[i].key_len, .factory = cases[i].factory };

		rc = piv_management_algorithm(&c, cases[i].configured, &key, &got, &e);
		if (cases[i].want == 0)
			assert_err(rc, &e, "piv.secret");
		else
			assert_ok(rc, &e);
		assert_int_equal(got, cases[i].want);
		fake_free(&f);
	}
}

static void credential(struct piv_credential *ret, const char *pin)
{
	piv_credential_factory(ret);
	memset(ret->pin, 0xff, sizeof(ret->pin));
	memcpy(ret->pin, pin, strlen(pin));
}

/* The counter decides before a try is spent. */
static void tries_are_kept(void **state)
{
	static const struct {
		int tries;
		const char *pin, *code, *why; /* code NULL: accepted */
		int verifies, left;
	} cases[] = {
		{ 5, "123456", NULL, NULL, 1, 5 },
		{ 2, "123456", NULL, NULL, 1, 5 },
		{ 5, "999999", "piv.pin", "4 tries", 1, 4 },
		{ 2, "999999", "piv.pin", "1 tries", 1, 1 },
		{ 1, "123456", "piv.pin-last-try", "does not use", 0, 1 },
		{ 1, "999999", "piv.pin-last-try", "does not use", 0, 1 },
		{ 0, "123456", "piv.pin-blocked", "PUK", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(piv_credential) pin = { 0 };
		struct err e = { 0 };
		struct fake f;
		struct piv_card c = card_of(&f);
		bool accepted = false;
		int rc;

		fake_init(&f);
		f.tries = cases[i].tries;
		credential(&pin, cases[i].pin);
		rc = piv_verify(&c, &pin, &accepted, &e);
		if (cases[i].code == NULL) {
			assert_ok(rc, &e);
		} else {
			assert_err(rc, &e, cases[i].code);
			assert_int_equal(e.domain, ERR_DEVICE);
			assert_false(e.retry);
			assert_non_null(strstr(e.message, cases[i].why));
			assert_null(strstr(e.message, cases[i].pin));
		}
		assert_int_equal(accepted, cases[i].code == NULL);
		assert_int_equal(f.verifies, cases[i].verifies);
		assert_int_equal(f.tries, cases[i].left);
		fake_free(&f);
	}
}

static void counters_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *counter, *code;
	} cases[] = {
		{ "6a80", "piv.pin-counter" },
		{ "6300", "piv.pin-counter" },
		{ "6985", "piv.pin-counter" },
		{ "0001", "piv.pin-counter" },
		{ "63c1", "piv.pin-last-try" },
		{ "63c0", "piv.pin-blocked" },
		{ "6983", "piv.pin-blocked" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(piv_credential) pin = { 0 };
		struct err e = { 0 };
		struct fake f;
		struct piv_card c = card_of(&f);
		bool accepted = false;

		fake_init(&f);
		f.says[0] = (struct fake_says){ 0x20, -1, 0x80, cases[i].counter, 0 };
		piv_credential_factory(&pin);
		assert_err(piv_verify(&c, &pin, &accepted, &e), &e, cases[i].code);
		assert_int_equal(f.verifies, 0);
		/* what the card may say to a PIN itself */
		f.says[0].skip = 1;
		if (piv_verify(&c, &pin, &accepted, &e) == 0 || strncmp(e.code, "piv.pin", 7) != 0)
			fail_msg("case %zu: %s", i, e.code);
		fake_free(&f);
	}
}

/* The answer to the PIN was lost: it may have been a refusal. The counter's may be asked again. */
static void a_try_is_not_spent_again_by_itself(void **state)
{
	static const char *const codes[] = { "link.stall", "link.error", "link.timeout" };

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(codes); i++) {
		bool is_pin = i >= COUNT(codes);
		AUTO_STRUCT(piv_credential) pin = { 0 };
		struct err e = { 0 };
		struct fake f;
		struct piv_card c = card_of(&f);
		bool accepted = false;

		fake_init(&f);
		f.says[0] = (struct fake_says){ 0x20, -1, 0x80, codes[i % COUNT(codes)], is_pin };
		piv_credential_factory(&pin);
		assert_err(piv_verify(&c, &pin, &accepted, &e), &e, codes[i % COUNT(codes)]);
		assert_int_equal(e.domain, ERR_LINK);
		assert_int_equal(e.retry, !is_pin);
		assert_false(accepted);
		fake_free(&f);
	}
}

/* Verified already: by us, then it may be verified again; else the card asks for none. */
static void a_verified_pin_is_verified_again_by_us_alone(void **state)
{
	AUTO_STRUCT(piv_credential) pin = { 0 };
	struct err e = { 0 };
	struct fake f;
	struct piv_card c = card_of(&f);
	bool accepted = false;

	(void)state;
	fake_init(&f);
	f.pin_ok = true;
	piv_credential_factory(&pin);
	assert_ok(piv_verify(&c, &pin, &accepted, &e), &e);
	assert_int_equal(f.verifies, 0);
	assert_false(accepted);
	accepted = true;
	assert_ok(piv_verify(&c, &pin, &accepted, &e), &e);
	assert_int_equal(f.verifies, 1);
	fake_free(&f);
}

static struct profile *profile_with_secret(void)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(buf) changed = { 0 };
	struct profile *p = NULL;
	struct err e = { 0 };

	testing_read(testing_source("profiles/piv/usb-token-p384.yaml"), &text);
	assert_ok(yaml_replace("test", (const char *)text.data, text.len, "/piv",
		      "{ identity: serial }", &changed, &e),
	    &e);
	assert_ok(buf_add_str(&changed, "\nsecret: { file: s }\n", &e), &e);
	assert_ok(profile_parse(&p, "test", (const char *)changed.data, changed.len, &e), &e);
	return p;
}

static struct device *open_with(struct fake *f, const struct profile *p, struct secret *s,
    const char *line)
{
	struct err e = { 0 };

	assert_ok(secret_set(s, line, strlen(line), &e), &e);
	return fake_open(f, p, s);
}

static int ask_request(struct device *d, struct err *e)
{
	const struct identity unit = { .model = "UT1", .serial = "20000001" };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };

	assert_ok(subject_render(&subject, d->profile, &unit, e), e);
	return d->driver->request(d, &subject, &csr, e);
}

/* What the card refused it is not asked again in this attachment, reset or not. */
static void a_refusal_is_for_good(void **state)
{
	static const struct {
		const char *line, *code;
		bool makes; /* the management key is right */
		int verifies;
	} cases[] = {
		{ "management-key=0102030405060708010203040506070801020304050607ff pin=123456",
		    "piv.management-key", false, 0 },
		{ "management-key=010203040506070801020304050607080102030405060708 pin=999999",
		    "piv.pin", true, 1 },
	};
	const struct key_spec spec = { "EC:P-384", true };
	AUTO_PTR(profile) *p = profile_with_secret();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(secret) s = { 0 };
		struct fake f;
		struct device *d;

		fake_init(&f);
		f.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
		f.key_algorithm = 0x14;
		d = open_with(&f, p, &s, cases[i].line);
		for (int k = 0; k < 3; k++) {
			struct err e = { 0 };

			if (cases[i].makes)
				assert_ok(d->driver->keygen(d, &spec, &e), &e);
			else
				assert_err(d->driver->keygen(d, &spec, &e), &e, cases[i].code);
			assert_err(ask_request(d, &e), &e, cases[i].code);
		}
		if (!cases[i].makes)
			assert_int_equal(f.management_tries, 1);
		assert_int_equal(f.verifies, cases[i].verifies);
		assert_int_equal(f.tries, FAKE_TRIES - cases[i].verifies);
		d->driver->close(d);
		fake_free(&f);
	}
}

/* A card that says yes to everything and does not know the management key. */
static void the_pin_is_for_cards_of_ours(void **state)
{
	static const char line[] =
	    "management-key=010203040506070801020304050607080102030405060708 pin=123456";
	static const struct {
		const char *witness, *response, *code;
	} cards[] = {
		{ "9000", "9000", "piv.protocol" },
		{ "7c0a800800112233445566779000", "9000", "piv.management-card" },
		{ "7c0a800800112233445566779000", "7c0a820800112233445566779000",
		    "piv.management-card" },
	};
	static const uint8_t nonce[32];
	const struct key_spec keep = { "EC:P-384", false };
	AUTO_PTR(profile) *p = profile_with_secret();

	(void)state;
	for (size_t i = 0; i < COUNT(cards); i++) {
		AUTO_STRUCT(secret) s = { 0 };
		struct fake f;
		struct device *d;

		fake_init(&f);
		f.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
		f.key_algorithm = 0x14;
		fake_add(fake_object(&f, 0x5fc105, true), "\x70\x02\x30\x00", 4);
		d = open_with(&f, p, &s, line);
		for (int k = 0; k < 6; k++) {
			AUTO_STRUCT(proof) proof = { 0 };
			struct err e = { 0 };

			f.says[0] = (struct fake_says){ 0x87, 3, 0x9b, cards[i].response, 1 };
			f.says[1] = (struct fake_says){ 0x87, 3, 0x9b, cards[i].witness, 0 };
			assert_err(k % 3 == 0   ? ask_request(d, &e)
				   : k % 3 == 1 ? d->driver->prove(d, nonce, &proof, &e)
						: d->driver->keygen(d, &keep, &e),
			    &e, cards[i].code);
		}
		assert_int_equal(f.verifies, 0);
		assert_int_equal(f.signatures, 0);
		d->driver->close(d);
		fake_free(&f);
	}
}

/* Recovery asks first which key there is; each time the card was powered, and once each time. */
static void a_card_is_met_once_in_a_session(void **state)
{
	static const char line[] =
	    "management-key=010203040506070801020304050607080102030405060708 pin=123456";
	const struct key_spec keep = { "EC:P-384", false };
	AUTO_PTR(profile) *p = profile_with_secret();
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };
	struct fake f;
	struct device *d;

	(void)state;
	fake_init(&f);
	f.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	f.key_algorithm = 0x14;
	d = open_with(&f, p, &s, line);
	assert_ok(ask_request(d, &e), &e);
	assert_ok(d->driver->keygen(d, &keep, &e), &e);
	assert_ok(ask_request(d, &e), &e);
	assert_int_equal(f.management_tries, 1);
	f.says[0] = (struct fake_says){ 0x87, -1, 0x9a, "6f00", 0 };
	assert_err(ask_request(d, &e), &e, "piv.status");
	memset(f.says, 0, sizeof(f.says));
	assert_ok(ask_request(d, &e), &e); /* powered again */
	assert_int_equal(f.power_ons, 2);
	assert_int_equal(f.management_tries, 2);
	d->driver->close(d);
	fake_free(&f);
}

static void a_slot_that_wants_a_pin_says_so(void **state)
{
	const struct identity unit = { .model = "UT1", .serial = "20000001" };
	AUTO_PTR(profile) *p = profile_with_secret();
	AUTO_STRUCT(secret) s = { 0 };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };
	struct fake f;
	struct device *d;

	(void)state;
	fake_init(&f);
	f.key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	f.key_algorithm = 0x14;
	d = open_with(&f, p, &s, "management-key=010203040506070801020304050607080102030405060708");
	assert_ok(subject_render(&subject, p, &unit, &e), &e);
	assert_err(d->driver->request(d, &subject, &csr, &e), &e, "piv.secret");
	assert_non_null(strstr(e.message, "wants the PIN"));
	d->driver->close(d);
	/* a key of another algorithm than the profile's */
	f.key_algorithm = 0x11;
	d = open_with(&f, p, &s, "management-key=010203040506070801020304050607080102030405060708");
	assert_err(d->driver->request(d, &subject, &csr, &e), &e, "piv.key");
	d->driver->close(d);
	fake_free(&f);
}

static void a_bad_secret_opens_nothing(void **state)
{
	AUTO_PTR(profile) *p = profile_with_secret();
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };
	struct fake f;
	struct device *d = NULL;
	const struct device base = { .driver = driver_find("piv"), .profile = p, .secret = &s };

	(void)state;
	fake_init(&f);
	assert_err(piv_device_open(&d, &base, &fake_reader, &f, &e), &e, "piv.secret");
	assert_null(d);
	fake_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(wrong_lines_are_refused_and_not_quoted),
		cmocka_unit_test(factory_secrets_are_known),
		cmocka_unit_test(every_management_key_works),
		cmocka_unit_test(the_algorithm_is_found),
		cmocka_unit_test(tries_are_kept),
		cmocka_unit_test(counters_that_are_none_are_refused),
		cmocka_unit_test(a_try_is_not_spent_again_by_itself),
		cmocka_unit_test(a_verified_pin_is_verified_again_by_us_alone),
		cmocka_unit_test(a_refusal_is_for_good),
		cmocka_unit_test(the_pin_is_for_cards_of_ours),
		cmocka_unit_test(a_card_is_met_once_in_a_session),
		cmocka_unit_test(a_slot_that_wants_a_pin_says_so),
		cmocka_unit_test(a_bad_secret_opens_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
