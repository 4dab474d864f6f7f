/* The recorded run of another card (PivApplet in a simulator), replayed APDU by APDU, and what must follow from
 * it. */
#include "piv/auth.h"
#include "piv/key.h"
#include "piv/object.h"
#include "piv_replay.h"

/* The command that begins at APDU i, its parts joined; *i is then behind its answer's last part. */
static void next_command(const struct replay *r, size_t *i, struct buf *data, struct buf *answer,
    struct piv_command *ret)
{
	AUTO_STRUCT(buf) c = { 0 };
	AUTO_STRUCT(buf) part = { 0 };

	buf_clear(data);
	buf_clear(answer);
	for (;;) {
		testing_hex(member(r, *i, "c"), &c);
		if (c.len > 5)
			fake_add(data, c.data + 5, c.data[4]);
		if (c.data[0] != 0x10)
			break;
		++*i;
	}
	*ret = (struct piv_command){ c.data[1], c.data[2], c.data[3], data->data, data->len,
		c.len == 5 || (c.len > 5 && c.len == 6u + c.data[4]) };
	for (;;) {
		testing_hex(member(r, *i, "r"), &part);
		++*i;
		fake_add(answer, part.data, part.len - 2);
		if (part.data[part.len - 2] != 0x61)
			break;
	}
	fake_add(answer, part.data + part.len - 2, 2);
}

/* Every APDU of both transcripts: parts there, parts back. */
static void every_exchange_is_replayed(void **state)
{
	static const char *const files[] = { "piv/transcript.json", "piv/tool-transcript.json" };
	size_t exchanges = 0;

	(void)state;
	for (size_t f = 0; f < COUNT(files); f++) {
		struct replay r;
		struct piv_card c = replay_card(&r);

		replay_open(&r, files[f]);
		for (size_t s = 0; step_at(&r, s) != NULL; s++) {
			r.apdus = json_object_get(step_at(&r, s), "apdus");
			r.at = 0;
			for (size_t i = 0; i < json_array_size(r.apdus);) {
				AUTO_STRUCT(buf) data = { 0 }, want = { 0 }, got = { 0 };
				struct piv_command command;
				struct err e = { 0 };
				uint16_t status;

				next_command(&r, &i, &data, &want, &command);
				assert_ok(piv_command(&c, &command, &got, &status, &e), &e);
				fake_status(&got, status);
				assert_true(buf_equal(&got, &want));
				assert_int_equal(r.at, i);
			}
			exchanges += r.at;
		}
		json_decref(r.file);
	}
	assert_int_equal(exchanges, 71 + 12);
}

/* The same list, flat. */
static void the_flat_list_is_the_same(void **state)
{
	const char *path = testing_vector("piv/apdus.json");
	struct replay r;
	json_t *flat;
	size_t at = 0;

	(void)state;
	if (path == NULL)
		testing_skip("the PIV vectors");
	flat = testing_json(path);
	replay_open(&r, "piv/transcript.json");
	for (size_t s = 0; step_at(&r, s) != NULL; s++) {
		const json_t *apdus = json_object_get(step_at(&r, s), "apdus");

		for (size_t i = 0; i < json_array_size(apdus); i++, at++)
			assert_true(json_equal(json_array_get(apdus, i), json_array_get(flat, at)));
	}
	assert_int_equal(at, json_array_size(flat));
	json_decref(flat);
	json_decref(r.file);
}

static void key_follows(struct replay *r, struct piv_card *c, size_t i, const struct piv_options *o,
    struct buf *ret_spki)
{
	AUTO_STRUCT(buf) want = { 0 };
	char hex[65];
	struct err e = { 0 };

