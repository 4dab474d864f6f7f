#include "cert.h"

#include <openssl/bn.h>
#include <openssl/x509v3.h>

#include "oids.h"

enum { SERIAL_BITS = 128 };

OWNED(BIGNUM, BN_free)
OWNED(ASN1_OBJECT, ASN1_OBJECT_free)
OWNED(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
OWNED(X509_EXTENSION, X509_EXTENSION_free)

void cert_pair_free(struct cert_pair *p)
{
	X509_free(p->cert);
	EVP_PKEY_free(p->key);
	*p = (struct cert_pair){ 0 };
}

static int fail(struct err *e, const char *what)
{
	return err_openssl(e, ERR_CONFIG, "devca", "%s", what);
}

int cert_new_key(EVP_PKEY **ret, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (key == NULL)
		return fail(e, "making a P-256 key");
	*ret = key;
	return 0;
}

/* The top bit is set, so that every serial number has the same length. */
static int set_serial(X509 *cert, struct err *e)
{
	AUTO(BIGNUM) *number = BN_new();

	if (number == NULL ||
	    BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
	    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) == NULL)
		return fail(e, "making a serial number");
	return 0;
}

static int set_time(ASN1_TIME *field, int64_t when, struct err *e)
{
	int ok = when == CERT_NO_EXPIRY ? ASN1_TIME_set_string(field, "99991231235959Z")
					: ASN1_TIME_set(field, (time_t)when) != NULL;

	return ok ? 0 : fail(e, "setting a certificate's validity");
}

int cert_set_not_before(X509 *cert, int64_t not_before, struct err *e)
{
	return set_time(X509_getm_notBefore(cert), not_before, e);
}

int cert_set_not_after(X509 *cert, int64_t not_after, struct err *e)
{
	return set_time(X509_getm_notAfter(cert), not_after, e);
}

int cert_start(const struct cert_plan *plan, X509 **ret, struct err *e)
{
	static const uint8_t null[] = { 0x05, 0x00 };
	AUTO(X509) *cert = X509_new();
	const X509_NAME *issuer =
	    plan->issuer != NULL ? X509_get_subject_name(plan->issuer) : plan->subject;

	if (cert == NULL || X509_set_version(cert, X509_VERSION_3) != 1 ||
	    X509_set_subject_name(cert, plan->subject) != 1 ||
	    X509_set_issuer_name(cert, issuer) != 1 || X509_set_pubkey(cert, plan->key) != 1)
		return fail(e, "starting a certificate");
	if (set_serial(cert, e) != 0 || cert_set_not_before(cert, plan->not_before, e) != 0 ||
	    cert_set_not_after(cert, plan->not_after, e) != 0 ||
	    cert_add_raw(cert, OID_KILN_NOT_FOR_PRODUCTION, false, null, sizeof(null), e) != 0)
		return -1;
	*ret = steal(&cert);
	return 0;
}

int cert_add(X509 *cert, const X509 *issuer, int nid, const char *value, struct err *e)
{
	AUTO(X509_EXTENSION) *extension = NULL;
	X509V3_CTX context;

	X509V3_set_ctx(&context, (X509 *)(uintptr_t)(issuer != NULL ? issuer : cert), cert, NULL,
	    NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		return err_openssl(e, ERR_CONFIG, "devca", "adding the extension %s",
		    OBJ_nid2sn(nid));
	return 0;
}

int cert_add_raw(X509 *cert, const char *oid, bool critical, const uint8_t *der, size_t len,
    struct err *e)
{
	AUTO(ASN1_OBJECT) *object = OBJ_txt2obj(oid, 1);
	AUTO(ASN1_OCTET_STRING) *value = ASN1_OCTET_STRING_new();
	AUTO(X509_EXTENSION) *extension = NULL;

	if (object == NULL || value == NULL || ASN1_OCTET_STRING_set(value, der, (int)len) != 1)
		return fail(e, "making an extension");
	extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		return err_openssl(e, ERR_CONFIG, "devca", "adding the extension %s", oid);
	return 0;
}

int cert_sign(X509 *cert, EVP_PKEY *issuer_key, struct err *e)
{
	if (X509_sign(cert, issuer_key, EVP_sha256()) == 0)
		return fail(e, "signing a certificate");
	return 0;
}
