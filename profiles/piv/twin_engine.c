#include "twin_engine.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "twin_tlv.h"

OWNED(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OWNED(EVP_CIPHER, EVP_CIPHER_free)
OWNED(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
OWNED(BIGNUM, BN_free)

static const struct twin_algorithm algorithms[] = {
	{ TWIN_RSA3072, NULL, 384 },
	{ TWIN_RSA2048, NULL, 256 },
	{ TWIN_P256, "P-256", 32 },
	{ TWIN_P384, "P-384", 48 },
};

static const struct {
	uint8_t id;
	const char *name;
	size_t key, block;
} ciphers[] = {
	{ TWIN_3DES, "DES-EDE3-ECB", 24, 8 },
	{ TWIN_AES128, "AES-128-ECB", 16, 16 },
	{ TWIN_AES192, "AES-192-ECB", 24, 16 },
	{ TWIN_AES256, "AES-256-ECB", 32, 16 },
};

const struct twin_algorithm *twin_algorithm_of(uint8_t id)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (algorithms[i].id == id)
			return &algorithms[i];
	return NULL;
}

int twin_engine_make(uint8_t algorithm, EVP_PKEY **ret, struct err *e)
{
	const struct twin_algorithm *a = twin_algorithm_of(algorithm);

	if (a == NULL)
		return err_set(e, ERR_DEVICE, "twin.key", "there is no algorithm %02x", algorithm);
	*ret = a->group != NULL ? EVP_EC_gen(a->group) : EVP_RSA_gen((unsigned)(8 * a->len));
	if (*ret == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.key", "making a key of %02x", algorithm);
	return 0;
}

int twin_engine_store(EVP_PKEY *key, struct buf *ret, struct err *e)
{
	int len = i2d_PrivateKey(key, NULL);
	uint8_t *room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;

	if (room == NULL || i2d_PrivateKey(key, &room) != len)
		return err_openssl(e, ERR_DEVICE, "twin.key", "encoding a key");
	ret->len += (size_t)len;
	return 0;
}

int twin_engine_restore(const struct buf *stored, EVP_PKEY **ret, struct err *e)
{
	const uint8_t *p = stored->data;

	*ret = d2i_AutoPrivateKey(NULL, &p, (long)stored->len);
	if (*ret == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.key", "reading a key from flash");
	return 0;
}

static int add_number(EVP_PKEY *key, const char *name, uint32_t tag, struct buf *ret, struct err *e)
{
	AUTO(BIGNUM) *n = NULL;
	uint8_t bytes[512];

	if (EVP_PKEY_get_bn_param(key, name, &n) != 1 || BN_num_bytes(n) > (int)sizeof(bytes))
		return err_openssl(e, ERR_DEVICE, "twin.key", "reading a public key");
	return twin_tlv_add(ret, tag, bytes, (size_t)BN_bn2bin(n, bytes), e);
}

static int add_point(EVP_PKEY *key, struct buf *ret, struct err *e)
{
	uint8_t *point = NULL;
	size_t len = EVP_PKEY_get1_encoded_public_key(key, &point);
	int rc;

	if (len == 0)
		return err_openssl(e, ERR_DEVICE, "twin.key", "encoding a public key");
	rc = twin_tlv_add(ret, 0x86, point, len, e);
	OPENSSL_free(point);
	return rc;
}

int twin_engine_public(EVP_PKEY *key, struct buf *ret, struct err *e)
{
	if (EVP_PKEY_is_a(key, "EC"))
		return add_point(key, ret, e);
	if (add_number(key, OSSL_PKEY_PARAM_RSA_N, 0x81, ret, e) != 0)
		return -1;
	return add_number(key, OSSL_PKEY_PARAM_RSA_E, 0x82, ret, e);
}

int twin_engine_sign(EVP_PKEY *key, const uint8_t *data, size_t len, struct buf *ret, struct err *e)
{
	AUTO(EVP_PKEY_CTX) *context = EVP_PKEY_CTX_new(key, NULL);
	size_t got = (size_t)EVP_PKEY_get_size(key);
	uint8_t *room = buf_room(ret, got, e);

	if (context == NULL || room == NULL)
		return err_nomem(e);
	if (EVP_PKEY_sign_init(context) != 1 ||
	    (EVP_PKEY_is_a(key, "RSA") &&
		EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) != 1) ||
	    EVP_PKEY_sign(context, room, &got, data, len) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.sign", "signing %zu bytes", len);
	ret->len += got;
	return 0;
}

int twin_engine_agree(EVP_PKEY *key, const uint8_t *point, size_t len, struct buf *ret,
    struct err *e)
{
	AUTO(EVP_PKEY_CTX) *context = EVP_PKEY_CTX_new(key, NULL);
	AUTO(EVP_PKEY) *peer = EVP_PKEY_new();
	size_t got = (size_t)EVP_PKEY_get_size(key);
	uint8_t *room = buf_room(ret, got, e);

	if (context == NULL || peer == NULL || room == NULL)
		return err_nomem(e);
	if (EVP_PKEY_copy_parameters(peer, key) != 1 ||
	    EVP_PKEY_set1_encoded_public_key(peer, point, len) != 1 ||
	    EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer(context, peer) != 1 ||
	    EVP_PKEY_derive(context, room, &got) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.agree", "agreeing on a secret");
	ret->len += got;
	return 0;
}

size_t twin_cipher_key_len(uint8_t algorithm)
{
	for (size_t i = 0; i < COUNT(ciphers); i++)
		if (ciphers[i].id == algorithm)
			return ciphers[i].key;
	return 0;
}

size_t twin_cipher_block_len(uint8_t algorithm)
{
	for (size_t i = 0; i < COUNT(ciphers); i++)
		if (ciphers[i].id == algorithm)
			return ciphers[i].block;
	return 0;
}

static const char *cipher_name(uint8_t algorithm)
{
	for (size_t i = 0; i < COUNT(ciphers); i++)
		if (ciphers[i].id == algorithm)
			return ciphers[i].name;
	return "";
}

int twin_cipher(uint8_t algorithm, const uint8_t *key, bool encrypt, const uint8_t *in,
    uint8_t *out, struct err *e)
{
	AUTO(EVP_CIPHER) *cipher = EVP_CIPHER_fetch(NULL, cipher_name(algorithm), NULL);
	AUTO(EVP_CIPHER_CTX) *context = EVP_CIPHER_CTX_new();
	int block = (int)twin_cipher_block_len(algorithm), got = 0;

	if (cipher == NULL || context == NULL ||
	    EVP_CipherInit_ex2(context, cipher, key, NULL, encrypt, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(context, 0) != 1 ||
	    EVP_CipherUpdate(context, out, &got, in, block) != 1 || got != block)
		return err_openssl(e, ERR_DEVICE, "twin.cipher", "using cipher %02x", algorithm);
	return 0;
}

int twin_engine_random(uint8_t *ret, size_t len, struct err *e)
{
	if (RAND_bytes(ret, (int)len) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.random", "drawing %zu bytes", len);
	return 0;
}
