#include "check_proof.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/ecdsa.h>

#include "bytes.h"
#include "check_chain.h"
#include "spdm.h"

OWNED(ECDSA_SIG, ECDSA_SIG_free)
OWNED(BIGNUM, BN_free)

enum { SLOTS = 8 };

/* Reads the preimage from front to back, and keeps what later messages must agree with. */
struct reader {
	const struct spdm_options *options;
	const uint8_t *p;
	size_t left;
	uint8_t version;
	bool multi_key;
	const uint8_t *digest;       /* of slot 0, where DIGESTS said it */
	uint8_t hash[SPDM_HASH_MAX]; /* of the chain */
	struct buf chain;
	size_t chain_len;       /* as the first portion says */
	uint8_t hash_type;      /* Param2 of CHALLENGE */
	const uint8_t *nonce;   /* of CHALLENGE */
	const uint8_t *context; /* of CHALLENGE, 1.3 */
};

static void reader_free(struct reader *r)
{
	buf_free(&r->chain);
}
OWNED_STRUCT(reader, reader_free)

static int bad(struct err *e, const char *code, const char *what)
{
	return err_set(e, ERR_DEVICE, code, "the proof is wrong: %s", what);
}

static int take(struct reader *r, size_t len, const uint8_t **ret, struct err *e)
{
	if (r->left < len)
		return bad(e, "proof.layout", "it ends too early");
	*ret = r->p;
	r->p += len;
	r->left -= len;
	return 0;
}

/* The fixed part of a message, which must have that version and code. */
static int take_message(struct reader *r, uint8_t version, enum spdm_code code, size_t len,
    const uint8_t **ret, struct err *e)
{
	if (r->left >= SPDM_HEADER_LEN && r->p[1] != code)
		return err_set(e, ERR_DEVICE, "proof.layout",
		    "the proof is wrong: message %02X where %02X belongs", r->p[1], (unsigned)code);
	if (r->left >= SPDM_HEADER_LEN && r->p[0] != version)
		return bad(e, "proof.version", "a message has another version than the connection");
	return take(r, len, ret, e);
}

/* GET_VERSION, VERSION. *ret_entries: one bit per minor version of SPDM 1.x. */
static int read_version(struct reader *r, unsigned *ret_entries, struct err *e)
{
	const uint8_t *m;
	const uint8_t *entries = NULL;

	if (take_message(r, SPDM_VERSION_10, SPDM_GET_VERSION, SPDM_HEADER_LEN, &m, e) != 0 ||
	    take_message(r, SPDM_VERSION_10, SPDM_VERSION, 6, &m, e) != 0 ||
	    take(r, 2 * (size_t)m[5], &entries, e) != 0)
		return -1;
	*ret_entries = 0;
	for (size_t i = 0; i < m[5]; i++)
		if (entries[2 * i + 1] >> 4 == 1)
			*ret_entries |= 1U << (entries[2 * i + 1] & 15);
	return 0;
}

static int read_capabilities(struct reader *r, unsigned entries, struct err *e)
{
	const uint8_t *request;
	const uint8_t *answer;
	uint32_t flags;

	if (r->left > 0)
		r->version = r->p[0];
	if (!spdm_options_accept(r->options, r->version) ||
	    (entries & 1U << (r->version & 15)) == 0)
		return bad(e, "proof.version", "its SPDM version is not one the profile accepts");
	if (take_message(r, r->version, SPDM_GET_CAPABILITIES, 20, &request, e) != 0 ||
	    take_message(r, r->version, SPDM_CAPABILITIES, 20, &answer, e) != 0)
		return -1;
	if (r->version >= SPDM_VERSION_13 && ((request[2] | answer[2]) & 1) != 0)
		return bad(e, "proof.layout", "CAPABILITIES has an algorithms block");
	flags = get_u32le(answer + 8);
	if ((flags & SPDM_CAP_CERT) == 0 || (flags & SPDM_CAP_CHAL) == 0)
		return bad(e, "proof.layout",
		    "the device can not be challenged (CERT_CAP, CHAL_CAP)");
	return 0;
}

static int read_algorithms(struct reader *r, struct err *e)
{
	const struct spdm_algorithm *a = r->options->algorithm;
	const uint8_t *request;
	const uint8_t *answer;

	if (take_message(r, r->version, SPDM_NEGOTIATE_ALGORITHMS, 32, &request, e) != 0 ||
	    take_message(r, r->version, SPDM_ALGORITHMS, 36, &answer, e) != 0)
		return -1;
	if (request[2] != 0 || get_u16le(request + 4) != 32 || request[28] != 0 ||
	    request[29] != 0 || answer[2] != 0 || get_u16le(answer + 4) != 36 || answer[32] != 0 ||
	    answer[33] != 0)
		return bad(e, "proof.layout", "algorithms that nobody asked for were negotiated");
	if (get_u32le(request + 8) != a->asym || get_u32le(request + 12) != a->hash ||
	    get_u32le(answer + 12) != a->asym || get_u32le(answer + 16) != a->hash)
		return bad(e, "proof.algorithm", "not the profile's key algorithm and hash");
	r->multi_key =
	    r->version >= SPDM_VERSION_13 && (request[7] & SPDM_OTHER_PARAM_MULTI_KEY) != 0;
	return 0;
}

