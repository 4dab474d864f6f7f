#include "judge_csr.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/x509v3.h>

#include "der.h"
#include "key_algorithm.h"
#include "san.h"
#include "subject.h"
#include "weak_key.h"
#include "x509.h"

OWNED(BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free)

static inline void extensions_free(STACK_OF(X509_EXTENSION) * s)
{
	sk_X509_EXTENSION_pop_free(s, X509_EXTENSION_free);
}
typedef STACK_OF(X509_EXTENSION) EXTENSIONS;
OWNED(EXTENSIONS, extensions_free)

enum { CSR_MAX = 16 * 1024 };

void csr_facts_free(struct csr_facts *f)
{
	EVP_PKEY_free(f->key);
	buf_free(&f->ecdsa_r);
	*f = (struct csr_facts){ 0 };
}

static int parse(const struct buf *der, X509_REQ **ret, struct err *e)
{
	AUTO(X509_REQ) *request = NULL;
	struct err why = { 0 };

	if (der->len == 0 || der->len > CSR_MAX)
		return err_set(e, ERR_DEVICE, "csr.der", "a CSR of %zu bytes; 1 to %d are possible",
		    der->len, CSR_MAX);
	if (!der_is_strict(der->data, der->len))
		return err_set(e, ERR_DEVICE, "csr.der",
		    "the CSR is not DER, or has bytes behind its end (%zu bytes)", der->len);
	if (x509_parse_request(der->data, der->len, &request, ERR_DEVICE, &why) < 0)
		return err_set(e, ERR_DEVICE, "csr.der", "the CSR does not parse: %s", why.message);
	if (X509_REQ_get_version(request) != X509_REQ_VERSION_1)
		return err_set(e, ERR_DEVICE, "csr.der", "the CSR is not of version 1 (RFC 2986)");
	*ret = steal(&request);
	return 0;
}

static bool has_param(EVP_PKEY *key, const char *param, const char *want)
{
	char value[64] = "";

	return EVP_PKEY_get_utf8_string_param(key, param, value, sizeof(value), NULL) == 1 &&
	       strcmp(value, want) == 0;
}

/* The curve by its name and the point in full: one key has one spelling (RFC 5480 2.1.1, 2.2). */
static int check_group(EVP_PKEY *key, const struct key_algorithm *asked, struct err *e)
{
	char group[64] = "";

	if (asked->group == NULL)
		return 0;
	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
	    strcmp(group, asked->group) != 0)
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the device's key is on curve %s; the profile asks %s",
		    group[0] != '\0' ? group : "(unknown)", asked->name);
	if (!has_param(key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_GROUP))
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the device's key spells its curve out instead of naming it");
	if (!has_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
		OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED))
		return err_set(e, ERR_DEVICE, "csr.key", "the device's key is a compressed point");
	return 0;
}

static int check_key(const struct profile *p, EVP_PKEY *key, struct err *e)
{
	const struct key_algorithm *asked = key_algorithm_find(p->key_algorithm);

	if (asked == NULL)
		return err_set(e, ERR_CONFIG, "profile", "unknown key algorithm %s",
		    p->key_algorithm);
	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "csr.key",
		    "the CSR's public key can not be read");
	if (!EVP_PKEY_is_a(key, asked->type))
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the device's key is of type %s; the profile asks %s",
		    EVP_PKEY_get0_type_name(key) != NULL ? EVP_PKEY_get0_type_name(key) : "unknown",
		    asked->name);
	if (EVP_PKEY_get_bits(key) != asked->bits && strcmp(asked->type, "ED25519") != 0)
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the device's key has %d bits; the profile asks %s", EVP_PKEY_get_bits(key),
		    asked->name);
	return check_group(key, asked, e);
}

/* The digest of the CSR's own signature: SHA-1 and MD5 prove nothing any more. */
static int check_digest(const X509_REQ *request, struct err *e)
{
	int signature = X509_REQ_get_signature_nid(request), digest_id = 0, key_id = 0;
	const EVP_MD *digest;

	if (OBJ_find_sigid_algs(signature, &digest_id, &key_id) != 1)
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the CSR is signed with an unknown algorithm");
	digest = digest_id != 0 ? EVP_get_digestbynid(digest_id) : NULL;
	if (digest_id != 0 && (digest == NULL || EVP_MD_get_size(digest) < SHA256_LEN))
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the CSR is signed with %s, which is too weak", OBJ_nid2sn(signature));
	return 0;
}