	assert_int_equal(strtoul(json_string_value(conclusion(slots[i].group, "object")), NULL, 16),
	    o->object);
	begin(r, slots[i].generate);
	assert_ok(piv_generate(c, o, ret_spki, &e), &e);
	replay_ends(r);
	file_of(slots[i].group, "public_key", &want);
	assert_true(buf_equal(ret_spki, &want));
	sha256_hex(ret_spki->data, ret_spki->len, hex);
	assert_string_equal(hex,
	    json_string_value(conclusion(slots[i].group, "public_key_sha256")));
}

static bool verifies(EVP_PKEY *key, const char *digest, const struct buf *message,
    const struct buf *signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL), 1);
	good = EVP_DigestVerify(ctx, signature->data, signature->len, message->data,
		   message->len) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

static void signature_follows(struct replay *r, struct piv_card *c, size_t i,
    const struct piv_options *o, EVP_PKEY *key)
{
	AUTO_STRUCT(buf) message = { 0 }, signature = { 0 }, want = { 0 };
	AUTO_STRUCT(piv_credential) pin = { 0 };
	struct err e = { 0 };

	begin(r, slots[i].sign);
	piv_credential_factory(&pin);
	if (strncmp(member(r, 0, "c"), "0020", 4) == 0) { /* the PIN is a part of the step */
		const struct piv_command verify = { PIV_INS_VERIFY, 0, PIV_KEY_PIN, pin.pin,
			sizeof(pin.pin), false };

		assert_ok(piv_call(c, "verify", &verify, &want, &e), &e);
	}
	file_of(slots[i].group, "message", &message);
	assert_ok(piv_sign(c, o, &message, &signature, &e), &e);
	replay_ends(r);
	file_of(slots[i].group, "signature", &want);
	assert_true(buf_equal(&signature, &want));
	assert_int_equal(verifies(key, o->algorithm->digest, &message, &signature),
	    json_is_true(conclusion(slots[i].group, "signature_verifies")));
}

static void certificate_follows(struct replay *r, struct piv_card *c, size_t i,
    const struct piv_options *o, EVP_PKEY *key)
{
	AUTO_STRUCT(buf) certificate = { 0 }, content = { 0 }, got = { 0 };
	AUTO(X509) *cert = NULL;
	struct err e = { 0 };

	file_of(slots[i].group, "certificate", &certificate);
	begin(r, slots[i].put);
	assert_ok(piv_wrap(&certificate, &content, &e), &e);
	assert_ok(piv_put(c, o->object, &content, &e), &e);
	replay_ends(r);
	begin(r, slots[i].get);
	assert_ok(piv_get_certificates(c, o->object, &got, &e), &e);
	replay_ends(r);
	assert_int_equal(buf_equal(&got, &certificate),
	    json_is_true(conclusion(slots[i].group, "read_back_equals_written")));
	assert_ok(x509_parse(got.data, got.len, &cert, ERR_DEVICE, &e), &e);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1,
	    json_is_true(conclusion(slots[i].group, "certificate_key_matches")));
}

static void keys_signatures_and_certificates_follow(void **state)
{
	struct replay r;
	struct piv_card c = replay_card(&r);

	(void)state;
	replay_open(&r, "piv/transcript.json");
	for (size_t i = 0; i < COUNT(slots); i++) {
		AUTO_STRUCT(buf) spki = { 0 };
		AUTO(EVP_PKEY) *key = NULL;
		struct piv_options o;
		AUTO_PTR(profile) *p = options_of(i, &o);
		const uint8_t *at;

		assert_non_null(p);
		key_follows(&r, &c, i, &o, &spki);
		at = spki.data;
		key = d2i_PUBKEY(NULL, &at, (long)spki.len);
		signature_follows(&r, &c, i, &o, key);
		certificate_follows(&r, &c, i, &o, key);
	}
	json_decref(r.file);
}

