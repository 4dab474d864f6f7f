#include "lint.h"

#include <string.h>

#include <openssl/evp.h>

#include "oids.h"

OWNED(ASN1_BIT_STRING, ASN1_BIT_STRING_free)
OWNED(BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)
OWNED(CERTIFICATEPOLICIES, CERTIFICATEPOLICIES_free)
OWNED(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)

static void lint_key_usage(struct lint *l)
{
	static const char *const bits[] = { "digitalSignature", "nonRepudiation", "keyEncipherment",
		"dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly",
		"decipherOnly" };
	X509_EXTENSION *extension = lint_extension(l->leaf, OID_KEY_USAGE);
	AUTO(ASN1_BIT_STRING) *usage = extension != NULL ? X509V3_EXT_d2i(extension) : NULL;

	if (extension == NULL) {
		if (l->profile->key_usage[0] != NULL)
			lint_error(l, "cert.ku", "there is no keyUsage");
		return;
	}
	if (usage == NULL) {
		lint_error(l, "cert.ku", "the keyUsage is malformed");
		return;
	}
	for (int k = 0; k < (int)COUNT(bits); k++) {
		bool want = false, have = ASN1_BIT_STRING_get_bit(usage, k) == 1;

		for (size_t n = 0; l->profile->key_usage[n] != NULL; n++)
			want = want || strcmp(l->profile->key_usage[n], bits[k]) == 0;
		if (want != have)
			lint_error(l, "cert.ku", "keyUsage %s %s", bits[k],
			    want ? "is missing" : "was added");
	}
	if (l->profile->key_usage[0] != NULL &&
	    (X509_EXTENSION_get_critical(extension) == 1) != l->profile->key_usage_critical)
		lint_error(l, "cert.ku", "keyUsage is %s",
		    l->profile->key_usage_critical ? "not critical" : "critical");
}

static bool is_named(const ASN1_OBJECT *type, const char *const names[])
{
	for (size_t k = 0; names[k] != NULL; k++) {
		ASN1_OBJECT *name = OBJ_txt2obj(names[k], 0);
		bool same = name != NULL && OBJ_cmp(name, type) == 0;

		ASN1_OBJECT_free(name);
		if (same)
			return true;
	}
	return false;
}

/* A set of object identifiers against the profile's: both ways, with no regard to order. */
static void compare_sets(struct lint *l, const char *id, const ASN1_OBJECT *const have[],
    size_t count, const char *const want[])
{
	char text[LINT_NAME_MAX];

	for (size_t n = 0; want[n] != NULL; n++) {
		const char *const one[] = { want[n], NULL };
		bool found = false;

		for (size_t k = 0; k < count; k++)
			found = found || is_named(have[k], one);
		if (!found)
			lint_error(l, id, "%s is missing", want[n]);
	}
	for (size_t k = 0; k < count; k++) {
		lint_name(have[k], text);
		if (!is_named(have[k], want))
			lint_error(l, id, "%s was added", text);
	}
}

static void lint_purposes(struct lint *l)
{
	X509_EXTENSION *extension = lint_extension(l->leaf, OID_EXTENDED_KEY_USAGE);
	AUTO(EXTENDED_KEY_USAGE) *list = extension != NULL ? X509V3_EXT_d2i(extension) : NULL;
	const ASN1_OBJECT *have[2 * PROFILE_LIST_MAX];
	size_t count = 0;

	if (extension == NULL) {
		if (l->profile->extended_key_usage[0] != NULL)
			lint_error(l, "cert.eku", "there is no extendedKeyUsage");
		return;
	}
	if (list == NULL || sk_ASN1_OBJECT_num(list) > (int)COUNT(have)) {
		lint_error(l, "cert.eku", "the extendedKeyUsage is malformed or too long");
		return;
	}
	while (count < (size_t)sk_ASN1_OBJECT_num(list)) {
		have[count] = sk_ASN1_OBJECT_value(list, (int)count);
		count++;
	}
	compare_sets(l, "cert.eku", have, count, l->profile->extended_key_usage);
}

static void lint_policies(struct lint *l)
{
	X509_EXTENSION *extension = lint_extension(l->leaf, OID_POLICIES);
	AUTO(CERTIFICATEPOLICIES) *list = extension != NULL ? X509V3_EXT_d2i(extension) : NULL;
	const ASN1_OBJECT *have[2 * PROFILE_LIST_MAX];
	size_t count = 0;

	if (extension == NULL) {
		if (l->profile->policies[0] != NULL)
			lint_error(l, "cert.policies", "there are no certificatePolicies");
		return;
	}
	if (list == NULL || sk_POLICYINFO_num(list) > (int)COUNT(have)) {
		lint_error(l, "cert.policies", "the certificatePolicies are malformed or too many");
		return;
	}
	while (count < (size_t)sk_POLICYINFO_num(list)) {
		have[count] = sk_POLICYINFO_value(list, (int)count)->policyid;
		count++;
	}
	compare_sets(l, "cert.policies", have, count, l->profile->policies);
}

