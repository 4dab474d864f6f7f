#include "judge_proof.h"

#include <string.h>

#include <openssl/crypto.h>

#include "x509.h"

OWNED(EVP_MD_CTX, EVP_MD_CTX_free)

/* Ed25519 signs the message itself: its digest has no name. */
static int verify(const struct proof_claims *claims, EVP_PKEY *key, struct err *e)
{
	const char *digest = claims->digest[0] != '\0' ? claims->digest : NULL;
	AUTO(EVP_MD_CTX) *ctx = EVP_MD_CTX_new();

	if (ctx == NULL)
		return err_nomem(e);
	if (EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) != 1)
		return err_openssl(e, ERR_DEVICE, "proof.signature",
		    "the certificate's key can not verify a signature over %s",
		    digest != NULL ? digest : "the message");
	if (EVP_DigestVerify(ctx, claims->signature.data, claims->signature.len,
		claims->message.data, claims->message.len) != 1)
		return err_openssl(e, ERR_DEVICE, "proof.signature",
		    "the proof's signature does not verify under the certificate that was read "
		    "back");
	return 0;
}

int judge_proof(const struct proof_claims *claims, const uint8_t nonce[static 32], X509 *leaf,
    struct err *e)
{
	uint8_t digest[SHA256_LEN];
	EVP_PKEY *key;

	if (CRYPTO_memcmp(claims->nonce, nonce, sizeof(claims->nonce)) != 0)
		return err_set(e, ERR_DEVICE, "proof.nonce",
		    "the proof answers another nonce: a replay");
	if (x509_digest(leaf, digest, e) < 0)
		return -1;
	if (memcmp(claims->leaf_sha256, digest, sizeof(digest)) != 0)
		return err_set(e, ERR_DEVICE, "proof.certificate",
		    "the proof is about another certificate than the one that was read back");
	key = X509_get0_pubkey(leaf);
	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "proof.certificate",
		    "the certificate's key can not be read");
	return verify(claims, key, e);
}

int judge_readback(enum object object, const struct buf *sent, const struct stored *stored,
    struct err *e)
{
	uint8_t digest[SHA256_LEN];

	if (!stored->is_digest) {
		if (buf_equal(&stored->bytes, sent))
			return 0;
		return err_set(e, ERR_DEVICE, "readback.differs",
		    "the device stores %zu bytes as %s that are not the %zu it was sent",
		    stored->bytes.len, object_name(object), sent->len);
	}
	sha256(sent->data, sent->len, digest);
	if (stored->bytes.len == sizeof(digest) &&
	    memcmp(stored->bytes.data, digest, sizeof(digest)) == 0)
		return 0;
	return err_set(e, ERR_DEVICE, "readback.differs",
	    "the digest of what the device stores as %s is not that of the %zu bytes it was sent",
	    object_name(object), sent->len);
}
