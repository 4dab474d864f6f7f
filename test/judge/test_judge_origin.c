#include "judge_origin.h"

#include "profiles/origin_kit.h"
#include "profiles/pki.h"

static const struct identity unit = { .model = "TP-A", .serial = "SN0001" };

/* The chip's maker, the attester inside the chip, and the device's key with the attester's word for it. */
struct chip {
	struct profile *profile; /* asks for evidence; trusts root */
	EVP_PKEY *root_key, *attester_key, *key;
	X509 *root, *attester, *evidence;
};

static void trust(struct chip *c, X509 *root)
{
	struct err e = { 0 };

	buf_clear(&c->profile->attestation.ders);
	assert_ok(x509_add_der(root, &c->profile->attestation.ders, &e), &e);
}

static int set_up(void **state)
{
	static const char text[] = ORIGIN_PROFILE ORIGIN_ASKED;
	struct chip *c = calloc(1, sizeof(*c));
	struct err e = { 0 };

	assert_non_null(c);
	assert_ok(profile_parse(&c->profile, "test", text, strlen(text), &e), &e);
	c->root_key = pki_key("P-384");
	c->attester_key = pki_key("P-256");
	c->key = pki_key("P-256");
	c->root = pki_cert(&(struct pki_spec){ .name = "chip maker",
	    .key = c->root_key,
	    .constraints = "critical,CA:TRUE",
	    .usage = "critical,keyCertSign" });
	c->attester = pki_cert(&(struct pki_spec){ .name = "attester",
	    .key = c->attester_key,
	    .issuer = c->root,
	    .issuer_key = c->root_key,
	    .constraints = "critical,CA:TRUE" });
	c->evidence = pki_cert(&(struct pki_spec){ .name = "SN0001",
	    .key = c->key,
	    .issuer = c->attester,
	    .issuer_key = c->attester_key });
	trust(c, c->root);
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct chip *c = *state;

	X509_free(c->root);
	X509_free(c->attester);
	X509_free(c->evidence);
	EVP_PKEY_free(c->root_key);
	EVP_PKEY_free(c->attester_key);
	EVP_PKEY_free(c->key);
	profile_free(c->profile);
	free(c);
	return 0;
}

/* Up to three certificates, as the device gives them, judged for a key. */
static int judge_at(const struct chip *c, X509 *const certs[3], EVP_PKEY *key, int64_t at,
    struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };

	for (size_t k = 0; k < 3 && certs[k] != NULL; k++)
		assert_ok(x509_add_der(certs[k], &ders, e), e);
	if (judge_origin(c->profile, &unit, &ders, key, at, &claims, e) != 0) {
		assert_int_equal(e->domain, ERR_DEVICE);
		return -1;
	}
	assert_string_equal(claims.scheme, ORIGIN_SCHEME);
	return 0;
}

static int judge(const struct chip *c, X509 *const certs[3], struct err *e)
{
	return judge_at(c, certs, c->key, PKI_DURING, e);
}

#define CERTS(...) ((X509 *const[3]){ __VA_ARGS__ })

