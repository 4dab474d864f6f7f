#include "key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "check_origin.h"
#include "object.h"
#include "piv.h"
#include "tlv.h"
#include "x509.h"

enum {
	TAG_GENERATE = 0xac,
	TAG_ALGORITHM = 0x80,
	TAG_PIN_POLICY = 0xaa,
	TAG_TOUCH_POLICY = 0xab,
	EXPONENT_MAX = 8,
	DIGEST_MAX = 48,
	RSA_MAX = 512,
};

OWNED(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
OWNED(OSSL_PARAM, OSSL_PARAM_free)
OWNED(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
OWNED(BIGNUM, BN_free)

static int no_key(const struct piv_algorithm *a, struct err *e)
{
	return err_openssl(e, ERR_DEVICE, "piv.key", "what the card sends is no %s key", a->name);
}

static int encode(EVP_PKEY *key, struct buf *ret, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	int rc = len > 0 ? buf_set(ret, der, (size_t)len, e) : err_nomem(e);

	OPENSSL_free(der);
	return rc;
}

static int from_params(const struct piv_algorithm *a, OSSL_PARAM_BLD *builder, struct buf *ret,
    struct err *e)
{
	AUTO(OSSL_PARAM) *params = OSSL_PARAM_BLD_to_param(builder);
	AUTO(EVP_PKEY_CTX)
	*ctx = EVP_PKEY_CTX_new_from_name(NULL, a->group != NULL ? "EC" : "RSA", NULL);
	AUTO(EVP_PKEY) *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		return err_nomem(e);
	if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return no_key(a, e);
	return encode(key, ret, e);
}

/* An uncompressed point (SEC 1, 2.3.3); OpenSSL checks that it is on the curve. */
static int ec_key(const struct piv_algorithm *a, const uint8_t *data, size_t len, struct buf *ret,
    struct err *e)
{
	AUTO(OSSL_PARAM_BLD) *builder = OSSL_PARAM_BLD_new();
	struct tlv point;

	if (builder == NULL)
		return err_nomem(e);
	if (!tlv_is(data, len, PIV_TAG_POINT, &point) || point.len != 1 + 2 * a->bits / 8 ||
	    point.value[0] != 4)
		return no_key(a, e);
	if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, a->group, 0) !=
		1 ||
	    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.value,
		point.len) != 1)
		return err_nomem(e);
	return from_params(a, builder, ret, e);
}

static int rsa_key(const struct piv_algorithm *a, const uint8_t *data, size_t len, struct buf *ret,
    struct err *e)
{
	AUTO(OSSL_PARAM_BLD) *builder = OSSL_PARAM_BLD_new();
	AUTO(BIGNUM) *n = NULL;
	AUTO(BIGNUM) *exponent = NULL;
	struct tlv modulus, public;
	size_t at = 0;

	if (!tlv_next(data, len, &at, &modulus) || modulus.tag != PIV_TAG_MODULUS ||
	    modulus.len > RSA_MAX + 1 || !tlv_next(data, len, &at, &public) ||
	    public.tag != PIV_TAG_EXPONENT || public.len > EXPONENT_MAX || at != len)
		return no_key(a, e);
	n = BN_bin2bn(modulus.value, (int)modulus.len, NULL);
	exponent = BN_bin2bn(public.value, (int)public.len, NULL);
	if (builder == NULL || n == NULL || exponent == NULL)
		return err_nomem(e);
	if ((size_t)BN_num_bits(n) != a->bits || !BN_is_odd(n) || !BN_is_odd(exponent))
		return no_key(a, e);
	if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1)
		return err_nomem(e);
	return from_params(a, builder, ret, e);
}

int piv_public_key(const struct piv_algorithm *a, const uint8_t *data, size_t len,
    struct buf *ret_spki, struct err *e)
{
	return a->group != NULL ? ec_key(a, data, len, ret_spki, e)
				: rsa_key(a, data, len, ret_spki, e);
}

static int generate_data(const struct piv_options *o, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) inner = { 0 };

	if (tlv_add(&inner, TAG_ALGORITHM, &o->algorithm->id, 1, e) != 0 ||
	    (o->pin_policy != 0 && tlv_add(&inner, TAG_PIN_POLICY, &o->pin_policy, 1, e) != 0) ||
	    (o->touch_policy != 0 &&
		tlv_add(&inner, TAG_TOUCH_POLICY, &o->touch_policy, 1, e) != 0))
		return -1;
	return tlv_add(ret, TAG_GENERATE, inner.data, inner.len, e);
}

