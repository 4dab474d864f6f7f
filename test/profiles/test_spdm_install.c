/* Storing, reading back, proving and sealing. */
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "pki.h"
#include "spdm/check_chain.h"
#include "spdm_rig.h"

/* A chain in the forms that are needed: DERs, SPDM's, and the device's answers with it. */
struct fixture {
	struct profile *profile;
	struct spdm_options options;
	struct pki pki;
	struct buf ders, chain;
	char digests[128];
	char portions[3][2048];
};

static void portion_text(struct fixture *f, size_t i, size_t at, size_t len, size_t left)
{
	(void)snprintf(f->portions[i], sizeof(f->portions[i]), "13020000%02x%02x%02x%02x",
	    (unsigned)len & 255, (unsigned)len >> 8, (unsigned)left & 255, (unsigned)left >> 8);
	hex_encode(f->chain.data + at, len, f->portions[i] + 16);
}

/* The device's answers with the whole chain. */
#define PORTIONS(f)                                                                                \
	{ SPDM_GET_CERTIFICATE, (f)->portions[0] }, { SPDM_GET_CERTIFICATE, (f)->portions[1] },    \
	{                                                                                          \
		SPDM_GET_CERTIFICATE, (f)->portions[2]                                             \
	}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint8_t hash[SPDM_HASH_MAX];
	struct err e = { 0 };

	f->profile = rig_profile(RIG_SECTION, "EC:P-256", "refuse");
	assert_ok(spdm_options_read(f->profile, &f->options, &e), &e);
	f->pki = pki_attester("P-256");
	assert_ok(x509_add_der(f->pki.leaf, &f->ders, &e), &e);
	assert_ok(x509_add_der(f->pki.ca, &f->ders, &e), &e);
	assert_ok(x509_add_der(f->pki.root, &f->ders, &e), &e);
	assert_ok(spdm_chain_build(f->options.algorithm, &f->ders, &f->chain, &e), &e);
	sha256(f->chain.data, f->chain.len, hash);
	(void)strcpy(f->digests, "13010101");
	hex_encode(hash, SHA256_LEN, f->digests + 8);
	portion_text(f, 0, 0, 500, f->chain.len - 500);
	portion_text(f, 1, 500, 1, f->chain.len - 501);
	portion_text(f, 2, 501, f->chain.len - 501, 0);
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

static int install(struct fixture *f, struct rig *r, enum object object, const struct buf *ders,
    struct buf *resume, struct err *e)
{
	struct device *d = rig_open(r, f->profile, 2000);
	int rc;

	d->resume = buf_steal(resume);
	rc = d->driver->install(d, object, ders, e);
	*resume = buf_steal(&d->resume);
	d->driver->close(d);
	return rc;
}

static void a_chain_is_stored_as_spdm_has_it(void **state)
{
	struct fixture *f = *state;
	struct rig r = RIG({ SPDM_SET_CERTIFICATE, "136e0000" });
	AUTO_STRUCT(buf) resume = { 0 };
	struct err e = { 0 };

	assert_ok(install(f, &r, OBJECT_CHAIN, &f->ders, &resume, &e), &e);
	assert_int_equal(r.requests.len, 4 + f->chain.len);
	assert_memory_equal(r.requests.data, "\x13\xee\0\0", 4);
	assert_memory_equal(r.requests.data + 4, f->chain.data, f->chain.len);
	rig_done(&r);
}

/* Multi-key: the key pair is named, and the model of the certificate. */
static void a_multi_key_device_is_told_the_key_pair(void **state)
{
	struct fixture *f = *state;
	struct rig r = RIG({ SPDM_SET_CERTIFICATE, "136e0000" });
	AUTO_STRUCT(buf) resume = { 0 };
	struct err e = { 0 };

	r.capabilities = "1361000000000000060018380012000000120000";
	assert_ok(install(f, &r, OBJECT_CHAIN, &f->ders, &resume, &e), &e);
	assert_memory_equal(r.requests.data, "\x13\xee\x10\x01", 4);
	rig_done(&r);
}

