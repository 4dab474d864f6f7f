#include "attestation.h"

#include <stdio.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "jws.h"
#include "oids.h"

enum { CMS_MAX = 256 * 1024 };

OWNED(CMS_ContentInfo, CMS_ContentInfo_free)
OWNED(X509_STORE, X509_STORE_free)
OWNED(ASN1_OBJECT, ASN1_OBJECT_free)

static inline void eku_free(EXTENDED_KEY_USAGE *eku)
{
	sk_ASN1_OBJECT_pop_free(eku, ASN1_OBJECT_free);
}
OWNED(EXTENDED_KEY_USAGE, eku_free)

static bool is_oid(const ASN1_OBJECT *object, const char *oid)
{
	AUTO(ASN1_OBJECT) *wanted = OBJ_txt2obj(oid, 1);

	return wanted != NULL && object != NULL && OBJ_cmp(object, wanted) == 0;
}

static bool is_for_attestation(X509 *cert)
{
	AUTO(EXTENDED_KEY_USAGE) *eku = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);

	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++)
		if (is_oid(sk_ASN1_OBJECT_value(eku, i), OID_KILN_EKU_ATTESTATION))
			return true;
	return false;
}

int attestation_check_certificate(X509 *cert, enum err_domain domain, struct err *e)
{
	static const char code[] = "attestation.certificate";
	EVP_PKEY *key = X509_get0_pubkey(cert);

	if (key == NULL || jws_digest(key) == NULL)
		return err_set(e, domain, code,
		    "the signer's key is not P-256, P-384 or RSA from 2048");
	if ((X509_get_extension_flags(cert) & EXFLAG_KUSAGE) == 0 ||
	    (X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) == 0)
		return err_set(e, domain, code,
		    "the signer's certificate has no key usage digitalSignature");
	if (!is_for_attestation(cert))
		return err_set(e, domain, code,
		    "the signer's certificate is not for attestation (extended key usage %s)",
		    OID_KILN_EKU_ATTESTATION);
	return 0;
}

static int parse(const struct buf *der, CMS_ContentInfo **ret, struct err *e)
{
	const uint8_t *p = der->data;
	AUTO(CMS_ContentInfo) *cms = NULL;

	if (der->len > 0 && der->len <= CMS_MAX)
		cms = d2i_CMS_ContentInfo(NULL, &p, (long)der->len);
	if (cms == NULL || p != der->data + der->len) {
		ERR_clear_error();
		return err_set(e, ERR_RECORDS, "attestation.form",
		    "%zu bytes are not a CMS message", der->len);
	}
	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed ||
	    !is_oid(CMS_get0_eContentType(cms), OID_KILN_STATEMENT))
		return err_set(e, ERR_RECORDS, "attestation.form",
		    "a CMS message signs no kiln statement");
	if (sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(cms)) != 1)
		return err_set(e, ERR_RECORDS, "attestation.form",
		    "a CMS message has not one signer");
	*ret = steal(&cms);
	return 0;
}

/* Any certificate of trust is an anchor; our own rules replace OpenSSL's purposes. */
static int make_store(X509_STACK *trust, int64_t at, X509_STORE **ret, struct err *e)
{
	AUTO(X509_STORE) *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = store != NULL ? X509_STORE_get0_param(store) : NULL;

	if (param == NULL)
		return err_nomem(e);
	for (int i = 0; i < sk_X509_num(trust); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(trust, i)) != 1)
			return err_nomem(e);
	X509_VERIFY_PARAM_set_time(param, (time_t)at);
	if (X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) != 1 ||
	    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) != 1)
		return err_nomem(e);
	*ret = steal(&store);
	return 0;
}