static void refusals_of_the_card_are_refusals(void **state)
{
	static const char *const digest_of = "sign-without-pin-9a";
	AUTO_STRUCT(buf) out = { 0 }, content = { 0 }, message = { 0 };
	struct piv_options o;
	struct replay r;
	struct piv_card c = replay_card(&r);
	struct err e = { 0 };
	uint8_t raw[] = { 0xaa, 0xbb };
	const struct buf two = { .data = raw, .len = sizeof(raw) };
	bool found = true;

	(void)state;
	replay_open(&r, "piv/transcript.json");
	AUTO_PTR(profile) *p = options_of(0, &o);

	assert_non_null(p);
	file_of("p256", "message", &message);
	begin(&r, "get-absent-certificate-9a");
	assert_ok(piv_get(&c, o.object, &content, &found, &e), &e);
	assert_false(found);
	begin(&r, "put-without-authentication");
	assert_err(piv_put(&c, o.object, &two, &e), &e, "piv.not-allowed");
	begin(&r, "generate-without-authentication");
	assert_err(piv_generate(&c, &o, &out, &e), &e, "piv.not-allowed");
	begin(&r, digest_of);
	assert_err(piv_sign(&c, &o, &message, &out, &e), &e, "piv.not-allowed");
	begin(&r, "sign-when-pin-blocked");
	assert_err(piv_sign(&c, &o, &message, &out, &e), &e, "piv.not-allowed");
	json_decref(r.file);
}

static void the_pin_s_counter_is_read(void **state)
{
	static const struct {
		const char *step;
		int tries;
	} cases[] = { { "pin-tries-left", 5 }, { "pin-tries-left-after-wrong", 4 },
		{ "pin-tries-left-verified", -1 } };
	struct replay r;
	struct piv_card c = replay_card(&r);
	AUTO_STRUCT(buf) out = { 0 };
	struct err e = { 0 };
	uint16_t status = 0;
	int tries = 0;

	(void)state;
	replay_open(&r, "piv/transcript.json");
	for (size_t i = 0; i < COUNT(cases); i++) {
		begin(&r, cases[i].step);
		assert_ok(piv_pin_tries(&c, &tries, &e), &e);
		assert_int_equal(tries, cases[i].tries);
	}
	assert_int_equal(json_integer_value(conclusion("pin", "tries_at_start")), 5);
	/* the blocked PIN, as the card says it to one that is right */
	begin(&r, "pin-right-when-blocked");
	const struct piv_command verify = { PIV_INS_VERIFY, 0, 0x80,
		(const uint8_t *)"123456\xff\xff", 8, false };

	assert_ok(piv_command(&c, &verify, &out, &status, &e), &e);
	assert_int_equal(status, PIV_SW_BLOCKED);
	json_decref(r.file);
}

static void the_management_key_is_proved_both_ways(void **state)
{
	uint8_t challenge[PIV_BLOCK_MAX] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	AUTO_STRUCT(piv_credential) key = { 0 };
	struct replay r;
	struct piv_card c = replay_card(&r);
	struct err e = { 0 };

	(void)state;
	replay_open(&r, "piv/transcript.json");
	begin(&r, "management-auth");
	piv_credential_factory(&key);
	assert_ok(piv_manage(&c, PIV_3DES, &key, challenge, &e), &e);
	replay_ends(&r);
	assert_true(json_is_true(conclusion("management_auth", "verified")));
	begin(&r, "management-auth-wrong-key");
	for (size_t i = 0; i < 24; i++)
		key.key[i] = (uint8_t)(0x11 + i % 8);
	assert_err(piv_manage(&c, PIV_3DES, &key, challenge, &e), &e, "piv.management-key");
	replay_ends(&r);
	json_decref(r.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_exchange_is_replayed),
		cmocka_unit_test(the_flat_list_is_the_same),
		cmocka_unit_test(keys_signatures_and_certificates_follow),
		cmocka_unit_test(refusals_of_the_card_are_refusals),
		cmocka_unit_test(the_pin_s_counter_is_read),
		cmocka_unit_test(the_management_key_is_proved_both_ways),
	};

	return cmocka_run_group_tests(tests, open_conclusions, close_conclusions);
}