static void refusals_to_store_are_seen(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ "137f0500", "device.refused" },
		{ "137f0100", "device.refused" },
		{ "136e0100", "device.protocol" }, /* another slot */
		{ RIG_SILENT, "link.timeout" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_SET_CERTIFICATE, cases[i].answer });
		AUTO_STRUCT(buf) resume = { 0 };
		struct err e = { 0 };

		assert_err(install(f, &r, OBJECT_CHAIN, &f->ders, &resume, &e), &e, cases[i].code);
		rig_done(&r);
	}
}

static void a_chain_may_need_a_reset(void **state)
{
	static const char reset[] = "137e0000040004d97e000002000185";
	struct fixture *f = *state;
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) kept = { 0 };
	struct err e = { 0 };
	struct rig first =
	    RIG({ SPDM_SET_CERTIFICATE, "137f0c00" }, { SPDM_VENDOR_DEFINED_REQUEST, reset });
	struct rig good = RIG({ SPDM_GET_DIGESTS, f->digests });
	struct rig lost = RIG({ SPDM_GET_DIGESTS, "13010100" });
	char other_digest[128];
	struct rig other = RIG({ SPDM_GET_DIGESTS, other_digest });

	assert_err(install(f, &first, OBJECT_CHAIN, &f->ders, &resume, &e), &e, DRIVER_RESET);
	assert_true(resume.len > 0);
	assert_ok(buf_set(&kept, resume.data, resume.len, &e), &e);
	rig_done(&first);

	assert_ok(install(f, &good, OBJECT_CHAIN, &f->ders, &resume, &e), &e);
	assert_int_equal(resume.len, 0);
	rig_done(&good);

	assert_ok(buf_set(&resume, kept.data, kept.len, &e), &e);
	assert_err(install(f, &lost, OBJECT_CHAIN, &f->ders, &resume, &e), &e, "device.chain");
	rig_done(&lost);

	(void)strcpy(other_digest, f->digests);
	other_digest[8] = other_digest[8] == '0' ? '1' : '0';
	assert_ok(buf_set(&resume, kept.data, kept.len, &e), &e);
	assert_err(install(f, &other, OBJECT_CHAIN, &f->ders, &resume, &e), &e, "device.chain");
	rig_done(&other);
}

static void what_the_family_does_not_store_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rig r = { .base = { &rig_ops }, .capabilities = RIG_CAPABILITIES };
	struct device *d = rig_open(&r, f->profile, 1000);
	AUTO_STRUCT(stored) stored = { 0 };
	struct err e = { 0 };

	assert_err(d->driver->install(d, OBJECT_LEAF, &f->ders, &e), &e, "device.unsupported");
	assert_err(d->driver->readback(d, OBJECT_LEAF, &stored, &e), &e, "device.unsupported");
	d->driver->close(d);
	rig_done(&r);
}

static void capabilities_are_needed(void **state)
{
	struct fixture *f = *state;
	struct rig r = { .base = { &rig_ops },
		.capabilities = "1361000000000000060000000012000000120000" };
	AUTO_STRUCT(buf) resume = { 0 };
	struct err e = { 0 };

	assert_err(install(f, &r, OBJECT_CHAIN, &f->ders, &resume, &e), &e, "device.unsupported");
	assert_non_null(strstr(e.message, "SET_CERT_CAP"));
	rig_done(&r);
}

#define PUT_OK "137e0000040004d97e000002000182"

/* 2500 bytes: 1024, 1024, 452. */
static void anchors_go_in_portions(void **state)
{
	static const size_t lens[] = { 1024, 1024, 452 };
	struct fixture *f = *state;
	struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, PUT_OK },
	    { SPDM_VENDOR_DEFINED_REQUEST, PUT_OK }, { SPDM_VENDOR_DEFINED_REQUEST, PUT_OK });
	AUTO_STRUCT(buf) anchors = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) want = { 0 };
	struct err e = { 0 };
	size_t at = 0;

	while (anchors.len < 2500)
		assert_ok(buf_add_u8(&anchors, (uint8_t)(anchors.len * 13), &e), &e);
	assert_ok(install(f, &r, OBJECT_ANCHORS, &anchors, &resume, &e), &e);
	for (size_t i = 0; i < COUNT(lens); at += lens[i++]) {
		assert_ok(buf_add(&want, "\x13\xfe\0\0\4\0\4\xd9\x7e\0\0", 11, &e), &e);
		assert_ok(buf_add_u16le(&want, (uint16_t)(2 + 8 + lens[i]), &e), &e);
		assert_ok(buf_add(&want, "\1\2", 2, &e), &e);
		assert_ok(buf_add_u32le(&want, 2500, &e), &e);
		assert_ok(buf_add_u32le(&want, (uint32_t)at, &e), &e);
		assert_ok(buf_add(&want, anchors.data + at, lens[i], &e), &e);
	}
	assert_true(buf_equal(&r.requests, &want));
	rig_done(&r);
}

