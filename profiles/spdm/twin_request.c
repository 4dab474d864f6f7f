#include "twin_request.h"

#include <stdio.h>

#include <openssl/x509v3.h>

#include "oids.h"

#define MANUFACTURER "Example"

typedef STACK_OF(X509_EXTENSION) X509_EXTENSION_STACK;

static inline void extensions_free(X509_EXTENSION_STACK *list)
{
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
OWNED(X509_EXTENSION_STACK, extensions_free)
OWNED(X509_EXTENSION, X509_EXTENSION_free)
OWNED(GENERAL_NAMES, GENERAL_NAMES_free)
OWNED(GENERAL_NAME, GENERAL_NAME_free)
OWNED(ASN1_TYPE, ASN1_TYPE_free)
OWNED(ASN1_UTF8STRING, ASN1_UTF8STRING_free)
OWNED(ASN1_OBJECT, ASN1_OBJECT_free)

static int add_sequence_head(struct buf *ret, size_t len, struct err *e)
{
	const uint8_t head[] = { 0x30, 0x82, (uint8_t)(len >> 8), (uint8_t)len };

	return buf_add(ret, head, sizeof(head), e);
}

/* OpenSSL reads whole requests only: the info gets an empty signature. */
static int wrap(const uint8_t *info, size_t len, struct buf *ret, struct err *e)
{
	/* ecdsa-with-SHA256, and a BIT STRING of no bits */
	static const uint8_t tail[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
		0x03, 0x02, 0x03, 0x01, 0x00 };

	if (len + sizeof(tail) > UINT16_MAX)
		return err_set(e, ERR_DEVICE, "twin.info", "%zu bytes are too many", len);
	if (add_sequence_head(ret, len + sizeof(tail), e) != 0 || buf_add(ret, info, len, e) != 0)
		return -1;
	return buf_add(ret, tail, sizeof(tail), e);
}

int twin_request_parse(const uint8_t *info, size_t len, EVP_PKEY *key, X509_REQ **ret,
    struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *request = NULL;
	EVP_PKEY *public;

	if (wrap(info, len, &der, e) != 0 ||
	    x509_parse_request(der.data, der.len, &request, ERR_DEVICE, e) != 0)
		return -1;
	if (X509_REQ_get_version(request) != X509_REQ_VERSION_1)
		return err_set(e, ERR_DEVICE, "twin.info", "unknown version");
	public = X509_REQ_get0_pubkey(request);
	if (public == NULL || EVP_PKEY_eq(public, key) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.info", "another public key");
	*ret = steal(&request);
	return 0;
}

static int set_subject(X509_REQ *request, X509_REQ *wanted, const char *serial, struct err *e)
{
	AUTO(X509_NAME) *name = NULL;

	if (wanted != NULL)
		name = X509_NAME_dup(X509_REQ_get_subject_name(wanted));
	else
		name = X509_NAME_new();
	if (name == NULL)
		return err_nomem(e);
	if (wanted == NULL && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
				  (const unsigned char *)serial, -1, -1, 0) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.request", "naming");
	return X509_REQ_set_subject_name(request, name) == 1 ? 0 : err_nomem(e);
}

/* All but the requested extensions, which are merged with the device's. */
static int copy_attributes(X509_REQ *request, X509_REQ *wanted, struct err *e)
{
	for (int i = 0; i < X509_REQ_get_attr_count(wanted); i++) {
		X509_ATTRIBUTE *attribute = X509_REQ_get_attr(wanted, i);
		int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute));

		if (nid != NID_ext_req && X509_REQ_add1_attr(request, attribute) != 1)
			return err_nomem(e);
	}
	return 0;
}