int piv_generate(struct piv_card *c, const struct piv_options *o, struct buf *ret_spki,
    struct err *e)
{
	static const char what[] = "making a key";
	AUTO_STRUCT(buf) data = { 0 }, answer = { 0 };
	struct tlv key;

	if (generate_data(o, &data, e) != 0)
		return -1;

	const struct piv_command command = { PIV_INS_GENERATE, 0, o->slot, data.data, data.len,
		true };

	if (piv_call(c, what, &command, &answer, e) != 0)
		return -1;
	if (!tlv_is(answer.data, answer.len, PIV_TAG_PUBLIC_KEY, &key))
		return piv_nonsense(e, what);
	return piv_public_key(o->algorithm, key.value, key.len, ret_spki, e);
}

static int metadata(struct piv_card *c, const struct piv_options *o, struct buf *ret,
    uint16_t *ret_status, struct err *e)
{
	const struct piv_command command = { .ins = YUBICO_INS_METADATA,
		.p2 = o->slot,
		.asks = true };

	if (piv_command(c, &command, ret, ret_status, e) != 0)
		return err_while(e, "asking for the slot's metadata");
	return 0;
}

/* A card that attests nothing has nothing to say. */
static int attest(struct piv_card *c, const struct piv_options *o, struct buf *ret,
    uint16_t *ret_status, struct err *e)
{
	const struct piv_command command = { .ins = YUBICO_INS_ATTEST,
		.p1 = o->slot,
		.asks = true };

	if (piv_command(c, &command, ret, ret_status, e) != 0)
		return err_while(e, "asking for the slot's attestation");
	return 0;
}

int piv_key_present(struct piv_card *c, const struct piv_options *o, bool *ret, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };
	uint16_t status;

	if (metadata(c, o, &answer, &status, e) != 0)
		return -1;
	*ret = status == PIV_SW_OK;
	if (status == PIV_SW_OK || status == PIV_SW_NO_REFERENCE || status == PIV_SW_NOT_FOUND)
		return 0;
	if (attest(c, o, &answer, &status, e) != 0)
		return -1;
	*ret = status == PIV_SW_OK;
	if (status == PIV_SW_OK)
		return 0;
	return piv_get(c, o->object, &answer, ret, e);
}

/* *ret_found is false where the card has no such thing to ask. */
static int read_metadata(struct piv_card *c, const struct piv_options *o, struct buf *ret_spki,
    bool *ret_found, struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };
	struct tlv algorithm, key;
	uint16_t status;

	if (metadata(c, o, &answer, &status, e) != 0)
		return -1;
	if (status != PIV_SW_OK || !tlv_find(answer.data, answer.len, YUBICO_TAG_PUBLIC_KEY, &key))
		return 0;
	*ret_found = true;
	if (!tlv_find(answer.data, answer.len, YUBICO_TAG_ALGORITHM, &algorithm) ||
	    algorithm.len != 1 || algorithm.value[0] != o->algorithm->id)
		return err_set(e, ERR_DEVICE, "piv.key",
		    "slot %02x holds a key of another algorithm than %s", o->slot,
		    o->algorithm->name);
	return piv_public_key(o->algorithm, key.value, key.len, ret_spki, e);
}

static int key_of_certificate(const struct buf *ders, struct buf *ret_spki, bool *ret_found,
    struct err *e)
{
	AUTO(X509) *cert = NULL;
	const uint8_t *p = ders->data;
	EVP_PKEY *key;

	if (ders->len == 0)
		return 0;
	cert = d2i_X509(NULL, &p, (long)ders->len);
	key = cert != NULL ? X509_get0_pubkey(cert) : NULL;
	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "piv.public-key",
		    "the certificate on the card does not parse");
	*ret_found = true;
	return encode(key, ret_spki, e);
}

int piv_read_key(struct piv_card *c, const struct piv_options *o, struct buf *ret_spki,
    struct err *e)
{
	AUTO_STRUCT(buf) answer = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };
	uint16_t status;
	bool found = false;

	if (read_metadata(c, o, ret_spki, &found, e) != 0)
		return -1;
	if (found)
		return 0;
	if (attest(c, o, &answer, &status, e) != 0)
		return -1;
	if (status == PIV_SW_OK && piv_der_length(answer.data, answer.len) == answer.len)
		return key_of_certificate(&answer, ret_spki, &found, e);
	if (piv_get(c, o->object, &answer, &found, e) != 0)
		return -1;
	if (found) {
		if (piv_unwrap(&answer, &ders, e) != 0)
			return -1;
		return key_of_certificate(&ders, ret_spki, &found, e);
	}
	return err_set(e, ERR_DEVICE, "piv.public-key",
	    "slot %02x has a key whose public half the card does not tell; make a new one (key "
	    "existing: replace)",
	    o->slot);
}