/* Whether the extension has to be looked at: it is there and may be. */
static bool is_present(struct lint *l, const char *id, const char *what, const char *oid,
    enum presence asked)
{
	bool there = lint_extension(l->leaf, oid) != NULL;

	if (there && asked == PRESENCE_FORBIDDEN)
		lint_error(l, id, "%s was added", what);
	if (!there && asked == PRESENCE_REQUIRED)
		lint_error(l, id, "there is no %s", what);
	return there;
}

static void lint_basic_constraints(struct lint *l)
{
	X509_EXTENSION *extension = lint_extension(l->leaf, OID_BASIC_CONSTRAINTS);
	AUTO(BASIC_CONSTRAINTS) *bc = extension != NULL ? X509V3_EXT_d2i(extension) : NULL;

	if (!is_present(l, "cert.bc", "basicConstraints", OID_BASIC_CONSTRAINTS,
		l->profile->basic_constraints))
		return;
	if (bc == NULL)
		lint_error(l, "cert.bc", "the basicConstraints is malformed");
	else if (bc->ca)
		lint_error(l, "cert.bc", "it is a CA certificate");
	else if (bc->pathlen != NULL)
		lint_error(l, "cert.bc", "a path length without being a CA (RFC 5280 4.2.1.9)");
	else if (X509_EXTENSION_get_critical(extension) != 1)
		lint_warning(l, "cert.bc", "the basicConstraints is not critical");
}

static void lint_subject_key_id(struct lint *l)
{
	const ASN1_OCTET_STRING *id;
	uint8_t method1[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!is_present(l, "cert.ski", "subjectKeyIdentifier", OID_SUBJECT_KEY_ID,
		l->profile->subject_key_id))
		return;
	id = X509_get0_subject_key_id(l->leaf);
	if (id == NULL || ASN1_STRING_length(id) == 0)
		lint_error(l, "cert.ski", "the subjectKeyIdentifier is malformed");
	else if (X509_pubkey_digest(l->leaf, EVP_sha1(), method1, &len) != 1 ||
		 (size_t)ASN1_STRING_length(id) != len ||
		 memcmp(ASN1_STRING_get0_data(id), method1, len) != 0)
		lint_warning(l, "cert.ski",
		    "the subjectKeyIdentifier is not of method 1 (RFC 5280 4.2.1.2)");
}

/* Extensions that a rule of the profile looks at; which of them may be critical. */
static const struct {
	const char *oid;
	bool critical;
} ruled[] = {
	{ OID_KEY_USAGE, true },
	{ OID_BASIC_CONSTRAINTS, true },
	{ OID_SUBJECT_ALT_NAME, true },
	{ OID_KILN_NOT_FOR_PRODUCTION, false },
	{ OID_EXTENDED_KEY_USAGE, false },
	{ OID_SUBJECT_KEY_ID, false },
	{ OID_AUTHORITY_KEY_ID, false },
	{ OID_POLICIES, false },
	{ OID_CRL_DISTRIBUTION_POINTS, false },
	{ OID_AUTHORITY_INFO_ACCESS, false },
	{ OID_MUD_URL, false },
};

static void lint_unruled(struct lint *l, int at)
{
	X509_EXTENSION *extension = X509_get_ext(l->leaf, at);
	ASN1_OBJECT *type = X509_EXTENSION_get_object(extension);
	bool known = false, critical = false;
	char oid[100];

	OBJ_obj2txt(oid, sizeof(oid), type, 1);
	for (size_t k = 0; k < COUNT(ruled); k++) {
		if (strcmp(ruled[k].oid, oid) != 0)
			continue;
		known = true;
		critical = ruled[k].critical;
	}
	if (!known && !is_named(type, l->profile->extra_extensions))
		lint_error(l, "cert.extra", "extension %s was added", oid);
	if (X509_get_ext_by_OBJ(l->leaf, type, at) >= 0)
		lint_error(l, "cert.extra", "extension %s is there twice", oid);
	if (X509_EXTENSION_get_critical(extension) == 1 && !critical)
		lint_error(l, "cert.critical", "extension %s is critical", oid);
}

void lint_extensions(struct lint *l)
{
	const struct profile *p = l->profile;

	for (int at = 0; at < X509_get_ext_count(l->leaf); at++)
		lint_unruled(l, at);
	lint_key_usage(l);
	lint_purposes(l);
	lint_basic_constraints(l);
	lint_policies(l);
	lint_subject_key_id(l);
	(void)is_present(l, "cert.aki", "authorityKeyIdentifier", OID_AUTHORITY_KEY_ID,
	    p->authority_key_id); /* its value is compared with the issuer's, see lint_chain */
	(void)is_present(l, "cert.aia", "authorityInfoAccess", OID_AUTHORITY_INFO_ACCESS, p->aia);
	(void)is_present(l, "cert.crldp", "cRLDistributionPoints", OID_CRL_DISTRIBUTION_POINTS,
	    p->crl_distribution_points);
	(void)is_present(l, "cert.mud", "MUD URL", OID_MUD_URL, p->mud_url);
}
