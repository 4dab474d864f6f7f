/* What the station reads: proofs and evidence of a key's origin; and the bytes underneath. */
#include "family.h"
#include "piv/check_origin.h"
#include "piv/key.h"
#include "piv/object.h"
#include "piv/proof.h"
#include "piv/tlv.h"
#include "piv_kit.h"
#include "pki.h"

static const char plain[] = "{ identity: serial, factory_secrets: true }";

static void make_proof(struct proof *p)
{
	struct err e = { 0 };

	*p = (struct proof){ .scheme = PIV_PROOF_SCHEME };
	assert_ok(buf_add(&p->preimage, PIV_PROOF_SCHEME, sizeof(PIV_PROOF_SCHEME), &e), &e);
	for (int i = 0; i < 64; i++)
		assert_ok(buf_add_u8(&p->preimage, (uint8_t)i, &e), &e);
	assert_ok(buf_add_str(&p->signature, "signature", &e), &e);
}

static void proofs_are_read(void **state)
{
	static const char *const cases[][2] = { { "EC:P-256", "SHA256" }, { "EC:P-384", "SHA384" },
		{ "RSA:2048", "SHA256" } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_PTR(profile) *p = piv_profile(plain, cases[i][0]);
		AUTO_STRUCT(proof) proof = { 0 };
		AUTO_STRUCT(proof_claims) claims = { 0 };
		struct err e = { 0 };

		make_proof(&proof);
		assert_ok(family_find("piv")->check_proof(p, &proof, &claims, &e), &e);
		assert_string_equal(claims.digest, cases[i][1]);
		assert_int_equal(claims.nonce[31], 31);
		assert_int_equal(claims.leaf_sha256[0], 32);
		assert_int_equal(claims.leaf_sha256[31], 63);
		assert_true(buf_equal(&claims.message, &proof.preimage));
		assert_true(buf_equal(&claims.signature, &proof.signature));
	}
}

static void other_proofs_are_refused(void **state)
{
	AUTO_PTR(profile) *p = piv_profile(plain, "EC:P-256");

	(void)state;
	for (int i = 0; i < 7; i++) {
		static const char *const codes[] = { "proof.scheme", "proof.scheme", "proof.layout",
			"proof.layout", "proof.layout", "proof.signature", "proof.signature" };
		AUTO_STRUCT(proof) proof = { 0 };
		AUTO_STRUCT(proof_claims) claims = { 0 };
		struct err e = { 0 };

		make_proof(&proof);
		if (i == 0)
			(void)strcpy(proof.scheme, "kiln-proof-v1");
		if (i == 1)
			memset(proof.scheme, 'x', sizeof(proof.scheme)); /* without an end */
		if (i == 2)
			proof.preimage.len--;
		if (i == 3)
			assert_ok(buf_add_u8(&proof.preimage, 0, &e), &e);
		if (i == 4)
			proof.preimage.data[3] ^= 0x20;
		if (i == 5)
			proof.signature.len = 0;
		for (int n = 0; i == 6 && n < 1024; n++)
			assert_ok(buf_add_u8(&proof.signature, 0, &e), &e);
		assert_err(family_find("piv")->check_proof(p, &proof, &claims, &e), &e, codes[i]);
		assert_int_equal(e.domain, ERR_DEVICE);
	}
}

/* An attestation with extensions of Yubico's: value hex, NULL for none. */
struct evidence {
	const char *firmware, *serial, *policy;
	bool twice; /* the serial is there twice */
};

static void add_extension(X509 *cert, const char *oid, const char *hex)
{
	AUTO_STRUCT(buf) value = { 0 };
	ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	if (hex != NULL) {
		testing_hex(hex, &value);
		assert_int_equal(ASN1_OCTET_STRING_set(octets, value.data, (int)value.len), 1);
		extension = X509_EXTENSION_create_by_OBJ(NULL, type, 0, octets);
		assert_int_equal(X509_add_ext(cert, extension, -1), 1);
		X509_EXTENSION_free(extension);
	}
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(type);
}