/* The signer must use a digest that is not broken; OpenSSL accepts what it knows. */
static int check_digest(CMS_SignerInfo *signer, struct err *e)
{
	static const char *const accepted[] = { "SHA2-256", "SHA2-384", "SHA2-512" };
	X509_ALGOR *digest = NULL;
	const ASN1_OBJECT *object = NULL;
	const EVP_MD *md;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	X509_ALGOR_get0(&object, NULL, NULL, digest);
	md = EVP_get_digestbyobj(object);
	for (size_t i = 0; md != NULL && i < COUNT(accepted); i++)
		if (EVP_MD_is_a(md, accepted[i]))
			return 0;
	return err_set(e, ERR_RECORDS, "attestation.form",
	    "a CMS signer uses a digest that is not SHA-2");
}

/* CMS_CADES alone accepts a signer without any attributes: the content type would not be signed. */
static int check_attributes(CMS_SignerInfo *signer, struct err *e)
{
	static const int required[] = { NID_pkcs9_contentType, NID_pkcs9_messageDigest,
		NID_id_smime_aa_signingCertificateV2 };

	for (size_t i = 0; i < COUNT(required); i++)
		if (CMS_signed_get_attr_by_NID(signer, required[i], -1) < 0)
			return err_set(e, ERR_RECORDS, "attestation.form",
			    "a CMS signer lacks the signed attribute %s", OBJ_nid2sn(required[i]));
	return 0;
}

/* OpenSSL's reason, and the certificate's own where it gives one. */
static int not_verified(struct err *e)
{
	const char *data = NULL;
	char detail[160];
	int flags = 0;

	(void)ERR_peek_last_error_data(&data, &flags);
	(void)snprintf(detail, sizeof(detail), "%s%s",
	    (flags & ERR_TXT_STRING) != 0 && data[0] != '\0' ? ": " : "",
	    (flags & ERR_TXT_STRING) != 0 ? data : ""); /* texts for people are cut */
	return err_openssl(e, ERR_RECORDS, "attestation.signature",
	    "a CMS message does not verify%s", detail);
}

static int verify_cms(CMS_ContentInfo *cms, X509_STACK *trust, int64_t at, struct buf *ret,
    X509 **ret_signer, struct err *e)
{
	CMS_SignerInfo *info = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	AUTO(X509_STORE) *store = NULL;
	AUTO(BIO) *out = BIO_new(BIO_s_mem());
	X509 *signer = NULL;
	char *data = NULL;
	long len;

	if (out == NULL)
		return err_nomem(e);
	if (check_digest(info, e) != 0 || check_attributes(info, e) != 0 ||
	    make_store(trust, at, &store, e) != 0)
		return -1;
	if (CMS_verify(cms, NULL, store, NULL, out, CMS_BINARY | CMS_CADES) != 1)
		return not_verified(e);
	CMS_SignerInfo_get0_algs(info, NULL, &signer, NULL, NULL);
	if (signer == NULL)
		return err_set(e, ERR_RECORDS, "attestation.form",
		    "a CMS message has no signer certificate");
	if (attestation_check_certificate(signer, ERR_RECORDS, e) != 0)
		return -1;
	len = BIO_get_mem_data(out, &data);
	*ret_signer = signer;
	return buf_add(ret, data, len > 0 ? (size_t)len : 0, e);
}

int attestation_verify(const struct buf *cms, const char *jws, X509_STACK *trust, int64_t at,
    struct buf *ret_statement, X509 **ret_signer, struct err *e)
{
	AUTO(CMS_ContentInfo) *message = NULL;
	AUTO_STRUCT(buf) statement = { 0 };
	X509 *signer = NULL; /* borrowed from message */

	if (parse(cms, &message, e) != 0 ||
	    verify_cms(message, trust, at, &statement, &signer, e) != 0 ||
	    jws_verify(jws, signer, &statement, e) != 0)
		return -1;
	if (X509_up_ref(signer) != 1)
		return err_nomem(e);
	buf_free(ret_statement);
	*ret_statement = buf_steal(&statement);
	*ret_signer = signer;
	return 0;
}
