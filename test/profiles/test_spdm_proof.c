#include "spdm/check_proof.h"

#include <openssl/ecdsa.h>

#include "spdm/spdm.h"
#include "spdm_rig.h"
#include "x509.h"

OWNED(EVP_MD_CTX, EVP_MD_CTX_free)

/* A captured challenge: proof, certificate, and what others found it to say. */
struct captured {
	json_t *file;
	const json_t *entry;
	struct proof proof;
	struct buf leaf, message, nonce;
};

static void captured_free(struct captured *c)
{
	json_decref(c->file);
	proof_free(&c->proof);
	buf_free(&c->leaf);
	buf_free(&c->message);
	buf_free(&c->nonce);
}
OWNED_STRUCT(captured, captured_free)

static void hex_member(const json_t *object, const char *key, struct buf *ret)
{
	const char *hex = json_string_value(json_object_get(object, key));

	assert_non_null(hex);
	testing_hex(hex, ret);
}

static void captured_entry(struct captured *c, size_t i)
{
	const json_t *exchange = json_object_get(c->file, "exchange");
	AUTO_STRUCT(buf) challenge = { 0 };
	struct err e = { 0 };
	json_int_t at;

	c->entry = json_array_get(json_object_get(c->file, "signatures"), i);
	at = json_integer_value(json_object_get(c->entry, "request_index"));
	(void)strcpy(c->proof.scheme, SPDM_PROOF_SCHEME);
	hex_member(c->entry, "transcript", &c->proof.preimage);
	hex_member(c->entry, "signature", &c->proof.signature);
	hex_member(c->entry, "leaf_certificate_der", &c->leaf);
	hex_member(c->entry, "message_verified", &c->message);
	hex_member(json_array_get(exchange, (size_t)at), "spdm", &challenge);
	assert_ok(buf_set(&c->nonce, challenge.data + 4, 32, &e), &e);
}

static bool captured_open(struct captured *c, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "spdm/%s.json", name);
	if (testing_vector(path) == NULL)
		return false;
	c->file = testing_json(testing_vector(path));
	return true;
}

/* The first challenge of the 1.3 P-256 flow, which all the mutations begin with. */
static void captured_first(struct captured *c)
{
	if (!captured_open(c, "flow_13_p256_sha256"))
		testing_skip("the captured SPDM exchanges");
	captured_entry(c, 0);
}

static int verify(const struct proof_claims *c, const struct buf *leaf)
{
	AUTO(X509) *cert = NULL;
	AUTO(EVP_MD_CTX) *context = EVP_MD_CTX_new();
	struct err e = { 0 };

	assert_ok(x509_parse(leaf->data, leaf->len, &cert, ERR_DEVICE, &e), &e);
	assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, c->digest, NULL, NULL,
			     X509_get0_pubkey(cert), NULL),
	    1);
	return EVP_DigestVerify(context, c->signature.data, c->signature.len, c->message.data,
	    c->message.len);
}

/* *ret is the algorithm of the profile. */
static struct profile *profile_of(const char *algorithm, struct spdm_options *ret)
{
	struct profile *p = rig_profile(RIG_SECTION, algorithm, "refuse");
	struct err e = { 0 };

	assert_ok(spdm_options_read(p, ret, &e), &e);
	return p;
}