static void refused(const struct chip *c, X509 *const certs[3], const char *why)
{
	struct err e = { 0 };

	assert_err(judge(c, certs, &e), &e, "origin.chain");
	if (strstr(e.message, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", e.message, why);
}

static void test_good(void **state)
{
	struct chip *c = *state;
	struct err e = { 0 };

	assert_ok(judge(c, CERTS(c->evidence, c->attester), &e), &e);
	assert_ok(judge(c, CERTS(c->evidence, c->attester, c->root), &e), &e);
	assert_ok(judge(c, CERTS(c->evidence, c->root, c->attester), &e), &e);
}

/* A chip that makes its attester itself marks it as no CA. */
static void test_a_root_needs_no_marks(void **state)
{
	static const char *const usages[] = { NULL, "digitalSignature" };
	static const char *const constraints[] = { NULL, "CA:FALSE" };
	struct chip *c = *state;
	struct err e = { 0 };

	for (size_t k = 0; k < 4; k++) {
		X509 *self = pki_cert(&(struct pki_spec){ .name = "attester",
		    .key = c->attester_key,
		    .constraints = constraints[k / 2],
		    .usage = usages[k % 2] });

		trust(c, self);
		assert_ok(judge(c, CERTS(c->evidence, self), &e), &e);
		assert_ok(judge(c, CERTS(c->evidence), &e), &e);
		X509_free(self);
	}
}

/* The attester of one batch may be configured, its maker not. */
static void test_a_root_may_be_signed_by_another(void **state)
{
	struct chip *c = *state;
	X509 *used = pki_cert(&(struct pki_spec){ .name = "attester",
	    .key = c->attester_key,
	    .issuer = c->root,
	    .issuer_key = c->root_key,
	    .usage = "critical,digitalSignature" });
	struct err e = { 0 };

	trust(c, c->attester);
	assert_ok(judge(c, CERTS(c->evidence, c->attester), &e), &e);
	assert_ok(judge(c, CERTS(c->evidence), &e), &e);
	trust(c, used);
	assert_ok(judge(c, CERTS(c->evidence), &e), &e);
	X509_free(used);
}

static void test_nothing_is_asked_without_roots(void **state)
{
	static const char text[] = ORIGIN_PROFILE;
	AUTO_STRUCT(origin_claims) claims = { .scheme = "old" };
	AUTO_STRUCT(buf) junk = { 0 };
	AUTO_PTR(profile) *p = NULL;
	struct chip *c = *state;
	struct err e = { 0 };

	assert_ok(profile_parse(&p, "test", text, strlen(text), &e), &e);
	assert_ok(judge_origin(p, &unit, &junk, c->key, PKI_DURING, &claims, &e), &e);
	assert_string_equal(claims.scheme, "");
	assert_ok(buf_add_str(&junk, "junk", &e), &e);
	assert_ok(judge_origin(p, &unit, &junk, c->key, PKI_DURING, &claims, &e), &e);
	assert_string_equal(claims.scheme, "");
}

static void test_missing(void **state)
{
	struct err e = { 0 };

	assert_err(judge(*state, CERTS(NULL), &e), &e, "origin.missing");
}

static void test_malformed(void **state)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };
	AUTO_STRUCT(buf) junk = { 0 };
	struct chip *c = *state;
	struct err e = { 0 };

	assert_ok(x509_add_der(c->evidence, &junk, &e), &e);
	junk.len--;
	assert_err(judge_origin(c->profile, &unit, &junk, c->key, PKI_DURING, &claims, &e), &e,
	    "origin.malformed");
	assert_int_equal(e.domain, ERR_DEVICE);
	assert_string_equal(claims.scheme, "");
}

static void test_another_maker(void **state)
{
	struct chip *c = *state;
	X509 *other = pki_cert(&(struct pki_spec){ .name = "chip maker",
	    .key = c->attester_key,
	    .constraints = "critical,CA:TRUE" });

	trust(c, other);
	refused(c, CERTS(c->evidence, c->attester), "");
	refused(c, CERTS(c->evidence, c->attester, c->root), "");
	X509_free(other);
}

static void test_the_attester_is_missing(void **state)
{
	struct chip *c = *state;

	refused(c, CERTS(c->evidence), "(certificate 1)");
	refused(c, CERTS(c->evidence, c->root), "(certificate 1)");
}

/* Whoever makes a key outside signs for it himself. */
static void test_his_own_word_is_none(void **state)
{
	struct chip *c = *state;
	X509 *self = pki_cert(&(struct pki_spec){ .name = "SN0001", .key = c->key });

	refused(c, CERTS(self), "self");
	refused(c, CERTS(self, c->attester, c->root), "self");
	X509_free(self);
}

static void test_a_signature_that_does_not_fit(void **state)
{
	struct chip *c = *state;
	EVP_PKEY *other = pki_key("P-256");
	X509 *forged = pki_cert(&(struct pki_spec){ .name = "SN0001",
	    .key = c->key,
	    .issuer = c->attester,
	    .issuer_key = other });

	refused(c, CERTS(forged, c->attester), "signature");
	X509_free(forged);
	EVP_PKEY_free(other);
}

static void test_a_name_that_does_not_fit(void **state)
{
	struct chip *c = *state;
	X509 *named = pki_cert(&(struct pki_spec){ .name = "SN0001",
	    .key = c->key,
	    .issuer = c->root,
	    .issuer_key = c->attester_key });

	refused(c, CERTS(named, c->attester), "");
	X509_free(named);
}

/*
 * The owner of a chip has its attested key sign a certificate for a key of his own. Every signature and every
 * name fits, up to the chip's maker.
 */
static void test_an_attested_key_attests_nothing(void **state)
{
	static const char *const marks[] = { NULL, "CA:FALSE", "critical,CA:FALSE" };
	struct chip *c = *state;
	EVP_PKEY *outside = pki_key("P-256");
	struct err e = { 0 };

	for (size_t k = 0; k < COUNT(marks); k++) {
		X509 *inner = pki_cert(&(struct pki_spec){ .name = "slot 9a of SN0001",
		    .key = c->key,
		    .issuer = c->attester,
		    .issuer_key = c->attester_key,
		    .constraints = marks[k] });
		X509 *outer = pki_cert(&(struct pki_spec){ .name = "SN0001",
		    .key = outside,
		    .issuer = inner,
		    .issuer_key = c->key });

		assert_err(judge_at(c, CERTS(outer, inner, c->attester), outside, PKI_DURING, &e),
		    &e, "origin.chain");
		/* Also where the attester is itself the root, and is spared. */
		trust(c, c->attester);
		assert_err(judge_at(c, CERTS(outer, inner), outside, PKI_DURING, &e), &e,
		    "origin.chain");
		trust(c, c->root);
		X509_free(inner);
		X509_free(outer);
	}
	EVP_PKEY_free(outside);
}