static int check_subject(const X509_REQ *request, const struct subject *want, struct err *e)
{
	X509_NAME *name = X509_REQ_get_subject_name(request);
	const uint8_t *der;
	size_t len;
	char text[200];

	if (name == NULL || X509_NAME_get0_der(name, &der, &len) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.subject",
		    "the CSR's subject can not be read");
	if (len == want->name.len && memcmp(der, want->name.data, len) == 0)
		return 0;
	if (X509_NAME_oneline(name, text, sizeof(text)) == NULL)
		return err_nomem(e);
	return err_set(e, ERR_DEVICE, "csr.subject",
	    "the CSR's subject %s is not the profile's for this unit (order and string types "
	    "count)",
	    text);
}

/* One name that the CSR asks for and the profile does not have. */
static int judge_stranger(const struct der *name, const struct identity *i, struct err *e)
{
	char text[SAN_TEXT_MAX];
	struct der type, serial;
	size_t len = strlen(i->serial);

	san_text(name, text);
	if (san_device_info(name, &serial)) {
		if (san_device_info_names(&serial, i->serial))
			return 0;
		return err_set(e, ERR_DEVICE, "csr.serial",
		    "the CSR names another unit than %s: %s", i->serial, text);
	}
	if (san_hardware_module(name, &type, &serial) &&
	    (serial.len != len || memcmp(serial.p, i->serial, len) != 0))
		return err_set(e, ERR_DEVICE, "csr.serial",
		    "the CSR names another unit than %s: %s", i->serial, text);
	return err_set(e, ERR_DEVICE, "csr.san",
	    "the CSR asks for a name that the profile does not have: %s", text);
}

static int check_san(X509_EXTENSION *extension, const struct subject *want,
    const struct identity *i, struct err *e)
{
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
	struct san_names asked, allowed = { 0 };

	if (!san_parse(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), &asked))
		return err_set(e, ERR_DEVICE, "csr.san", "the CSR's subjectAltName is malformed");
	if (want->san.len > 0 && !san_parse(want->san.data, want->san.len, &allowed))
		return err_set(e, ERR_CONFIG, "subject", "the profile's names do not encode");
	for (size_t k = 0; k < asked.count; k++)
		if (!san_has(&allowed, &asked.names[k]) &&
		    judge_stranger(&asked.names[k], i, e) < 0)
			return -1;
	return 0;
}

static int check_not_ca(X509_EXTENSION *extension, struct err *e)
{
	AUTO(BASIC_CONSTRAINTS) *bc = X509V3_EXT_d2i(extension);

	if (bc == NULL)
		return err_openssl(e, ERR_DEVICE, "csr.extension",
		    "the CSR's basicConstraints is malformed");
	if (bc->ca)
		return err_set(e, ERR_DEVICE, "csr.extension", "the CSR asks for a CA certificate");
	return 0;
}

static bool is_twice(const EXTENSIONS *all, int at)
{
	const ASN1_OBJECT *type = X509_EXTENSION_get_object(sk_X509_EXTENSION_value(all, at));

	return X509v3_get_ext_by_OBJ(all, type, at) >= 0;
}

/* OpenSSL reads the first list of extensions that it finds; a CA may read another. */
static int check_one_list(const X509_REQ *request, struct err *e)
{
	static const char *const lists[] = { "1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14" };
	int count = 0;

	for (int k = 0; k < X509_REQ_get_attr_count(request); k++) {
		X509_ATTRIBUTE *attribute = X509_REQ_get_attr(request, k);
		char type[100];

		OBJ_obj2txt(type, sizeof(type), X509_ATTRIBUTE_get0_object(attribute), 1);
		for (size_t n = 0; n < COUNT(lists); n++)
			if (strcmp(type, lists[n]) == 0)
				count += X509_ATTRIBUTE_count(attribute);
	}
	if (count > 1)
		return err_set(e, ERR_DEVICE, "csr.extension",
		    "the CSR asks for %d lists of extensions", count);
	return 0;
}

