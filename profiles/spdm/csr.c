#include "csr.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <openssl/x509v3.h>

#include "bytes.h"
#include "x509.h"

OWNED(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OWNED(X509_EXTENSION, X509_EXTENSION_free)
OWNED(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)

static inline void extensions_free(STACK_OF(X509_EXTENSION) * s)
{
	sk_X509_EXTENSION_pop_free(s, X509_EXTENSION_free);
}
typedef STACK_OF(X509_EXTENSION) EXTENSIONS;
OWNED(EXTENSIONS, extensions_free)

enum {
	CSR_HEAD = 8,
	TAG_SHIFT = 3,
	TAG_MAX = 7,
	OVERWRITE = 0x80,
};

/* Param2. Overwrite frees the tracking tags that an interrupted unit may have left behind. */
static uint8_t csr_attributes(const struct spdm_connection *c, uint8_t tag)
{
	uint8_t model = c->multi_key ? SPDM_MODEL_DEVICE : SPDM_MODEL_NONE;

	if (c->peer.version < SPDM_VERSION_13)
		return 0;
	if (tag == 0 && (c->flags & SPDM_CAP_INSTALL_RESET) != 0)
		return model | OVERWRITE;
	return (uint8_t)(model | tag << TAG_SHIFT);
}

int spdm_get_csr(struct spdm_connection *c, const struct buf *info, uint8_t tag, struct buf *ret,
    struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_GET_CSR,
		c->multi_key ? c->options->key_pair : 0, csr_attributes(c, tag) };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	size_t len;

	if (spdm_require(c, SPDM_CAP_CSR, "CSR_CAP", e) != 0 ||
	    buf_set(&request, head, sizeof(head), e) != 0 ||
	    buf_add_u16le(&request, (uint16_t)info->len, e) != 0 ||
	    buf_add_u16le(&request, 0, e) != 0 ||
	    buf_add(&request, info->data, info->len, e) != 0 ||
	    spdm_exchange(&c->peer, &request, SPDM_CRYPTO, &answer, e) != 0)
		return -1;
	if (answer.len < CSR_HEAD)
		return err_set(e, ERR_DEVICE, "device.protocol", "CSR is too short");
	len = get_u16le(answer.data + 4);
	if (len == 0 || answer.len < CSR_HEAD + len)
		return err_set(e, ERR_DEVICE, "device.protocol", "CSR is shorter than it says");
	return buf_set(ret, answer.data + CSR_HEAD, len, e);
}

static int set_name(X509_REQ *request, const struct buf *der, struct err *e)
{
	const uint8_t *p = der->data;
	AUTO(X509_NAME) *name = d2i_X509_NAME(NULL, &p, (long)der->len);

	if (name == NULL || X509_REQ_set_subject_name(request, name) != 1)
		return err_openssl(e, ERR_CONFIG, "subject", "the rendered subject does not parse");
	return 0;
}

static int add_san(X509_REQ *request, const struct subject *subject, struct err *e)
{
	AUTO(ASN1_OCTET_STRING) *value = ASN1_OCTET_STRING_new();
	AUTO(EXTENSIONS) *list = sk_X509_EXTENSION_new_null();
	AUTO(X509_EXTENSION) *san = NULL;

	if (value == NULL || list == NULL ||
	    ASN1_OCTET_STRING_set(value, subject->san.data, (int)subject->san.len) != 1)
		return err_nomem(e);
	san =
	    X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, subject->san_critical, value);
	if (san == NULL || sk_X509_EXTENSION_push(list, san) <= 0)
		return err_nomem(e);
	san = NULL; /* the list's now */
	if (X509_REQ_add_extensions(request, list) != 1)
		return err_openssl(e, ERR_CONFIG, "subject", "asking for alternative names");
	return 0;
}

int spdm_requester_info(const struct subject *subject, EVP_PKEY *key, bool with_san,
    struct buf *ret, struct err *e)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	uint8_t *room;
	int len;

	if (request == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1)
		return err_nomem(e);
	if (set_name(request, &subject->name, e) != 0)
		return -1;
	if (X509_REQ_set_pubkey(request, key) != 1)
		return err_openssl(e, ERR_DEVICE, "device.key", "the device's public key");
	if (with_san && add_san(request, subject, e) != 0)
		return -1;
	len = i2d_re_X509_REQ_tbs(request, NULL);
	if (len <= 0 || len > UINT16_MAX)
		return err_openssl(e, ERR_CONFIG, "subject", "encoding the request for the device");
	room = buf_room(ret, (size_t)len, e);
	if (room == NULL || i2d_re_X509_REQ_tbs(request, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}

int spdm_key_compress(const struct spdm_algorithm *a, EVP_PKEY *key, struct buf *ret, struct err *e)
{
	size_t half = a->signature_len / 2;
	uint8_t point[1 + SPDM_SIGNATURE_MAX];
	size_t len = 0;

	if (!EVP_PKEY_is_a(key, "EC") ||
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
		&len) != 1 ||
	    len != 1 + 2 * half || point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return err_openssl(e, ERR_DEVICE, "device.key",
		    "the key in the device's CSR is not of %s", a->name);
	point[0] = POINT_CONVERSION_COMPRESSED | (point[len - 1] & 1);
	return buf_add(ret, point, 1 + half, e);
}

int spdm_key_expand(const struct spdm_algorithm *a, const uint8_t *point, size_t len,
    EVP_PKEY **ret, struct err *e)
{
	AUTO(EVP_PKEY_CTX) *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	AUTO(EVP_PKEY) *key = NULL;
	uint8_t copy[SPDM_POINT_MAX] = { 0 }; /* OSSL_PARAM is not const */
	char group[16] = { 0 };
	OSSL_PARAM params[] = { OSSL_PARAM_END, OSSL_PARAM_END, OSSL_PARAM_END };

	for (size_t i = 0; i < len && i < sizeof(copy); i++)
		copy[i] = point[i];
	for (size_t i = 0; a->group[i] != '\0' && i < sizeof(group) - 1; i++)
		group[i] = a->group[i];
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, len);
	if (len != 1 + a->signature_len / 2 || context == NULL ||
	    EVP_PKEY_fromdata_init(context) != 1 ||
	    EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1 ||
	    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
		"uncompressed") != 1)
		return err_openssl(e, ERR_DEVICE, "device.key", "not a public key of %s", a->name);
	*ret = steal(&key);
	return 0;
}