static void captured_proofs_are_understood(void **state)
{
	static const struct {
		const char *file, *algorithm;
		size_t entry;
	} files[] = {
		{ "flow_12_p256_sha256", "EC:P-256", 0 },
		{ "flow_13_p256_sha256", "EC:P-256", 0 },
		{ "flow_13_p256_sha256_multikey", "EC:P-256", 0 },
		{ "flow_12_p384_sha384", "EC:P-384", 0 },
		{ "flow_13_p384_sha384", "EC:P-384", 0 },
		{ "measurements_12_p256_sha256", "EC:P-256", 2 },
		{ "measurements_13_p256_sha256", "EC:P-256", 2 },
		{ "measurements_13_p384_sha384", "EC:P-384", 2 },
		{ "serial_frames_12_p256", "EC:P-256", 0 },
		{ "chunk_12_p256_sha256", "EC:P-256", 0 },
		{ "chunk_13_p256_sha256", "EC:P-256", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_STRUCT(captured) c = { 0 };
		AUTO_STRUCT(proof_claims) claims = { 0 };
		struct spdm_options options;
		AUTO_PTR(profile) *p = profile_of(files[i].algorithm, &options);
		uint8_t digest[SHA256_LEN];
		struct err e = { 0 };

		if (!captured_open(&c, files[i].file))
			testing_skip("the captured SPDM exchanges");
		captured_entry(&c, files[i].entry);
		assert_ok(spdm_check_proof(p, &c.proof, &claims, &e), &e);
		assert_true(buf_equal(&claims.message, &c.message));
		assert_memory_equal(claims.nonce, c.nonce.data, 32);
		sha256(c.leaf.data, c.leaf.len, digest);
		assert_memory_equal(claims.leaf_sha256, digest, sizeof(digest));
		assert_int_equal(verify(&claims, &c.leaf), 1);
		claims.message.data[claims.message.len - 1] ^= 1;
		assert_int_not_equal(verify(&claims, &c.leaf), 1);
	}
}

/* The signed bytes of every captured challenge, of algorithms beyond the profile's, too. */
static void captured_messages_are_rebuilt(void **state)
{
	static const struct {
		const char *file;
		uint8_t version;
		struct spdm_algorithm algorithm;
	} files[] = {
		{ "flow_12_p256_sha256", 0x12, { .md = EVP_sha256, .hash_len = 32 } },
		{ "flow_13_p384_sha384", 0x13, { .md = EVP_sha384, .hash_len = 48 } },
		{ "flow_12_p521_sha512", 0x12, { .md = EVP_sha512, .hash_len = 64 } },
		{ "flow_12_rsapss3072_sha384", 0x12, { .md = EVP_sha384, .hash_len = 48 } },
		{ "flow_12_rsassa3072_sha256", 0x12, { .md = EVP_sha256, .hash_len = 32 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_STRUCT(captured) c = { 0 };
		size_t count;

		if (!captured_open(&c, files[i].file))
			testing_skip("the captured SPDM exchanges");
		count = json_array_size(json_object_get(c.file, "signatures"));
		assert_true(count > 0);
		for (size_t n = 0; n < count; n++) {
			AUTO_STRUCT(buf) message = { 0 };
			struct err e = { 0 };

			captured_entry(&c, n);
			assert_ok(spdm_proof_message(&files[i].algorithm, files[i].version,
				      &c.proof.preimage, &message, &e),
			    &e);
			assert_true(buf_equal(&message, &c.message));
		}
	}
}

/* The second challenge of a flow signs no certificate: nothing says whose proof it is. */
static void a_proof_without_its_chain_is_refused(void **state)
{
	AUTO_STRUCT(captured) c = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct spdm_options options;
	AUTO_PTR(profile) *p = profile_of("EC:P-256", &options);
	struct err e = { 0 };

	(void)state;
	if (!captured_open(&c, "flow_13_p256_sha256"))
		testing_skip("the captured SPDM exchanges");
	captured_entry(&c, 1);
	assert_err(spdm_check_proof(p, &c.proof, &claims, &e), &e, "proof.layout");
}

static void proofs_of_other_profiles_are_refused(void **state)
{
	static const struct {
		const char *section, *algorithm, *code;
	} cases[] = {
		{ "{ identity: vendor, vendor_pen: 1, versions: [\"1.2\"] }", "EC:P-256",
		    "proof.version" },
		{ "{ identity: vendor, vendor_pen: 1 }", "EC:P-384", "proof.algorithm" },
	};
	AUTO_STRUCT(captured) c = { 0 };

	(void)state;
	captured_first(&c);
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(proof_claims) claims = { 0 };
		AUTO_PTR(profile) *p = rig_profile(cases[i].section, cases[i].algorithm, "reuse");
		struct err e = { 0 };

		assert_err(spdm_check_proof(p, &c.proof, &claims, &e), &e, cases[i].code);
	}
}

/* Offsets into the preimage of flow_13_p256_sha256: A is 128 bytes, then DIGESTS, three portions. */
enum {
	AT_VERSION = 4,
	AT_GET_CAPABILITIES = 20,
	AT_CAPABILITIES = 40,
	AT_NEGOTIATE = 60,
	AT_ALGORITHMS = 92,
	AT_GET_DIGESTS = 128,
	AT_DIGESTS = 132,
	AT_GET_CERTIFICATE = 200,
	AT_CERTIFICATE = 208,
	AT_GET_CERTIFICATE_2 = 728,
	AT_CHALLENGE = 1638,
	AT_CHALLENGE_AUTH = 1682,
	AT_AUTH_NONCE = AT_CHALLENGE_AUTH + 36,
	AT_AUTH_OPAQUE = AT_AUTH_NONCE + 32,
};

static const struct {
	size_t at;
	uint8_t value;
	const char *code;
} changes[] = {
	{ 0, 0x11, "proof.version" }, { 1, SPDM_GET_DIGESTS, "proof.layout" },
	{ AT_VERSION + 5, 4, "proof.version" },     /* entries: one less */
	{ AT_VERSION + 13, 0x15, "proof.version" }, /* 1.3 was not offered */
	{ AT_GET_CAPABILITIES, 0x14, "proof.version" }, { AT_CAPABILITIES, 0x12, "proof.version" },
	{ AT_CAPABILITIES + 2, 1, "proof.layout" },
	{ AT_CAPABILITIES + 8, 0xf3, "proof.layout" }, /* no CHAL_CAP */
	{ AT_CAPABILITIES + 8, 0xf5, "proof.layout" }, /* no CERT_CAP */
	{ AT_NEGOTIATE + 2, 1, "proof.layout" }, { AT_NEGOTIATE + 4, 36, "proof.layout" },
	{ AT_NEGOTIATE + 8, 0x90, "proof.algorithm" },
	{ AT_ALGORITHMS + 12, 0x80, "proof.algorithm" },
	{ AT_ALGORITHMS + 16, 2, "proof.algorithm" }, { AT_ALGORITHMS + 33, 1, "proof.layout" },
	{ AT_DIGESTS + 3, 2, "proof.chain" },  /* slot 0 is empty */
	{ AT_DIGESTS + 3, 7, "proof.layout" }, /* one digest more */
	{ AT_DIGESTS + 4, 0, "proof.chain" },  /* another digest */
	{ AT_GET_CERTIFICATE + 2, 1, "proof.chain" }, { AT_GET_CERTIFICATE + 3, 1, "proof.chain" },
	{ AT_GET_CERTIFICATE + 4, 1, "proof.chain" },
	{ AT_GET_CERTIFICATE + 7, 1, "proof.chain" }, /* more came than was asked for */
	{ AT_CERTIFICATE + 2, 1, "proof.chain" },
	{ AT_CERTIFICATE + 6, 0, "proof.chain" },  /* RemainderLength is not followed up */
	{ AT_CERTIFICATE + 8, 0, "proof.chain" },  /* length field of the chain */
	{ AT_CERTIFICATE + 12, 0, "proof.chain" }, /* its root hash */
	{ AT_GET_CERTIFICATE_2 + 5, 0, "proof.chain" }, { AT_CHALLENGE + 2, 1, "proof.challenge" },
	{ AT_CHALLENGE + 3, 2, "proof.challenge" },
	{ AT_CHALLENGE + 3, 1, "proof.layout" }, /* a summary that is not there */
	{ AT_CHALLENGE_AUTH + 1, 0x7f, "proof.layout" },
	{ AT_CHALLENGE_AUTH + 2, 1, "proof.challenge" },
	{ AT_CHALLENGE_AUTH + 2, 0x80, "proof.challenge" },
	{ AT_CHALLENGE_AUTH + 3, 2, "proof.challenge" },
	{ AT_CHALLENGE_AUTH + 4, 0, "proof.challenge" }, { AT_AUTH_OPAQUE, 1, "proof.layout" },
	{ AT_AUTH_OPAQUE + 1, 5, "proof.challenge" }, /* opaque data over the bound */
	{ AT_AUTH_OPAQUE + 2, 0, "proof.challenge" }, /* RequesterContext */
};

static void changed_fields_are_refused(void **state)
{
	AUTO_STRUCT(captured) c = { 0 };
	struct spdm_options options;
	AUTO_PTR(profile) *p = profile_of("EC:P-256", &options);

	(void)state;
	captured_first(&c);
	for (size_t i = 0; i < COUNT(changes); i++) {
		AUTO_STRUCT(proof_claims) claims = { 0 };
		uint8_t *byte = c.proof.preimage.data + changes[i].at;
		uint8_t before = *byte;
		struct err e = { 0 };

		assert_int_not_equal(before, changes[i].value);
		*byte = changes[i].value;
		if (spdm_check_proof(p, &c.proof, &claims, &e) == 0)
			fail_msg("accepted: byte %zu as %02x", changes[i].at, changes[i].value);
		if (!err_is(&e, changes[i].code))
			fail_msg("byte %zu as %02x: %s: %s", changes[i].at, changes[i].value,
			    e.code, e.message);
		assert_int_equal(e.domain, ERR_DEVICE);
		*byte = before;
	}
}

static bool lies_in(size_t i, size_t from, size_t len)
{
	return i >= from && i + 16 < from + len;
}

/* The next place to try: every byte of the messages, every 16th of what is opaque in them. */
static size_t next_place(size_t i)
{
	bool opaque = lies_in(i, AT_CERTIFICATE + 64, AT_CHALLENGE - AT_CERTIFICATE - 64) ||
		      lies_in(i, AT_CHALLENGE + 4, 32) || lies_in(i, AT_AUTH_NONCE, 32);

	return i + (opaque ? 16 : 1);
}

/* Whatever byte is changed: refused, or not what was signed. */
static void no_changed_byte_is_what_was_signed(void **state)
{
	AUTO_STRUCT(captured) c = { 0 };
	struct spdm_options options;
	AUTO_PTR(profile) *p = profile_of("EC:P-256", &options);
	size_t understood = 0;

	(void)state;
	assert_non_null(p);
	captured_first(&c);
	for (size_t i = 0; i < c.proof.preimage.len; i = next_place(i)) {
		AUTO_STRUCT(proof_claims) claims = { 0 };
		struct err e = { 0 };

		c.proof.preimage.data[i] ^= 0x10;
		if (spdm_proof_read(&options, &c.proof, &claims, &e) == 0) {
			understood++;
			assert_false(buf_equal(&claims.message, &c.message));
		}
		c.proof.preimage.data[i] ^= 0x10;
	}
	assert_true(understood > 8); /* the nonces at least */
}

static void no_cut_proof_is_understood(void **state)
{
	AUTO_STRUCT(captured) c = { 0 };
	struct spdm_options options;
	AUTO_PTR(profile) *p = profile_of("EC:P-256", &options);
	struct err e = { 0 };
	size_t whole;

	(void)state;
	assert_non_null(p);
	captured_first(&c);
	whole = c.proof.preimage.len;
	for (size_t len = 0; len < whole; len = next_place(len)) {
		AUTO_STRUCT(proof_claims) claims = { 0 };

		c.proof.preimage.len = len;
		if (spdm_proof_read(&options, &c.proof, &claims, &e) == 0)
			fail_msg("accepted: %zu of %zu bytes", len, whole);
	}
	c.proof.preimage.len = whole;
	assert_ok(buf_add_u8(&c.proof.preimage, 0, &e), &e);
	AUTO_STRUCT(proof_claims) claims = { 0 };
	assert_err(spdm_proof_read(&options, &c.proof, &claims, &e), &e, "proof.layout");
}

static void other_schemes_and_signatures_are_refused(void **state)
{
	AUTO_STRUCT(captured) c = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	struct spdm_options options;
	AUTO_PTR(profile) *p = profile_of("EC:P-256", &options);
	struct err e = { 0 };

	(void)state;
	captured_first(&c);
	c.proof.signature.len--;
	assert_err(spdm_check_proof(p, &c.proof, &claims, &e), &e, "proof.signature");
	c.proof.signature.len = 0;
	assert_err(spdm_check_proof(p, &c.proof, &claims, &e), &e, "proof.signature");
	c.proof.signature.len = 64;
	(void)strcpy(c.proof.scheme, "shell-nonce");
	assert_err(spdm_check_proof(p, &c.proof, &claims, &e), &e, "proof.scheme");
	memset(c.proof.scheme, 'x', sizeof(c.proof.scheme)); /* without an end */
	assert_err(spdm_check_proof(p, &c.proof, &claims, &e), &e, "proof.scheme");
}

/* Fixed width to DER: leading zeros go, a high bit gets one. */
static void signatures_become_der(void **state)
{
	AUTO_STRUCT(buf) raw = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) want = { 0 };
	struct err e = { 0 };

	(void)state;
	testing_hex("00000001"
		    "80000000",
	    &raw);
	testing_hex("300a"
		    "020101"
		    "02050080000000",
	    &want);
	assert_ok(spdm_proof_signature(&raw, &der, &e), &e);
	assert_true(buf_equal(&der, &want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_become_der),
		cmocka_unit_test(captured_proofs_are_understood),
		cmocka_unit_test(captured_messages_are_rebuilt),
		cmocka_unit_test(a_proof_without_its_chain_is_refused),
		cmocka_unit_test(proofs_of_other_profiles_are_refused),
		cmocka_unit_test(changed_fields_are_refused),
		cmocka_unit_test(no_changed_byte_is_what_was_signed),
		cmocka_unit_test(no_cut_proof_is_understood),
		cmocka_unit_test(other_schemes_and_signatures_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
