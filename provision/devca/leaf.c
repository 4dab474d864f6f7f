#include "leaf.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "csr.h"
#include "oids.h"

OWNED(BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
OWNED(ASN1_BIT_STRING, ASN1_BIT_STRING_free)
OWNED(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)

static inline void extensions_free(STACK_OF(X509_EXTENSION) * s)
{
	sk_X509_EXTENSION_pop_free(s, X509_EXTENSION_free);
}
typedef STACK_OF(X509_EXTENSION) EXTENSION_STACK;
OWNED(EXTENSION_STACK, extensions_free)

enum { DAY_S = 24 * 3600, SHORT_LIFE_S = 600, OID_TEXT_MAX = 128 };

static int refuse(struct err *e, const char *why)
{
	return err_openssl(e, ERR_DEVICE, "csr.extension", "%s", why);
}

static int check_key_usage(X509_EXTENSION *extension, struct err *e)
{
	enum { KEY_CERT_SIGN = 5, CRL_SIGN = 6 }; /* bits of RFC 5280 4.2.1.3 */
	AUTO(ASN1_BIT_STRING) *bits = X509V3_EXT_d2i(extension);

	if (bits == NULL)
		return refuse(e, "the requested keyUsage does not parse");
	if (ASN1_BIT_STRING_get_bit(bits, KEY_CERT_SIGN) || ASN1_BIT_STRING_get_bit(bits, CRL_SIGN))
		return err_set(e, ERR_DEVICE, "csr.extension",
		    "the requested keyUsage would let a device sign certificates or CRLs");
	return 0;
}

static int check_extended_key_usage(X509_EXTENSION *extension, struct err *e)
{
	static const char *const reserved[] = { "2.5.29.37.0" /* any */, OID_CMC_RA,
		"1.3.6.1.5.5.7.3.27" /* id-kp-cmcCA */, "1.3.6.1.5.5.7.3.9" /* OCSPSigning */,
		OID_KILN_EKU_ATTESTATION };
	AUTO(EXTENDED_KEY_USAGE) *usages = X509V3_EXT_d2i(extension);
	char oid[OID_TEXT_MAX];

	if (usages == NULL)
		return refuse(e, "the requested extendedKeyUsage does not parse");
	for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
		(void)OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(usages, i), 1);
		for (size_t k = 0; k < COUNT(reserved); k++)
			if (strcmp(oid, reserved[k]) == 0)
				return err_set(e, ERR_DEVICE, "csr.extension",
				    "the extendedKeyUsage %s is not for devices", oid);
	}
	return 0;
}

static int check_basic_constraints(X509_EXTENSION *extension, struct err *e)
{
	AUTO(BASIC_CONSTRAINTS) *constraints = X509V3_EXT_d2i(extension);

	if (constraints == NULL)
		return refuse(e, "the requested basicConstraints do not parse");
	if (constraints->ca)
		return err_set(e, ERR_DEVICE, "csr.extension", "a device can not become a CA");
	return 0;
}

/* What a request may ask for. What has no row is left out without a word, as real CAs do. */
static const struct rule {
	const char *oid;
	int (*check)(X509_EXTENSION *, struct err *); /* NULL: any value */
	bool ours;            /* checked, but the CA's own value is issued */
	unsigned left_out_by; /* LEAF_ flaws */
} rules[] = {
	{ "2.5.29.15", check_key_usage, false, LEAF_OTHER_KU },
	{ "2.5.29.17", NULL, false, LEAF_NO_SAN },
	{ "2.5.29.19", check_basic_constraints, true, 0 },
	{ "2.5.29.32", NULL, false, 0 }, /* certificatePolicies */
	{ "2.5.29.37", check_extended_key_usage, false, LEAF_OTHER_EKU },
	{ "1.3.6.1.5.5.7.1.25", NULL, false, 0 },    /* MUD URL (RFC 8520) */
	{ "1.3.6.1.4.1.412.274.6", NULL, false, 0 }, /* SPDM extension (DSP0274) */
};

static const struct rule *rule_for(X509_EXTENSION *extension)
{
	char oid[OID_TEXT_MAX];

	(void)OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), 1);
	for (size_t i = 0; i < COUNT(rules); i++)
		if (strcmp(oid, rules[i].oid) == 0)
			return &rules[i];
	return NULL;
}

static int copy_extension(X509 *cert, X509_EXTENSION *extension, unsigned flaws, struct err *e)
{
	const struct rule *rule = rule_for(extension);

	if (rule == NULL)
		return 0;
	if (X509_get_ext_by_OBJ(cert, X509_EXTENSION_get_object(extension), -1) >= 0)
		return err_set(e, ERR_DEVICE, "csr.extension",
		    "the extension %s is requested twice", rule->oid);
	if (rule->check != NULL && rule->check(extension, e) != 0)
		return -1;
	if (rule->ours || (rule->left_out_by & flaws) != 0)
		return 0;
	if (X509_add_ext(cert, extension, -1) != 1)
		return err_openssl(e, ERR_CONFIG, "devca", "copying the extension %s", rule->oid);
	return 0;
}

static int copy_extensions(X509 *cert, X509_REQ *request, unsigned flaws, struct err *e)
{
	AUTO(EXTENSION_STACK) *asked = X509_REQ_get_extensions(request);

	ERR_clear_error(); /* NULL is also "none" */
	for (int i = 0; i < sk_X509_EXTENSION_num(asked); i++)
		if (copy_extension(cert, sk_X509_EXTENSION_value(asked, i), flaws, e) != 0)
			return -1;
	return 0;
}

