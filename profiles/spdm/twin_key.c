#include "twin_key.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/ecdsa.h>

#include "spdm.h"

OWNED(EVP_MD_CTX, EVP_MD_CTX_free)
OWNED(ECDSA_SIG, ECDSA_SIG_free)

static const uint8_t algorithm_p256[] = { 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const uint8_t algorithm_p384[] = { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
	0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };

static const struct twin_curve curves[] = {
	{ "P-256", SPDM_ASYM_ECDSA_P256, SPDM_KEY_ECDSA_P256, 32, algorithm_p256,
	    sizeof(algorithm_p256) },
	{ "P-384", SPDM_ASYM_ECDSA_P384, SPDM_KEY_ECDSA_P384, 48, algorithm_p384,
	    sizeof(algorithm_p384) },
};

static const struct twin_hash hashes[] = {
	{ "SHA256", SPDM_HASH_SHA256, SPDM_MEAS_HASH_SHA256, 32 },
	{ "SHA384", SPDM_HASH_SHA384, SPDM_MEAS_HASH_SHA384, 48 },
};

const struct twin_curve *twin_curve_of_base(uint32_t bits)
{
	for (size_t i = 0; i < COUNT(curves); i++)
		if (curves[i].base_asym == bits)
			return &curves[i];
	return NULL;
}

const struct twin_curve *twin_curve_of_key(uint32_t bits)
{
	for (size_t i = 0; i < COUNT(curves); i++)
		if (curves[i].key_asym == bits)
			return &curves[i];
	return NULL;
}

const struct twin_hash *twin_hash_of_base(uint32_t bits)
{
	for (size_t i = 0; i < COUNT(hashes); i++)
		if (hashes[i].base == bits)
			return &hashes[i];
	return NULL;
}

int twin_key_make(const struct twin_curve *curve, EVP_PKEY **ret, struct err *e)
{
	AUTO(EVP_PKEY) *key = EVP_EC_gen(curve->name);

	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.key", "making a %s key", curve->name);
	*ret = steal(&key);
	return 0;
}

int twin_key_store(EVP_PKEY *key, struct buf *ret, struct err *e)
{
	int len = i2d_PrivateKey(key, NULL);
	uint8_t *room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;

	if (room == NULL || i2d_PrivateKey(key, &room) != len)
		return err_openssl(e, ERR_DEVICE, "twin.key", "encoding a key");
	ret->len += (size_t)len;
	return 0;
}

int twin_key_restore(const struct buf *stored, EVP_PKEY **ret, struct err *e)
{
	const uint8_t *p = stored->data;
	AUTO(EVP_PKEY) *key = d2i_AutoPrivateKey(NULL, &p, (long)stored->len);

	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.key", "reading a key from flash");
	*ret = steal(&key);
	return 0;
}

int twin_hash(const struct twin_hash *hash, const void *data, size_t len, struct buf *ret,
    struct err *e)
{
	uint8_t *room = buf_room(ret, hash->len, e);
	size_t got = 0;

	if (room == NULL)
		return -1;
	if (EVP_Q_digest(NULL, hash->name, NULL, data, len, room, &got) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.hash", "hashing with %s", hash->name);
	ret->len += got;
	return 0;
}

int twin_signed_message(uint8_t version, const char *context, const struct twin_hash *hash,
    const struct buf *transcript, struct buf *ret, struct err *e)
{
	static const uint8_t zeros[SPDM_PREFIX_LEN];
	size_t used = strlen(context);
	char head[17];

	/* "dmtf-spdm-v1.3.*", four times */
	memcpy(head, "dmtf-spdm-v1.x.*", sizeof(head));
	head[13] = (char)('0' + (version & 0x0f));
	for (int i = 0; i < 4; i++)
		if (buf_add_str(ret, head, e) != 0)
			return -1;
	if (buf_add(ret, zeros, SPDM_PREFIX_LEN - 4 * 16 - used, e) != 0 ||
	    buf_add(ret, context, used, e) != 0)
		return -1;
	return twin_hash(hash, transcript->data, transcript->len, ret, e);
}

/* ECDSA-Sig-Value (RFC 3279 2.2.3) as two numbers of fixed width. */
static int add_flat(const uint8_t *der, size_t len, size_t width, struct buf *ret, struct err *e)
{
	const uint8_t *p = der;
	AUTO(ECDSA_SIG) *signature = d2i_ECDSA_SIG(NULL, &p, (long)len);
	uint8_t *room = buf_room(ret, 2 * width, e);

	if (signature == NULL || room == NULL)
		return err_nomem(e);
	if (BN_bn2binpad(ECDSA_SIG_get0_r(signature), room, (int)width) < 0 ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(signature), room + width, (int)width) < 0)
		return err_openssl(e, ERR_DEVICE, "twin.sign", "a signature is wider than its key");
	ret->len += 2 * width;
	return 0;
}

int twin_sign(EVP_PKEY *key, const struct twin_curve *curve, const struct twin_hash *hash,
    const struct buf *message, struct buf *ret, struct err *e)
{
	AUTO(EVP_MD_CTX) *context = EVP_MD_CTX_new();
	uint8_t der[128];
	size_t len = sizeof(der);

	if (context == NULL)
		return err_nomem(e);
	if (EVP_DigestSignInit_ex(context, NULL, hash->name, NULL, NULL, key, NULL) != 1 ||
	    EVP_DigestSign(context, der, &len, message->data, message->len) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.sign", "signing");
	return add_flat(der, len, curve->width, ret, e);
}