/* EMSA-PKCS1-v1_5 (RFC 8017 9.2): the card computes with what it gets. */
static void pad(const struct piv_algorithm *a, const uint8_t *digest, uint8_t *ret)
{
	static const uint8_t sha256_info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
		0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	size_t len = a->bits / 8;
	size_t info = len - sizeof(sha256_info) - a->digest_len;

	memset(ret, 0xff, len);
	ret[0] = 0;
	ret[1] = 1;
	ret[info - 1] = 0;
	memcpy(ret + info, sha256_info, sizeof(sha256_info));
	memcpy(ret + info + sizeof(sha256_info), digest, a->digest_len);
}

/* What the card is to sign, in a dynamic authentication template. */
static int sign_data(const struct piv_algorithm *a, const struct buf *message, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) inner = { 0 };
	uint8_t digest[DIGEST_MAX], padded[RSA_MAX];
	const uint8_t *data = digest;
	size_t len = a->digest_len;

	/* It can not fail short of a broken libcrypto. */
	if (EVP_Q_digest(NULL, a->digest, NULL, message->data, message->len, digest, NULL) != 1)
		abort();
	if (a->group == NULL) {
		pad(a, digest, padded);
		data = padded;
		len = a->bits / 8;
	}
	if (tlv_add(&inner, PIV_TAG_RESPONSE, NULL, 0, e) != 0 ||
	    tlv_add(&inner, PIV_TAG_CHALLENGE, data, len, e) != 0)
		return -1;
	return tlv_add(ret, PIV_TAG_DYNAMIC, inner.data, inner.len, e);
}

int piv_sign(struct piv_card *c, const struct piv_options *o, const struct buf *message,
    struct buf *ret_signature, struct err *e)
{
	static const char what[] = "signing";
	const struct piv_algorithm *a = o->algorithm;
	AUTO_STRUCT(buf) data = { 0 }, answer = { 0 };
	struct tlv dynamic, signature;

	if (sign_data(a, message, &data, e) != 0)
		return -1;

	const struct piv_command command = { PIV_INS_AUTHENTICATE, a->id, o->slot, data.data,
		data.len, true };

	if (piv_call(c, what, &command, &answer, e) != 0)
		return -1;
	if (!tlv_is(answer.data, answer.len, PIV_TAG_DYNAMIC, &dynamic) ||
	    !tlv_is(dynamic.value, dynamic.len, PIV_TAG_RESPONSE, &signature) ||
	    signature.len == 0 || (a->group == NULL && signature.len != a->bits / 8))
		return piv_nonsense(e, what);
	return buf_set(ret_signature, signature.value, signature.len, e);
}

static int add_attestation_certificate(struct piv_card *c, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) content = { 0 }, ders = { 0 };
	bool found;

	if (piv_get(c, YUBICO_OBJECT_ATTESTATION, &content, &found, e) != 0)
		return -1;
	if (!found)
		return 0;
	if (piv_unwrap(&content, &ders, e) != 0)
		return err_while(e, "the attestation's own certificate");
	return buf_add(ret, ders.data, ders.len, e);
}

int piv_attest(struct piv_card *c, const struct piv_options *o, struct buf *ret_ders, struct err *e)
{
	AUTO_STRUCT(buf) ders = { 0 };
	uint16_t status;

	if (attest(c, o, &ders, &status, e) != 0)
		return -1;
	if (status == PIV_SW_NO_INSTRUCTION || status == PIV_SW_NO_FUNCTION) {
		buf_clear(ret_ders);
		return 0;
	}
	if (status != PIV_SW_OK)
		return piv_refused(e, "attesting the key", status);
	if (piv_der_length(ders.data, ders.len) != ders.len)
		return err_set(e, ERR_DEVICE, "origin.der",
		    "the card's attestation has %zu bytes and announces another length", ders.len);
	if (add_attestation_certificate(c, &ders, e) != 0)
		return -1;
	buf_free(ret_ders);
	*ret_ders = buf_steal(&ders);
	return 0;
}