static int wanted_extensions(X509_REQ *wanted, X509_EXTENSION_STACK **ret, struct err *e)
{
	if (wanted == NULL || X509_REQ_get_attr_by_NID(wanted, NID_ext_req, -1) < 0)
		*ret = sk_X509_EXTENSION_new_null();
	else
		*ret = X509_REQ_get_extensions(wanted);
	if (*ret == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.info", "extensions that do not parse");
	return 0;
}

/* otherName of DMTF: manufacturer:product:serial. */
static int add_device_info(GENERAL_NAMES *names, const char *model, const char *serial,
    struct err *e)
{
	AUTO(GENERAL_NAME) *name = GENERAL_NAME_new();
	AUTO(ASN1_OBJECT) *type = OBJ_txt2obj(OID_SPDM_DEVICE_INFO, 1);
	AUTO(ASN1_TYPE) *value = ASN1_TYPE_new();
	AUTO(ASN1_UTF8STRING) *text = ASN1_UTF8STRING_new();
	char info[256];

	(void)snprintf(info, sizeof(info), "%s:%s:%s", MANUFACTURER, model, serial);
	if (name == NULL || type == NULL || value == NULL || text == NULL ||
	    ASN1_STRING_set(text, info, -1) != 1)
		return err_nomem(e);
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, steal(&text));
	if (GENERAL_NAME_set0_othername(name, type, value) != 1)
		return err_nomem(e);
	type = NULL;
	value = NULL;
	if (sk_GENERAL_NAME_push(names, name) <= 0)
		return err_nomem(e);
	name = NULL;
	return 0;
}

/* The alternative names wanted, taken out of the list; none is an empty one. */
static int take_names(X509_EXTENSION_STACK *list, GENERAL_NAMES **ret, int *ret_critical,
    struct err *e)
{
	int at = X509v3_get_ext_by_NID(list, NID_subject_alt_name, -1);
	AUTO(X509_EXTENSION) *extension = NULL;

	*ret_critical = 0;
	if (at < 0) {
		*ret = sk_GENERAL_NAME_new_null();
		return *ret != NULL ? 0 : err_nomem(e);
	}
	extension = X509v3_delete_ext(list, at);
	*ret_critical = X509_EXTENSION_get_critical(extension);
	*ret = X509V3_EXT_d2i(extension);
	if (*ret == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.info", "names that do not parse");
	return 0;
}

/* What an SPDM 1.3 device certificate must have, unless the requester says it. */
static int add_leaf_rules(X509_EXTENSION_STACK **list, struct err *e)
{
	static const struct {
		int nid;
		const char *value;
	} rules[] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
	};

	for (size_t i = 0; i < COUNT(rules); i++) {
		AUTO(X509_EXTENSION) *extension = NULL;

		if (X509v3_get_ext_by_NID(*list, rules[i].nid, -1) >= 0)
			continue;
		extension = X509V3_EXT_conf_nid(NULL, NULL, rules[i].nid, rules[i].value);
		if (extension == NULL || X509v3_add_ext(list, extension, -1) == NULL)
			return err_openssl(e, ERR_DEVICE, "twin.request", "adding extensions");
	}
	return 0;
}

static int add_extensions(X509_REQ *request, X509_REQ *wanted, const char *model,
    const char *serial, struct err *e)
{
	AUTO(X509_EXTENSION_STACK) *list = NULL;
	AUTO(GENERAL_NAMES) *names = NULL;
	int critical;

	if (wanted_extensions(wanted, &list, e) != 0 ||
	    take_names(list, &names, &critical, e) != 0 ||
	    add_device_info(names, model, serial, e) != 0 || add_leaf_rules(&list, e) != 0)
		return -1;
	if (X509V3_add1_i2d(&list, NID_subject_alt_name, names, critical, X509V3_ADD_APPEND) != 1 ||
	    X509_REQ_add_extensions(request, list) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.request", "adding extensions");
	return 0;
}

static int add_der(X509_REQ *request, struct buf *ret, struct err *e)
{
	int len = i2d_X509_REQ(request, NULL);
	uint8_t *room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;

	if (room == NULL || i2d_X509_REQ(request, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}

int twin_request_make(X509_REQ *wanted, const char *model, const char *serial, EVP_PKEY *key,
    const struct twin_hash *hash, struct buf *ret, struct err *e)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	const EVP_MD *digest = EVP_get_digestbyname(hash->name);

	if (request == NULL || digest == NULL ||
	    X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(request, key) != 1)
		return err_nomem(e);
	if (set_subject(request, wanted, serial, e) != 0 ||
	    (wanted != NULL && copy_attributes(request, wanted, e) != 0) ||
	    add_extensions(request, wanted, model, serial, e) != 0)
		return -1;
	if (X509_REQ_sign(request, key, digest) == 0)
		return err_openssl(e, ERR_DEVICE, "twin.request", "signing");
	return add_der(request, ret, e);
}