static int set_serial(X509 *cert, unsigned flaws, struct err *e)
{
	static const long short_serial = 7;
	static const uint64_t same_serial = 0x5a5a5a5a5a5a5a5a;
	ASN1_INTEGER *serial = X509_get_serialNumber(cert);

	if ((flaws & LEAF_SHORT_SERIAL) != 0 && ASN1_INTEGER_set(serial, short_serial) != 1)
		return err_nomem(e);
	if ((flaws & LEAF_SAME_SERIAL) != 0 && ASN1_INTEGER_set_uint64(serial, same_serial) != 1)
		return err_nomem(e);
	return 0;
}

static int set_life(X509 *cert, const struct ca *ca, unsigned flaws, struct err *e)
{
	int64_t from = clock_wall_s() - CA_BACKDATE_S;
	int64_t to = ca->not_after;

	if (ca->options.leaf_days > 0)
		to = from + ca->options.leaf_days * DAY_S;
	if (ca->options.no_expiry)
		to = CERT_NO_EXPIRY;
	if ((flaws & LEAF_SHORT_LIFE) != 0)
		to = clock_wall_s() + SHORT_LIFE_S;
	if ((flaws & LEAF_NOT_YET) != 0)
		from = clock_wall_s() + DAY_S;
	if ((flaws & LEAF_EXPIRED) != 0) {
		from = clock_wall_s() - 2 * DAY_S;
		to = clock_wall_s() - DAY_S;
	}
	if (cert_set_not_before(cert, from, e) != 0)
		return -1;
	return cert_set_not_after(cert, to, e);
}

/* Adds an extension that the request did not ask for; value NULL: none. */
static int add_unasked(X509 *cert, const X509 *issuer, int nid, const char *value, struct err *e)
{
	if (value == NULL || X509_get_ext_by_NID(cert, nid, -1) >= 0)
		return 0;
	return cert_add(cert, issuer, nid, value, e);
}

/* The extensions that are the CA's to decide. */
static int add_ours(X509 *cert, const struct ca *ca, unsigned flaws, struct err *e)
{
	const X509 *issuer = ca->issuing.cert;
	static const uint8_t null[] = { 0x05, 0x00 };
	static const char unheard_of[] = OID_KILN ".99";
	const struct {
		bool wanted;
		int nid;
		const char *value;
	} ours[] = {
		{ (flaws & LEAF_OTHER_KU) != 0, NID_key_usage,
		    "critical,digitalSignature,keyAgreement" },
		{ (flaws & LEAF_OTHER_EKU) != 0, NID_ext_key_usage, "serverAuth" },
		{ true, NID_basic_constraints,
		    (flaws & LEAF_IS_CA) != 0 ? "critical,CA:TRUE" : "critical,CA:FALSE" },
		{ (flaws & LEAF_NO_SKI) == 0, NID_subject_key_identifier, "hash" },
		{ (flaws & LEAF_NO_AKI) == 0, NID_authority_key_identifier, "keyid:always" },
	};

	for (size_t i = 0; i < COUNT(ours); i++)
		if (ours[i].wanted && cert_add(cert, issuer, ours[i].nid, ours[i].value, e) != 0)
			return -1;
	if (add_unasked(cert, issuer, NID_key_usage,
		ca->options.key_usage != NULL ? ca->options.key_usage : "critical,digitalSignature",
		e) != 0 ||
	    add_unasked(cert, issuer, NID_ext_key_usage, ca->options.ext_key_usage, e) != 0)
		return -1;
	if ((flaws & LEAF_EXTRA_CRITICAL) == 0)
		return 0;
	return cert_add_raw(cert, unheard_of, true, null, sizeof(null), e);
}

/* The subject as asked, or with its attributes replaced by a name of somebody else. */
static int set_subject(X509 *cert, unsigned flaws, struct err *e)
{
	static const char other[] = "SOMEBODY-ELSE";
	AUTO(X509_NAME) *name = NULL;

	if ((flaws & LEAF_OTHER_SUBJECT) == 0)
		return 0;
	name = X509_NAME_new();
	if (name == NULL ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)other, -1, -1,
		0) != 1 ||
	    X509_set_subject_name(cert, name) != 1)
		return err_nomem(e);
	return 0;
}

static int start(const struct ca *ca, X509_REQ *request, unsigned flaws, X509 **ret, struct err *e)
{
	AUTO(EVP_PKEY) *other = NULL;
	struct cert_plan plan = {
		.subject = X509_REQ_get_subject_name(request),
		.key = X509_REQ_get0_pubkey(request),
		.issuer = ca->issuing.cert,
	};

	if ((flaws & LEAF_OTHER_KEY) != 0) {
		if (cert_new_key(&other, e) != 0)
			return -1;
		plan.key = other;
	}
	return cert_start(&plan, ret, e);
}

static int sign(X509 *cert, const struct ca *ca, unsigned flaws, struct err *e)
{
	AUTO(EVP_PKEY) *stranger = NULL;

	if ((flaws & LEAF_BAD_SIGNATURE) == 0)
		return cert_sign(cert, ca->issuing.key, e);
	if (cert_new_key(&stranger, e) != 0)
		return -1;
	return cert_sign(cert, stranger, e);
}

int leaf_issue(const struct ca *ca, X509_REQ *request, unsigned flaws, X509 **ret, struct err *e)
{
	AUTO(X509) *cert = NULL;

	if (csr_check(request, e) != 0 || start(ca, request, flaws, &cert, e) != 0)
		return -1;
	if (set_subject(cert, flaws, e) != 0 || set_serial(cert, flaws, e) != 0 ||
	    set_life(cert, ca, flaws, e) != 0)
		return -1;
	if (copy_extensions(cert, request, flaws, e) != 0 || add_ours(cert, ca, flaws, e) != 0 ||
	    sign(cert, ca, flaws, e) != 0)
		return -1;
	*ret = steal(&cert);
	return 0;
}