/* A requester that has read nothing yet need not ask for them. */
static int read_digests(struct reader *r, struct err *e)
{
	size_t hash_len = r->options->algorithm->hash_len;
	const uint8_t *m;
	const uint8_t *rest = NULL;
	size_t slots = 0;

	if (r->left >= SPDM_HEADER_LEN && r->p[1] == SPDM_GET_CERTIFICATE)
		return 0;
	if (take_message(r, r->version, SPDM_GET_DIGESTS, SPDM_HEADER_LEN, &m, e) != 0 ||
	    take_message(r, r->version, SPDM_DIGESTS, SPDM_HEADER_LEN, &m, e) != 0)
		return -1;
	for (size_t i = 0; i < SLOTS; i++)
		slots += m[3] >> i & 1;
	if ((m[3] & 1) == 0)
		return bad(e, "proof.chain", "certificate slot 0 was empty");
	/* multi-key: KeyPairID, CertificateInfo, le16 KeyUsageMask of each */
	if (take(r, slots * hash_len, &r->digest, e) != 0 ||
	    (r->multi_key && take(r, slots * 4, &rest, e) != 0))
		return -1;
	return 0;
}

/* One GET_CERTIFICATE, CERTIFICATE; *ret_left is what the device says remains. */
static int read_portion(struct reader *r, size_t *ret_left, struct err *e)
{
	const uint8_t *request;
	const uint8_t *answer;
	const uint8_t *portion = NULL;
	size_t len;

	if (take_message(r, r->version, SPDM_GET_CERTIFICATE, 8, &request, e) != 0 ||
	    take_message(r, r->version, SPDM_CERTIFICATE, 8, &answer, e) != 0)
		return -1;
	len = get_u16le(answer + 4);
	if ((request[2] & 15) != 0 || (answer[2] & 15) != 0 ||
	    (r->version >= SPDM_VERSION_13 && request[3] != 0) ||
	    get_u16le(request + 4) != r->chain.len || len > get_u16le(request + 6))
		return bad(e, "proof.chain", "slot 0 was not read from front to back");
	*ret_left = get_u16le(answer + 6);
	if (r->chain.len == 0)
		r->chain_len = len + *ret_left;
	if (len == 0 || r->chain_len > SPDM_CHAIN_MAX ||
	    r->chain.len + len + *ret_left != r->chain_len)
		return bad(e, "proof.chain",
		    "an empty portion, or the length of the chain changes");
	if (take(r, len, &portion, e) != 0)
		return -1;
	return buf_add(&r->chain, portion, len, e);
}

static int read_chain(struct reader *r, struct err *e)
{
	const struct spdm_algorithm *a = r->options->algorithm;
	size_t left = 0;

	do
		if (read_portion(r, &left, e) != 0)
			return -1;
	while (left > 0);
	spdm_hash(a, r->chain.data, r->chain.len, r->hash);
	if (r->digest != NULL && memcmp(r->hash, r->digest, a->hash_len) != 0)
		return bad(e, "proof.chain", "DIGESTS is not the hash of the chain");
	return 0;
}

static int read_challenge(struct reader *r, struct err *e)
{
	const uint8_t *m;

	if (take_message(r, r->version, SPDM_CHALLENGE, SPDM_HEADER_LEN, &m, e) != 0 ||
	    take(r, SPDM_NONCE_LEN, &r->nonce, e) != 0)
		return -1;
	if (r->version >= SPDM_VERSION_13 && take(r, SPDM_CONTEXT_LEN, &r->context, e) != 0)
		return -1;
	r->hash_type = m[3];
	if (m[2] != 0)
		return bad(e, "proof.challenge", "not certificate slot 0 was challenged");
	if (r->hash_type != 0 && r->hash_type != 1 && r->hash_type != 0xff)
		return bad(e, "proof.challenge", "an unknown measurement summary was asked for");
	return 0;
}

static int read_challenge_auth(struct reader *r, struct err *e)
{
	size_t hash_len = r->options->algorithm->hash_len;
	const uint8_t *m;
	const uint8_t *chain_hash = NULL;
	const uint8_t *rest = NULL;
	size_t opaque_len;

	if (take_message(r, r->version, SPDM_CHALLENGE_AUTH, SPDM_HEADER_LEN, &m, e) != 0 ||
	    take(r, hash_len, &chain_hash, e) != 0 || take(r, SPDM_NONCE_LEN, &rest, e) != 0 ||
	    (r->hash_type != 0 && take(r, hash_len, &rest, e) != 0) || take(r, 2, &rest, e) != 0)
		return -1;
	if ((m[2] & 15) != 0 || (m[2] & 0x80) != 0 || (m[3] & 1) == 0)
		return bad(e, "proof.challenge", "the answer is not for certificate slot 0");
	if (memcmp(chain_hash, r->hash, hash_len) != 0)
		return bad(e, "proof.challenge", "CertChainHash is not the hash of the chain");
	opaque_len = get_u16le(rest);
	if (opaque_len > SPDM_OPAQUE_MAX)
		return bad(e, "proof.challenge", "more opaque data than allowed");
	if (take(r, opaque_len, &rest, e) != 0)
		return -1;
	if (r->version < SPDM_VERSION_13)
		return 0;
	if (take(r, SPDM_CONTEXT_LEN, &rest, e) != 0)
		return -1;
	if (memcmp(rest, r->context, SPDM_CONTEXT_LEN) != 0)
		return bad(e, "proof.challenge", "RequesterContext is not the one sent");
	return 0;
}