static void test_who_stands_between_may_sign(void **state)
{
	struct chip *c = *state;
	X509 *plain = pki_cert(&(struct pki_spec){ .name = "attester",
	    .key = c->attester_key,
	    .issuer = c->root,
	    .issuer_key = c->root_key });
	X509 *used = pki_cert(&(struct pki_spec){ .name = "attester",
	    .key = c->attester_key,
	    .issuer = c->root,
	    .issuer_key = c->root_key,
	    .constraints = "critical,CA:TRUE",
	    .usage = "digitalSignature" });

	refused(c, CERTS(c->evidence, plain), "CA");
	refused(c, CERTS(c->evidence, used), "CA");
	X509_free(plain);
	X509_free(used);
}

static void test_nobody_vouches_for_a_root(void **state)
{
	struct chip *c = *state;

	trust(c, c->evidence);
	refused(c, CERTS(c->evidence), "root itself");
}

static void test_it_is_judged_at_its_time(void **state)
{
	X509 *const *certs;
	struct chip *c = *state;
	struct err e = { 0 };

	certs = CERTS(c->evidence, c->attester);
	assert_ok(judge_at(c, certs, c->key, PKI_NOT_BEFORE + 1, &e), &e);
	assert_err(judge_at(c, certs, c->key, PKI_NOT_BEFORE - 1, &e), &e, "origin.chain");
	assert_err(judge_at(c, certs, c->key, PKI_NOT_AFTER + 1, &e), &e, "origin.chain");
}

/* RFC 5280 4.1.2.5. */
static void test_it_may_never_expire(void **state)
{
	struct chip *c = *state;
	struct err e = { 0 };

	assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(c->evidence), "99991231235959Z"),
	    1);
	assert_true(X509_sign(c->evidence, c->attester_key, EVP_sha256()) > 0);
	assert_ok(judge(c, CERTS(c->evidence, c->attester), &e), &e);
}

static void test_a_weak_digest_is_refused(void **state)
{
	struct chip *c = *state;

	assert_true(X509_sign(c->evidence, c->attester_key, EVP_sha1()) > 0);
	refused(c, CERTS(c->evidence, c->attester), "weak");
}

static void test_another_key(void **state)
{
	struct chip *c = *state;
	EVP_PKEY *other = pki_key("P-256");
	X509 *const *certs;
	struct err e = { 0 };

	certs = CERTS(c->evidence, c->attester);
	assert_err(judge_at(c, certs, other, PKI_DURING, &e), &e, "origin.key");
	assert_err(judge_at(c, certs, c->attester_key, PKI_DURING, &e), &e, "origin.key");
	EVP_PKEY_free(other);
}

static void read_claims(X509 *cert, X509 *attester, const struct chip *c, struct origin_claims *ret)
{
	AUTO_STRUCT(buf) ders = { 0 };
	struct err e = { 0 };

	assert_ok(x509_add_der(cert, &ders, &e), &e);
	assert_ok(x509_add_der(attester, &ders, &e), &e);
	assert_ok(origin_check(c->profile, &ders, ret, &e), &e);
}

static void test_a_key_that_is_none(void **state)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct chip *c = *state;
	struct err e = { 0 };

	read_claims(c->evidence, c->attester, c, &claims);
	assert_ok(judge_origin_claims(c->profile, &unit, &claims, c->key, PKI_DURING, &e), &e);
	claims.spki.len--;
	assert_err(judge_origin_claims(c->profile, &unit, &claims, c->key, PKI_DURING, &e), &e,
	    "origin.key");
	claims.spki.len++;
	assert_ok(buf_add_u8(&claims.spki, 0, &e), &e);
	assert_err(judge_origin_claims(c->profile, &unit, &claims, c->key, PKI_DURING, &e), &e,
	    "origin.key");
	buf_clear(&claims.spki);
	assert_err(judge_origin_claims(c->profile, &unit, &claims, c->key, PKI_DURING, &e), &e,
	    "origin.key");
}

