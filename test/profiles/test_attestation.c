#include "profiles/pki.h"

#include <openssl/cms.h>
#include <openssl/err.h>

#include "attestation.h"

/* How a message differs from what the signer makes. */
struct message {
	const char *type;     /* eContentType; NULL: OID_KILN_STATEMENT */
	const EVP_MD *digest; /* NULL: SHA-256 */
	unsigned leave_out;   /* flags not used */
	unsigned add;
	bool no_chain;
	bool twice; /* two signers */
};

static const char content[] = "{\"typ\":\"kiln-statement\"}";
static const unsigned usual = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL | CMS_CADES;

static void sign(const struct pki *p, const struct message *m, struct buf *ret)
{
	unsigned flags = (usual & ~m->leave_out) | m->add;
	ASN1_OBJECT *type = OBJ_txt2obj(m->type != NULL ? m->type : OID_KILN_STATEMENT, 1);
	const EVP_MD *digest = m->digest != NULL ? m->digest : EVP_sha256();
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, m->no_chain ? NULL : p->chain, NULL, flags);
	BIO *in = BIO_new_mem_buf(content, -1);
	uint8_t *der = NULL;
	struct err e = { 0 };
	int len;

	assert_true(cms != NULL && in != NULL && type != NULL);
	assert_int_equal(CMS_set1_eContentType(cms, type), 1);
	for (int i = 0; i < (m->twice ? 2 : 1); i++)
		assert_non_null(CMS_add1_signer(cms, p->leaf, p->key, digest,
		    i == 0 ? flags : flags | CMS_NOCERTS));
	assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
	len = i2d_CMS_ContentInfo(cms, &der);
	assert_true(len > 0);
	assert_ok(buf_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	ASN1_OBJECT_free(type);
	BIO_free(in);
}

static int verify_at(const struct pki *p, const struct buf *cms, int64_t at, struct err *e)
{
	const struct buf statement = { .data = (uint8_t *)(uintptr_t)content,
		.len = strlen(content) };
	AUTO_STRUCT(buf) jws = { 0 };
	AUTO_STRUCT(buf) got = { 0 };
	X509 *signer = NULL;
	int rc;

	pki_jws(p, &statement, &jws);
	rc = attestation_verify(cms, (const char *)jws.data, p->trust, at, &got, &signer, e);
	if (rc == 0) {
		assert_true(buf_equal(&got, &statement));
		assert_int_equal(X509_cmp(signer, p->leaf), 0);
	} else {
		assert_int_equal(got.len, 0);
		assert_null(signer);
		assert_int_equal(e->domain, ERR_RECORDS);
	}
	X509_free(signer);
	return rc;
}

static int verify(const struct pki *p, const struct message *m, struct err *e)
{
	AUTO_STRUCT(buf) cms = { 0 };

	sign(p, m, &cms);
	return verify_at(p, &cms, PKI_DURING, e);
}

static void each_key_verifies(void **state)
{
	static const char *const keys[] = { "P-256", "P-384", "RSA" };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct pki p = pki_attester(keys[i]);

		assert_ok(verify(&p, &(struct message){ 0 }, &e), &e);
		assert_ok(verify(&p, &(struct message){ .digest = EVP_sha384() }, &e), &e);
		pki_free(&p);
	}
}

/* The time that counts is the statement's, not today's and not the one the signer wrote. */
static void certificates_are_judged_at_the_given_time(void **state)
{
	struct pki p = pki_attester("P-256");
	AUTO_STRUCT(buf) cms = { 0 };
	struct err e = { 0 };

	(void)state;
	sign(&p, &(struct message){ 0 }, &cms);
	assert_ok(verify_at(&p, &cms, PKI_NOT_BEFORE, &e), &e);
	assert_ok(verify_at(&p, &cms, PKI_NOT_AFTER - 1, &e), &e);
	assert_err(verify_at(&p, &cms, PKI_NOT_BEFORE - 1, &e), &e, "attestation.signature");
	assert_err(verify_at(&p, &cms, PKI_NOT_AFTER + 1, &e), &e, "attestation.signature");
	assert_non_null(strstr(e.message, "expired"));
	pki_free(&p);
}

static void any_given_certificate_is_an_anchor(void **state)
{
	struct pki p = pki_attester("P-256");
	struct err e = { 0 };

	(void)state;
	x509_stack_free(p.trust);
	p.trust = pki_stack(p.ca);
	assert_ok(verify(&p, &(struct message){ .no_chain = true }, &e), &e);
	pki_free(&p);
}

static void a_chain_that_ends_elsewhere_is_refused(void **state)
{
	struct pki p = pki_attester("P-256");
	struct pki other = pki_attester("P-256");
	struct err e = { 0 };

	(void)state;
	assert_err(verify(&p, &(struct message){ .no_chain = true }, &e), &e,
	    "attestation.signature");
	x509_stack_free(p.trust);
	p.trust = pki_stack(other.root);
	assert_err(verify(&p, &(struct message){ 0 }, &e), &e, "attestation.signature");
	x509_stack_free(p.trust);
	p.trust = sk_X509_new_null();
	assert_err(verify(&p, &(struct message){ 0 }, &e), &e, "attestation.signature");
	pki_free(&p);
	pki_free(&other);
}