static int check_extensions(X509_REQ *request, const struct subject *want, const struct identity *i,
    struct err *e)
{
	AUTO(EXTENSIONS) *all = X509_REQ_get_extensions(request);

	if (check_one_list(request, e) < 0)
		return -1;
	for (int k = 0; k < sk_X509_EXTENSION_num(all); k++) {
		X509_EXTENSION *extension = sk_X509_EXTENSION_value(all, k);
		char type[100];

		OBJ_obj2txt(type, sizeof(type), X509_EXTENSION_get_object(extension), 1);
		if (is_twice(all, k))
			return err_set(e, ERR_DEVICE, "csr.extension",
			    "the CSR asks for extension %s twice", type);
		if (strcmp(type, "2.5.29.17") == 0 && check_san(extension, want, i, e) < 0)
			return -1;
		if (strcmp(type, "2.5.29.19") == 0 && check_not_ca(extension, e) < 0)
			return -1;
	}
	return 0;
}

static bool take_r(struct der in, struct der *ret)
{
	struct der body, s;

	if (!der_take(&in, DER_SEQUENCE, &body) || in.len != 0 ||
	    !der_take(&body, DER_INTEGER, ret) || !der_take(&body, DER_INTEGER, &s) ||
	    body.len != 0)
		return false;
	while (ret->len > 0 && ret->p[0] == 0) {
		ret->p++;
		ret->len--;
	}
	return ret->len > 0;
}

int judge_ecdsa_r(const uint8_t *signature, size_t len, struct buf *ret, struct err *e)
{
	struct der r;

	if (!take_r((struct der){ signature, len }, &r))
		return err_set(e, ERR_DEVICE, "csr.der", "the CSR's ECDSA signature is malformed");
	return buf_set(ret, r.p, r.len, e);
}

static int collect(const struct buf *der, const X509_REQ *request, EVP_PKEY *key,
    struct csr_facts *ret, struct err *e)
{
	const ASN1_BIT_STRING *signature = NULL;

	sha256(der->data, der->len, ret->csr_sha256);
	X509_REQ_get0_signature(request, &signature, NULL);
	if (EVP_PKEY_is_a(key, "EC") &&
	    judge_ecdsa_r(ASN1_STRING_get0_data(signature), (size_t)ASN1_STRING_length(signature),
		&ret->ecdsa_r, e) < 0)
		return -1;
	if (EVP_PKEY_up_ref(key) != 1)
		return err_nomem(e);
	ret->key = key;
	return 0;
}

static int judge_key(const struct profile *p, X509_REQ *request, EVP_PKEY *key,
    struct csr_facts *ret, struct err *e)
{
	if (check_key(p, key, e) < 0 || check_digest(request, e) < 0)
		return -1;
	if (X509_REQ_verify(request, key) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.pop",
		    "the CSR's signature does not verify: the device does not prove that it has "
		    "the key");
	if (x509_spki_digest(key, ret->spki_sha256, e) < 0)
		return -1;
	return weak_key_check(key, ret->spki_sha256, e);
}

int judge_csr(const struct profile *p, const struct identity *i, const struct buf *der,
    struct csr_facts *ret, struct err *e)
{
	AUTO(X509_REQ) *request = NULL;
	AUTO_STRUCT(subject) want = { 0 };
	AUTO_STRUCT(csr_facts) facts = { 0 };
	EVP_PKEY *key;

	if (parse(der, &request, e) < 0 || subject_render(&want, p, i, e) < 0)
		return -1;
	key = X509_REQ_get0_pubkey(request);
	if (judge_key(p, request, key, &facts, e) < 0 || check_subject(request, &want, e) < 0 ||
	    check_extensions(request, &want, i, e) < 0 || collect(der, request, key, &facts, e) < 0)
		return -1;
	*ret = facts;
	facts = (struct csr_facts){ 0 };
	return 0;
}