static void test_another_unit(void **state)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct chip *c = *state;
	struct err e = { 0 };
	X509 *other = pki_cert(&(struct pki_spec){ .name = "SN0002",
	    .key = c->key,
	    .issuer = c->attester,
	    .issuer_key = c->attester_key });

	assert_err(judge(c, CERTS(other, c->attester), &e), &e, "origin.serial");
	assert_non_null(strstr(e.message, "SN0002"));
	/* Evidence that names none is of no other unit. */
	read_claims(other, c->attester, c, &claims);
	claims.serial[0] = '\0';
	assert_ok(judge_origin_claims(c->profile, &unit, &claims, c->key, PKI_DURING, &e), &e);
	X509_free(other);
}

static void test_another_firmware(void **state)
{
	static const struct {
		const char *attested, *said;
		bool good;
	} cases[] = {
		{ "", "", true },
		{ "", "5.4.3", true },
		{ "5.4.3", "5.4.3", true },
		{ "5.4.3", "5.7.1", false },
		{ "5.4.3", "5.4.30", false },
		{ "5.4.3", "", false },
	};
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct chip *c = *state;
	struct identity device = unit;

	read_claims(c->evidence, c->attester, c, &claims);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };
		int rc;

		(void)snprintf(claims.firmware, sizeof(claims.firmware), "%s", cases[i].attested);
		(void)snprintf(device.firmware, sizeof(device.firmware), "%s", cases[i].said);
		rc = judge_origin_claims(c->profile, &device, &claims, c->key, PKI_DURING, &e);
		if (cases[i].good) {
			assert_ok(rc, &e);
			continue;
		}
		assert_err(rc, &e, "origin.firmware");
		assert_int_equal(e.domain, ERR_DEVICE);
		assert_non_null(strstr(e.message, cases[i].said));
	}
}

static void test_roots_that_are_not_loaded(void **state)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };
	struct chip *c = *state;
	struct err e = { 0 };

	read_claims(c->evidence, c->attester, c, &claims);
	buf_clear(&c->profile->attestation.ders);
	assert_err(judge_origin_claims(c->profile, &unit, &claims, c->key, PKI_DURING, &e), &e,
	    "profile");
	assert_int_equal(e.domain, ERR_CONFIG);
}

static void read_vector(const char *name, struct buf *ret)
{
	char relative[80];
	const char *path;

	(void)snprintf(relative, sizeof(relative), "piv/%s", name);
	path = testing_vector(relative);
	if (path == NULL)
		testing_skip("the piv vectors");
	testing_read(path, ret);
}

static int judge_vector(const struct chip *c, const char *evidence, const char *spki, struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { .scheme = "piv-attestation" };
	AUTO(EVP_PKEY) *key = NULL;
	const uint8_t *p;

	read_vector(evidence, &claims.chain);
	read_vector(spki, &claims.spki);
	p = claims.spki.data;
	key = d2i_PUBKEY(NULL, &p, (long)claims.spki.len);
	assert_non_null(key);
	return judge_origin_claims(c->profile, &unit, &claims, key, PKI_DURING, e);
}

/* Another's card: its attester is no CA by its marks, and its lengths are not the shortest. */
static void test_piv_vectors(void **state)
{
	struct chip *c = *state;
	struct err e = { 0 };

	buf_clear(&c->profile->attestation.ders);
	read_vector("f9-certificate.der", &c->profile->attestation.ders);
	assert_ok(judge_vector(c, "attestation-rsa2048.der", "public-rsa2048.der", &e), &e);
	assert_err(judge_vector(c, "attestation-p256.short.bin", "public-p256.der", &e), &e,
	    "origin.chain");
	/* It is about that card alone. */
	assert_err(judge_vector(c, "tool-attestation-p256.der", "tool-public-p256.der", &e), &e,
	    "origin.chain");
	buf_clear(&c->profile->attestation.ders);
	read_vector("tool-f9-certificate.der", &c->profile->attestation.ders);
	assert_ok(judge_vector(c, "tool-attestation-p256.der", "tool-public-p256.der", &e), &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(test_good),
		T(test_a_root_needs_no_marks),
		T(test_a_root_may_be_signed_by_another),
		T(test_nothing_is_asked_without_roots),
		T(test_missing),
		T(test_malformed),
		T(test_another_maker),
		T(test_the_attester_is_missing),
		T(test_his_own_word_is_none),
		T(test_a_signature_that_does_not_fit),
		T(test_a_name_that_does_not_fit),
		T(test_an_attested_key_attests_nothing),
		T(test_who_stands_between_may_sign),
		T(test_nobody_vouches_for_a_root),
		T(test_it_is_judged_at_its_time),
		T(test_it_may_never_expire),
		T(test_a_weak_digest_is_refused),
		T(test_another_key),
		T(test_a_key_that_is_none),
		T(test_another_unit),
		T(test_another_firmware),
		T(test_roots_that_are_not_loaded),
		T(test_piv_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