static void too_many_anchors_are_refused(void **state)
{
	static const size_t lens[] = { 0, VENDOR_ANCHORS_MAX + 1 };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(lens); i++) {
		struct rig r = { .base = { &rig_ops }, .capabilities = RIG_CAPABILITIES };
		AUTO_STRUCT(buf) anchors = { 0 };
		AUTO_STRUCT(buf) resume = { 0 };
		struct err e = { 0 };

		assert_non_null(buf_room(&anchors, lens[i], &e));
		anchors.len = lens[i];
		memset(anchors.data, 0, lens[i]);
		assert_err(install(f, &r, OBJECT_ANCHORS, &anchors, &resume, &e), &e,
		    "device.anchors");
		rig_done(&r);
	}
}

static int readback(struct fixture *f, struct rig *r, enum object object, struct stored *ret,
    struct err *e)
{
	struct device *d = rig_open(r, f->profile, 2000);
	int rc = d->driver->readback(d, object, ret, e);

	d->driver->close(d);
	return rc;
}

static void a_chain_comes_back_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct rig r = RIG(PORTIONS(f));
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(buf) want = { 0 };
	struct err e = { 0 };
	char hex[64];

	assert_ok(readback(f, &r, OBJECT_CHAIN, &stored, &e), &e);
	assert_false(stored.is_digest);
	assert_true(buf_equal(&stored.bytes, &f->ders));
	/* asked for on from where the last portion ended */
	(void)snprintf(hex, sizeof(hex), "138200000000f80f%s", "13820000f401");
	testing_hex(hex, &want);
	assert_memory_equal(r.requests.data, want.data, want.len);
	rig_done(&r);
}

static void lying_slots_are_refused(void **state)
{
	static const struct {
		const char *portion;
		const char *code;
	} cases[] = {
		{ "1302000000000100", "device.protocol" }, /* empty, and more to come */
		{ "130200000000ffff", "device.protocol" },
		{ "1302000002000000aa", "device.protocol" }, /* shorter than it says */
		{ "1302010001000000aa", "device.protocol" }, /* another slot */
		{ "130200000100ffffaa", "device.protocol" }, /* more than a chain can be */
		{ "13020000", "device.protocol" }, { "137f0100", "device.empty" },
		{ "137f0c00", "device.refused" },
		{ "1302000001000000aa", "device.chain" }, /* no chain */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_GET_CERTIFICATE, cases[i].portion });
		AUTO_STRUCT(stored) stored = { 0 };
		struct err e = { 0 };

		if (readback(f, &r, OBJECT_CHAIN, &stored, &e) == 0 || !err_is(&e, cases[i].code))
			fail_msg("case %zu: %s: %s", i, e.code, e.message);
		assert_int_equal(stored.bytes.len, 0);
		rig_done(&r);
	}
}

#define ANCHORS "137e0000040004d97e000026000183"
#define DIGEST  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void anchors_come_back_as_a_digest(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ ANCHORS "40010000" DIGEST, NULL },
		{ ANCHORS "00000000" DIGEST, "device.empty" },
		{ "137e0000040004d97e00000600018340010000", "device.protocol" },
		{ "137e0000040004d97e00002700018340010000" DIGEST "00", "device.protocol" },
		{ "137f07fe", "device.refused" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, cases[i].answer });
		AUTO_STRUCT(stored) stored = { 0 };
		struct err e = { 0 };
		int rc = readback(f, &r, OBJECT_ANCHORS, &stored, &e);

		rig_done(&r);
		if (cases[i].code != NULL) {
			assert_err(rc, &e, cases[i].code);
			continue;
		}
		assert_ok(rc, &e);
		assert_true(stored.is_digest);
		assert_int_equal(stored.bytes.len, SHA256_LEN);
		assert_int_equal(stored.bytes.data[1], 0x11);
	}
}

