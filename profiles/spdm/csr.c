#include "csr.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>

#include "bytes.h"
#include "pkcs10.h"
#include "x509.h"

OWNED(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

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

int spdm_requester_info(const struct subject *subject, const struct buf *key, bool with_san,
    struct buf *ret, struct err *e)
{
	struct subject asked = *subject; /* owns nothing */

	if (!with_san)
		asked.san = (struct buf){ 0 };
	if (pkcs10_info_around(&asked, key, ret, e) != 0)
		return -1;
	if (ret->len > UINT16_MAX)
		return err_set(e, ERR_CONFIG, "subject",
		    "a request of %zu bytes for the device; SPDM takes %d", ret->len, UINT16_MAX);
	return 0;
}

int spdm_key_of(const struct spdm_algorithm *a, const struct buf *csr, struct buf *ret,
    struct err *e)
{
	const uint8_t *key;
	size_t len = x509_cut_request_key(csr->data, csr->len, &key);

	if (len == 0)
		return err_set(e, ERR_DEVICE, "x509", "%zu bytes are not a PKCS#10 request",
		    csr->len);
	if (len != a->key_head.len + a->signature_len ||
	    memcmp(key, a->key_head.data, a->key_head.len) != 0)
		return err_set(e, ERR_DEVICE, "device.key",
		    "the key in the device's CSR is not of %s", a->name);
	return buf_set(ret, key, len, e);
}

int spdm_key_compress(const struct spdm_algorithm *a, const struct buf *key, struct buf *ret,
    struct err *e)
{
	uint8_t sign = key->data[key->len - 1] & 1;

	if (buf_add_u8(ret, POINT_CONVERSION_COMPRESSED | sign, e) != 0)
		return -1;
	return buf_add(ret, key->data + a->key_head.len, a->signature_len / 2, e);
}

int spdm_key_expand(const struct spdm_algorithm *a, const uint8_t *point, size_t len,
    struct buf *ret, struct err *e)
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
	return x509_add_spki(key, ret, e);
}