static void make_evidence(const struct evidence *v, struct buf *ret)
{
	EVP_PKEY *key = pki_key("P-256"), *signer = pki_key("P-256");
	const struct pki_spec f9 = { .name = "F9", .key = signer, .constraints = "CA:TRUE" };
	X509 *issuer = pki_cert(&f9);
	const struct pki_spec spec = { .name = "9a",
		.key = key,
		.issuer = issuer,
		.issuer_key = signer };
	X509 *cert = pki_cert(&spec);
	struct err e = { 0 };

	add_extension(cert, YUBICO_OID_FIRMWARE, v->firmware);
	add_extension(cert, YUBICO_OID_SERIAL, v->serial);
	if (v->twice)
		add_extension(cert, YUBICO_OID_SERIAL, v->serial);
	add_extension(cert, YUBICO_OID_POLICY, v->policy);
	assert_true(X509_sign(cert, signer, EVP_sha256()) > 0);
	assert_ok(x509_add_der(cert, ret, &e), &e);
	assert_ok(x509_add_der(issuer, ret, &e), &e);
	X509_free(cert);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
}

static int check(const char *section, const struct evidence *v, struct origin_claims *claims,
    struct err *e)
{
	AUTO_PTR(profile) *p = piv_profile(section, "EC:P-256");
	AUTO_STRUCT(buf) ders = { 0 };

	make_evidence(v, &ders);
	return family_find("piv")->check_origin(p, &ders, claims, e);
}