static const uint8_t nonce[32] = "a nonce of the station, 32 bytes";

/* CHALLENGE_AUTH: chain hash, nonce, no opaque data, context of the request, signature. */
static void challenge_auth(const struct fixture *f, char *ret, size_t size)
{
	char context[17];

	hex_encode(nonce, SPDM_CONTEXT_LEN, context);
	(void)snprintf(ret, size, "13030001%s%064d0000%s%0128d", f->digests + 8, 0, context, 7);
}

static int prove(struct fixture *f, const char *answer, struct proof *ret, struct err *e)
{
	struct rig r = RIG(PORTIONS(f), { SPDM_CHALLENGE, answer });
	struct device *d = rig_open(&r, f->profile, 2000);
	int rc = d->driver->prove(d, nonce, ret, e);

	d->driver->close(d);
	assert_memory_equal(r.requests.data + r.requests.len - 40, nonce,
	    sizeof(nonce)); /* then the context */
	rig_done(&r);
	return rc;
}

static void a_proof_is_what_the_check_reads(void **state)
{
	struct fixture *f = *state;
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	uint8_t leaf[SHA256_LEN];
	char answer[512];
	struct err e = { 0 };

	challenge_auth(f, answer, sizeof(answer));
	(void)strcat(answer, "ffff"); /* behind the end: not part of it */
	assert_ok(prove(f, answer, &proof, &e), &e);
	assert_string_equal(proof.scheme, "spdm-challenge");
	assert_int_equal(proof.signature.len, 64);
	assert_int_equal(proof.signature.data[63], 7);
	assert_ok(family_find("spdm")->check_proof(f->profile, &proof, &claims, &e), &e);
	assert_memory_equal(claims.nonce, nonce, sizeof(nonce));
	assert_ok(x509_digest(f->pki.leaf, leaf, &e), &e);
	assert_memory_equal(claims.leaf_sha256, leaf, sizeof(leaf));
	assert_string_equal(claims.digest, "SHA256");
}

/* What was read back is what is proved; what is read once more begins with GET_DIGESTS. */
static void a_chain_is_read_once_to_be_proved(void **state)
{
	struct fixture *f = *state;
	char answer[512];
	struct rig r = RIG(PORTIONS(f), { SPDM_CHALLENGE, answer },
	    { SPDM_GET_DIGESTS, f->digests }, PORTIONS(f), { SPDM_CHALLENGE, answer });
	struct device *d = rig_open(&r, f->profile, 2000);
	AUTO_STRUCT(stored) stored = { 0 };
	struct err e = { 0 };

	challenge_auth(f, answer, sizeof(answer));
	assert_ok(d->driver->readback(d, OBJECT_CHAIN, &stored, &e), &e);
	for (int i = 0; i < 2; i++) {
		AUTO_STRUCT(proof) proof = { 0 };
		AUTO_STRUCT(proof_claims) claims = { 0 };

		assert_ok(d->driver->prove(d, nonce, &proof, &e), &e);
		assert_ok(family_find("spdm")->check_proof(f->profile, &proof, &claims, &e), &e);
	}
	d->driver->close(d);
	rig_done(&r);
}

/* A chain that was stored after the reading is not the one that was read. */
static void what_was_stored_since_is_read_again(void **state)
{
	struct fixture *f = *state;
	char answer[512];
	struct rig r = RIG(PORTIONS(f), { SPDM_SET_CERTIFICATE, "136e0000" },
	    { SPDM_GET_DIGESTS, f->digests }, PORTIONS(f), { SPDM_CHALLENGE, answer });
	struct device *d = rig_open(&r, f->profile, 2000);
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(proof) proof = { 0 };
	struct err e = { 0 };

	challenge_auth(f, answer, sizeof(answer));
	assert_ok(d->driver->readback(d, OBJECT_CHAIN, &stored, &e), &e);
	assert_ok(d->driver->install(d, OBJECT_CHAIN, &f->ders, &e), &e);
	assert_ok(d->driver->prove(d, nonce, &proof, &e), &e);
	d->driver->close(d);
	rig_done(&r);
}