static void another_purpose_is_refused(void **state)
{
	static const struct {
		const char *usage, *extended;
	} wrong[] = {
		{ NULL, OID_KILN_EKU_ATTESTATION },
		{ "critical,keyAgreement", OID_KILN_EKU_ATTESTATION },
		{ "critical,digitalSignature", NULL },
		{ "critical,digitalSignature", "clientAuth,emailProtection" },
		{ "critical,digitalSignature", "clientAuth," OID_CMC_RA },
	};
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pki p = pki_make(pki_key("P-256"), wrong[i].usage, wrong[i].extended);

		assert_err(verify(&p, &(struct message){ 0 }, &e), &e, "attestation.certificate");
		assert_err(attestation_check_certificate(p.leaf, ERR_CONFIG, &e), &e,
		    "attestation.certificate");
		assert_int_equal(e.domain, ERR_CONFIG);
		pki_free(&p);
	}
}

static void a_weak_key_is_refused(void **state)
{
	struct pki p = pki_attester("RSA-1024");
	struct err e = { 0 };

	(void)state;
	assert_err(attestation_check_certificate(p.leaf, ERR_CONFIG, &e), &e,
	    "attestation.certificate");
	pki_free(&p);
}

static void another_message_is_refused(void **state)
{
	static const struct {
		struct message message;
		const char *code;
	} wrong[] = {
		{ { .type = "1.2.840.113549.1.7.1" }, "attestation.form" },
		{ { .type = OID_KILN ".9" }, "attestation.form" },
		{ { .twice = true }, "attestation.form" },
		{ { .leave_out = CMS_CADES }, "attestation.form" },
		{ { .add = CMS_NOATTR, .leave_out = CMS_CADES }, "attestation.form" },
		{ { .add = CMS_DETACHED }, "attestation.signature" },
		{ { .add = CMS_NOCERTS }, "attestation.signature" },
	};
	struct pki p = pki_attester("P-256");
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(verify(&p, &wrong[i].message, &e), &e, wrong[i].code);
	assert_err(verify(&p, &(struct message){ .digest = EVP_sha1() }, &e), &e,
	    "attestation.form");
	pki_free(&p);
}

static void every_changed_byte_is_noticed(void **state)
{
	struct pki p = pki_attester("P-256");
	AUTO_STRUCT(buf) cms = { 0 };
	size_t accepted = 0;
	struct err e = { 0 };

	(void)state;
	sign(&p, &(struct message){ 0 }, &cms);
	for (size_t i = 0; i < cms.len; i++) {
		cms.data[i] ^= 1;
		if (verify_at(&p, &cms, PKI_DURING, &e) == 0)
			accepted++;
		cms.data[i] ^= 1;
	}
	/* Two version numbers and the name of the signature's algorithm lie outside of what is signed, and
	 * OpenSSL takes what the key and the digest say. */
	assert_true(accepted <= 2 + 8);
	assert_int_equal(ERR_peek_error(), 0);
	pki_free(&p);
}

static void what_does_not_parse_is_refused(void **state)
{
	struct pki p = pki_attester("P-256");
	AUTO_STRUCT(buf) cms = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(verify_at(&p, &cms, PKI_DURING, &e), &e, "attestation.form");
	sign(&p, &(struct message){ 0 }, &cms);
	assert_ok(buf_add_u8(&cms, 0, &e), &e);
	assert_err(verify_at(&p, &cms, PKI_DURING, &e), &e, "attestation.form");
	for (cms.len -= 2; cms.len > 0; cms.len /= 2)
		assert_err(verify_at(&p, &cms, PKI_DURING, &e), &e, "attestation.form");
	pki_free(&p);
}

/* The two forms must be by one signer over the same bytes. */
static void a_foreign_jws_is_refused(void **state)
{
	const struct buf other = { .data = (uint8_t *)(uintptr_t)content,
		.len = strlen(content) - 1 };
	struct pki p = pki_attester("P-256");
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) jws = { 0 };
	AUTO_STRUCT(buf) got = { 0 };
	X509 *signer = NULL;
	struct err e = { 0 };

	(void)state;
	sign(&p, &(struct message){ 0 }, &cms);
	pki_jws(&p, &other, &jws);
	assert_err(attestation_verify(&cms, (const char *)jws.data, p.trust, PKI_DURING, &got,
		       &signer, &e),
	    &e, "jws.payload");
	assert_null(signer);
	pki_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_verifies),
		cmocka_unit_test(certificates_are_judged_at_the_given_time),
		cmocka_unit_test(any_given_certificate_is_an_anchor),
		cmocka_unit_test(a_chain_that_ends_elsewhere_is_refused),
		cmocka_unit_test(another_purpose_is_refused),
		cmocka_unit_test(a_weak_key_is_refused),
		cmocka_unit_test(another_message_is_refused),
		cmocka_unit_test(every_changed_byte_is_noticed),
		cmocka_unit_test(what_does_not_parse_is_refused),
		cmocka_unit_test(a_foreign_jws_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