static void evidence_is_read(void **state)
{
	static const struct {
		const char *section;
		struct evidence v;
		const char *serial, *firmware;
	} cases[] = {
		{ plain, { .firmware = "050403", .serial = "020401312d01", .policy = "0201" },
		    "20000001", "5.4.3" },
		{ "{ identity: guid, factory_secrets: true }", { .firmware = "0a00ff" }, "",
		    "10.0.255" },
		{ plain, { .serial = "020500f0000001" }, "4026531841", "" },
		{ plain, { 0 }, "", "" },
		{ "{ identity: guid, factory_secrets: true }", { .serial = "020401312d01" }, "",
		    "" },
		{ "{ identity: serial, factory_secrets: true, pin_policy: once }",
		    { .policy = "0203" }, "", "" },
		{ "{ identity: serial, factory_secrets: true, touch_policy: cached }",
		    { .policy = "0203" }, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(origin_claims) claims = { 0 };
		struct err e = { 0 };

		assert_ok(check(cases[i].section, &cases[i].v, &claims, &e), &e);
		assert_string_equal(claims.serial, cases[i].serial);
		assert_string_equal(claims.firmware, cases[i].firmware);
		assert_string_equal(claims.scheme, PIV_ORIGIN_SCHEME);
		assert_int_equal(claims.spki.len, 91);
	}
}

static void evidence_without_sense_is_refused(void **state)
{
	static const struct {
		const char *section;
		struct evidence v;
		const char *code;
	} cases[] = {
		{ plain, { .firmware = "0504" }, "origin.extension" },
		{ plain, { .firmware = "04030504030a" }, "origin.extension" },
		{ plain, { .policy = "02" }, "origin.extension" },
		{ plain, { .policy = "020101" }, "origin.extension" },
		{ plain, { .serial = "01312d01" }, "origin.extension" },
		{ plain, { .serial = "020401312d0100" }, "origin.extension" },
		{ plain, { .serial = "0204f1312d01" }, "origin.extension" }, /* negative */
		{ plain, { .serial = "0209010000000000000000" }, "origin.extension" },
		{ plain, { .serial = "" }, "origin.extension" },
		{ plain, { .serial = "020401312d01", .twice = true }, "origin.extension" },
		{ "{ identity: serial, factory_secrets: true, pin_policy: always }",
		    { .policy = "0201" }, "origin.policy" },
		{ "{ identity: serial, factory_secrets: true, touch_policy: always }",
		    { .policy = "0201" }, "origin.policy" },
		{ "{ identity: serial, factory_secrets: true, pin_policy: once }", { 0 },
		    "origin.policy" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(origin_claims) claims = { 0 };
		struct err e = { 0 };

		if (check(cases[i].section, &cases[i].v, &claims, &e) == 0)
			fail_msg("case %zu is taken", i);
		assert_err(-1, &e, cases[i].code);
		assert_int_equal(e.domain, ERR_DEVICE);
		assert_int_equal(claims.spki.len, 0);
	}
}

static void evidence_that_is_no_certificates_is_refused(void **state)
{
	static const struct evidence good = { .serial = "020401312d01" };
	AUTO_PTR(profile) *p = piv_profile(plain, "EC:P-256");
	AUTO_STRUCT(buf) ders = { 0 };
	size_t whole, first;

	(void)state;
	make_evidence(&good, &ders);
	whole = ders.len;
	first = piv_der_length(ders.data, ders.len);
	assert_true(first > 0 && first < whole);
	for (size_t len = 0; len < whole; len++) {
		AUTO_STRUCT(origin_claims) claims = { 0 };
		struct err e = { 0 };

		ders.len = len;
		if (len == first) /* it may stand alone: the root may have signed it */
			assert_ok(family_find("piv")->check_origin(p, &ders, &claims, &e), &e);
		else
			assert_err(family_find("piv")->check_origin(p, &ders, &claims, &e), &e,
			    "origin.der");
	}
	ders.len = whole;
	for (int i = 0; i < 3; i++) { /* more than eight */
		AUTO_STRUCT(buf) copy = { 0 };
		struct err e = { 0 };

		assert_ok(buf_add(&copy, ders.data, ders.len, &e), &e);
		assert_ok(buf_add(&ders, copy.data, copy.len, &e), &e);
	}
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct err e = { 0 };

	assert_err(family_find("piv")->check_origin(p, &ders, &claims, &e), &e, "origin.der");
}

static void lengths_are_announced(void **state)
{
	static const struct {
		const char *hex;
		size_t want;
	} cases[] = {
		{ "", 0 },
		{ "30", 0 },
		{ "3000", 2 },
		{ "3001", 0 },
		{ "300100", 3 },
		{ "3001000000", 3 },
		{ "3081", 0 },
		{ "308102aabb", 5 },
		{ "30820002aabb", 6 },
		{ "3083000002aabb", 7 },
		{ "308400000002aabb", 0 },
		{ "3080aabb0000", 0 },
		{ "30ffaabb", 0 },
		{ "3100", 0 },
		{ "3083ffffff00", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(buf) der = { 0 };

		testing_hex(cases[i].hex, &der);
		assert_int_equal(piv_der_length(der.data, der.len), cases[i].want);
	}
}

static void elements_are_read(void **state)
{
	static const struct {
		const char *hex;
		bool whole; /* one element and nothing else */
		unsigned tag;
		size_t len;
	} cases[] = {
		{ "", false, 0, 0 },
		{ "53", false, 0, 0 },
		{ "5300", true, 0x53, 0 },
		{ "530100", true, 0x53, 1 },
		{ "5301", false, 0, 0 },
		{ "53010000", false, 0x53, 1 },
		{ "7f490100", true, 0x7f49, 1 },
		{ "7f", false, 0, 0 },
		{ "7f49", false, 0, 0 },
		{ "7f810100", false, 0, 0 }, /* tags of three bytes are none */
		{ "538101aa", true, 0x53, 1 },
		{ "53820001aa", true, 0x53, 1 },
		{ "5383000001aa", false, 0, 0 },
		{ "5380", false, 0, 0 },
		{ "5382ffffaa", false, 0, 0 },
		{ "5381", false, 0, 0 },
		{ "538200", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_STRUCT(buf) data = { 0 };
		struct tlv t;

		testing_hex(cases[i].hex, &data);
		if (tlv_is(data.data, data.len, cases[i].tag, &t) != cases[i].whole)
			fail_msg("%s", cases[i].hex);
		assert_int_equal(tlv_find(data.data, data.len, cases[i].tag, &t),
		    cases[i].tag != 0);
		if (cases[i].tag != 0)
			assert_int_equal(t.len, cases[i].len);
	}
}

static void elements_are_written(void **state)
{
	static const size_t lengths[] = { 0, 1, 127, 128, 255, 256, 65535 };
	static const size_t headers[] = { 2, 2, 2, 3, 3, 4, 4 };
	static uint8_t zeros[65536];

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		AUTO_STRUCT(buf) out = { 0 };
		struct err e = { 0 };
		struct tlv t;

		assert_ok(tlv_add(&out, 0x53, zeros, lengths[i], &e), &e);
		assert_int_equal(out.len, headers[i] + lengths[i]);
		assert_true(tlv_is(out.data, out.len, 0x53, &t));
		assert_int_equal(t.len, lengths[i]);
		buf_clear(&out);
		assert_ok(tlv_add(&out, 0x7f49, zeros, lengths[i], &e), &e);
		assert_true(tlv_is(out.data, out.len, 0x7f49, &t));
		assert_err(tlv_add(&out, 0x53, zeros, 65536, &e), &e, "piv.size");
	}
}

/* What a card may call a key. */
static void keys_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *algorithm, *hex;
	} cases[] = {
		{ "EC:P-256", "" },
		{ "EC:P-256", "8600" },
		{ "EC:P-256", "860104" },
		/* not on the curve; compressed; of P-384; behind another tag; with more behind it */
		{ "EC:P-256", "864104"
			      "0000000000000000000000000000000000000000000000000000000000000001"
			      "0000000000000000000000000000000000000000000000000000000000000001" },
		{ "EC:P-256", "862102"
			      "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" },
		{ "EC:P-384", "864104"
			      "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
			      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5" },
		{ "EC:P-256", "814104"
			      "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
			      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5" },
		{ "EC:P-256",
		    "864104"
		    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
		    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f500" },
		{ "RSA:2048", "81030100018203010001" },
		{ "RSA:2048", "81008200" },
		{ "RSA:2048", "8203010001" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_PTR(profile) *p = piv_profile(plain, cases[i].algorithm);
		AUTO_STRUCT(buf) data = { 0 }, spki = { 0 };
		struct piv_options o;
		struct err e = { 0 };

		testing_hex(cases[i].hex, &data);
		assert_ok(piv_options_read(p, &o, &e), &e);
		if (piv_public_key(o.algorithm, data.data, data.len, &spki, &e) == 0)
			fail_msg("case %zu is taken", i);
		assert_err(-1, &e, "piv.key");
	}
}

/* 2048 bits, and what is wrong with it. */
static void rsa_keys_are_judged(void **state)
{
	AUTO_PTR(profile) *p = piv_profile(plain, "RSA:2048");
	struct piv_options o;
	struct err e = { 0 };

	(void)state;
	assert_ok(piv_options_read(p, &o, &e), &e);
	for (int i = 0; i < 6; i++) {
		AUTO_STRUCT(buf) data = { 0 }, spki = { 0 };
		uint8_t modulus[258], exponent[9] = { 1, 0, 1 };
		size_t from = 1, len = 256, exponent_len = 3;

		memset(modulus, 0xa5, sizeof(modulus));
		modulus[0] = 0;
		if (i == 1)
			from = 0, len = 257; /* a sign byte in front of it is none of its bits */
		if (i == 2)
			modulus[256] = 0xa4; /* even */
		if (i == 3)
			modulus[1] = 0x25; /* 2046 bits */
		if (i == 4)
			exponent[2] = 2;
		if (i == 5)
			exponent_len = 9;
		fake_tlv(&data, 0x81, modulus + from, len);
		fake_tlv(&data, 0x82, exponent, exponent_len);
		if (i < 2)
			assert_ok(piv_public_key(o.algorithm, data.data, data.len, &spki, &e), &e);
		else
			assert_err(piv_public_key(o.algorithm, data.data, data.len, &spki, &e), &e,
			    "piv.key");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(proofs_are_read),
		cmocka_unit_test(other_proofs_are_refused),
		cmocka_unit_test(evidence_is_read),
		cmocka_unit_test(evidence_without_sense_is_refused),
		cmocka_unit_test(evidence_that_is_no_certificates_is_refused),
		cmocka_unit_test(lengths_are_announced),
		cmocka_unit_test(elements_are_read),
		cmocka_unit_test(elements_are_written),
		cmocka_unit_test(keys_that_are_none_are_refused),
		cmocka_unit_test(rsa_keys_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