static void cut_answers_to_a_challenge_are_refused(void **state)
{
	struct fixture *f = *state;
	char answer[512];

	challenge_auth(f, answer, sizeof(answer));
	while (strlen(answer) > 8) {
		AUTO_STRUCT(proof) proof = { 0 };
		struct err e = { 0 };

		answer[strlen(answer) - 2] = '\0';
		assert_err(prove(f, answer, &proof, &e), &e, "device.protocol");
		assert_int_equal(proof.preimage.len, 0);
	}
}

static void sealing_is_a_message(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ "137e0000040004d97e000002000184", NULL },
		{ "137e0000040004d97e000002000185", "device.protocol" },
		{ "137f0500", "device.refused" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, cases[i].answer });
		struct device *d = rig_open(&r, f->profile, 2000);
		struct err e = { 0 };
		int rc = d->driver->seal(d, &e);

		d->driver->close(d);
		if (cases[i].code == NULL)
			assert_ok(rc, &e);
		else
			assert_err(rc, &e, cases[i].code);
		rig_done(&r);
	}
}

/* A step on a kept connection, to a device that may have lost it. */
static void only_what_was_not_begun_is_done_again(void **state)
{
	static const char sealed[] = "137e0000040004d97e000002000184";
	static const struct {
		struct rig_step script[4];
		size_t len;
		const char *code;
	} cases[] = {
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, "137f4100" }, { 0, sealed } }, 3, NULL },
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, "107f0400" }, { 0, sealed } }, 3, NULL },
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, "137f4300" }, { 0, sealed } }, 3, NULL },
		/* it refuses on a new one too */
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, "137f0400" }, { 0, "137f0400" } }, 3,
		    "device.refused" },
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, "137f0500" } }, 2, "device.refused" },
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, RIG_SILENT } }, 2, "link.timeout" },
		/* it was at work when it lost the connection */
		{ { { 0, ANCHORS "40010000" DIGEST }, { 0, "137f420001fe0102" },
		      { SPDM_RESPOND_IF_READY, "137f4100" } },
		    3, "device.refused" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = { .base = { &rig_ops },
			.capabilities = RIG_CAPABILITIES,
			.script = cases[i].script,
			.script_len = cases[i].len };
		struct device *d = rig_open(&r, f->profile, 2000);
		AUTO_STRUCT(stored) stored = { 0 };
		struct err e = { 0 };
		int rc;

		assert_ok(d->driver->readback(d, OBJECT_ANCHORS, &stored, &e), &e);
		rc = d->driver->seal(d, &e);
		if (cases[i].code == NULL)
			assert_ok(rc, &e);
		else
			assert_err(rc, &e, cases[i].code);
		d->driver->close(d);
		rig_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_is_stored_as_spdm_has_it),
		cmocka_unit_test(a_multi_key_device_is_told_the_key_pair),
		cmocka_unit_test(refusals_to_store_are_seen),
		cmocka_unit_test(a_chain_may_need_a_reset),
		cmocka_unit_test(what_the_family_does_not_store_is_refused),
		cmocka_unit_test(capabilities_are_needed),
		cmocka_unit_test(anchors_go_in_portions),
		cmocka_unit_test(too_many_anchors_are_refused),
		cmocka_unit_test(a_chain_comes_back_as_it_was),
		cmocka_unit_test(lying_slots_are_refused),
		cmocka_unit_test(anchors_come_back_as_a_digest),
		cmocka_unit_test(a_proof_is_what_the_check_reads),
		cmocka_unit_test(a_chain_is_read_once_to_be_proved),
		cmocka_unit_test(what_was_stored_since_is_read_again),
		cmocka_unit_test(cut_answers_to_a_challenge_are_refused),
		cmocka_unit_test(sealing_is_a_message),
		cmocka_unit_test(only_what_was_not_begun_is_done_again),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