static int read_preimage(struct reader *r, struct err *e)
{
	unsigned entries = 0;

	if (read_version(r, &entries, e) != 0 || read_capabilities(r, entries, e) != 0 ||
	    read_algorithms(r, e) != 0 || read_digests(r, e) != 0 || read_chain(r, e) != 0 ||
	    read_challenge(r, e) != 0 || read_challenge_auth(r, e) != 0)
		return -1;
	if (r->left != 0)
		return bad(e, "proof.layout", "it goes on behind CHALLENGE_AUTH");
	return 0;
}

int spdm_proof_message(const struct spdm_algorithm *a, uint8_t version,
    const struct buf *transcript, struct buf *ret, struct err *e)
{
	static const uint8_t zeros[SPDM_PREFIX_LEN] = { 0 };
	const char *words = version == SPDM_VERSION_12 ? SPDM_PREFIX_12 : SPDM_PREFIX_13;
	const char *context = SPDM_CONTEXT_CHALLENGE;
	uint8_t hash[EVP_MAX_MD_SIZE];

	for (int i = 0; i < 4; i++)
		if (buf_add_str(ret, words, e) != 0)
			return -1;
	spdm_hash(a, transcript->data, transcript->len, hash);
	if (buf_add(ret, zeros, SPDM_PREFIX_LEN - 4 * strlen(words) - strlen(context), e) != 0 ||
	    buf_add_str(ret, context, e) != 0)
		return -1;
	return buf_add(ret, hash, a->hash_len, e);
}

int spdm_proof_signature(const struct buf *raw, struct buf *ret, struct err *e)
{
	int half = (int)(raw->len / 2);
	AUTO(ECDSA_SIG) *signature = ECDSA_SIG_new();
	AUTO(BIGNUM) *r = BN_bin2bn(raw->data, half, NULL);
	AUTO(BIGNUM) *s = BN_bin2bn(raw->data + half, half, NULL);
	uint8_t *room;
	int len;

	if (signature == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(signature, steal(&r), steal(&s)) != 1)
		return err_nomem(e);
	len = i2d_ECDSA_SIG(signature, NULL);
	room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;
	if (room == NULL || i2d_ECDSA_SIG(signature, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}

static int make_claims(const struct reader *r, const struct proof *proof, struct proof_claims *ret,
    struct err *e)
{
	const struct spdm_algorithm *a = r->options->algorithm;
	AUTO_STRUCT(proof_claims) claims = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };

	if (proof->signature.len != a->signature_len)
		return err_set(e, ERR_DEVICE, "proof.signature",
		    "the signature has %zu bytes where %s has %zu", proof->signature.len, a->name,
		    a->signature_len);
	if (spdm_chain_read(a, &r->chain, "proof.chain", &ders, e) != 0 ||
	    spdm_proof_message(a, r->version, &proof->preimage, &claims.message, e) != 0 ||
	    spdm_proof_signature(&proof->signature, &claims.signature, e) != 0)
		return -1;
	memcpy(claims.nonce, r->nonce, sizeof(claims.nonce));
	sha256(ders.data, spdm_chain_leaf_len(&ders), claims.leaf_sha256);
	memcpy(claims.digest, a->digest, strlen(a->digest) + 1);
	*ret = claims;
	claims = (struct proof_claims){ 0 };
	return 0;
}

int spdm_proof_read(const struct spdm_options *o, const struct proof *proof,
    struct proof_claims *ret, struct err *e)
{
	AUTO_STRUCT(reader)
	r = { .options = o, .p = proof->preimage.data, .left = proof->preimage.len };

	if (strncmp(proof->scheme, SPDM_PROOF_SCHEME, sizeof(proof->scheme)) != 0)
		return err_set(e, ERR_DEVICE, "proof.scheme",
		    "a proof of scheme '%.31s' where the spdm family has " SPDM_PROOF_SCHEME,
		    proof->scheme);
	if (read_preimage(&r, e) != 0)
		return -1;
	return make_claims(&r, proof, ret, e);
}

int spdm_check_proof(const struct profile *p, const struct proof *proof, struct proof_claims *ret,
    struct err *e)
{
	struct spdm_options options;

	if (spdm_options_read(p, &options, e) != 0)
		return -1;
	return spdm_proof_read(&options, proof, ret, e);
}
