#include "warm.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "buf.h"
#include "x509.h"

OWNED(EVP_MD_CTX, EVP_MD_CTX_free)

static int failed(struct err *e, const char *doing)
{
	return err_openssl(e, ERR_CONFIG, "twin.crypto", "%s", doing);
}

/* A key into the flash and out of it. */
static int keep_key(EVP_PKEY *key, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	int len = i2d_PrivateKey(key, NULL);
	uint8_t *room = len > 0 ? buf_room(&der, (size_t)len, e) : NULL;
	AUTO(EVP_PKEY) *again = NULL;
	const uint8_t *p;

	if (room == NULL || i2d_PrivateKey(key, &room) != len)
		return failed(e, "encoding a key");
	p = der.data;
	again = d2i_AutoPrivateKey(NULL, &p, len);
	return again != NULL ? 0 : failed(e, "decoding a key");
}

static int sign(EVP_PKEY *key, struct err *e)
{
	AUTO(EVP_MD_CTX) *context = EVP_MD_CTX_new();
	uint8_t nonce[32], digest[SHA256_LEN], signature[128];
	size_t len = sizeof(signature);

	if (context == NULL || RAND_bytes(nonce, sizeof(nonce)) != 1 ||
	    EVP_Q_digest(NULL, "SHA256", NULL, nonce, sizeof(nonce), digest, NULL) != 1 ||
	    EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) != 1 ||
	    EVP_DigestSign(context, signature, &len, digest, sizeof(digest)) != 1)
		return failed(e, "signing");
	return 0;
}

/* Its public key goes through the decoders. */
static int make_request(EVP_PKEY *key, struct err *e)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	AUTO(X509_REQ) *copy = NULL;

	if (request == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(request, key) != 1 ||
	    X509_REQ_sign(request, key, EVP_sha256()) == 0)
		return failed(e, "making a request");
	copy = X509_REQ_dup(request);
	if (copy == NULL || EVP_PKEY_eq(X509_REQ_get0_pubkey(copy), key) != 1)
		return failed(e, "reading a request");
	return 0;
}

int warm_up(struct err *e)
{
	AUTO(EVP_PKEY) *key = EVP_EC_gen("P-256");

	if (key == NULL)
		return failed(e, "making a key");
	if (keep_key(key, e) != 0 || sign(key, e) != 0)
		return -1;
	return make_request(key, e);
}
