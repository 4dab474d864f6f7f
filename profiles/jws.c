#include "jws.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>

#include "json.h"

enum { JWS_MAX = 64 * 1024, COORDINATE_MAX = 48 };

OWNED(ECDSA_SIG, ECDSA_SIG_free)
OWNED(EVP_MD_CTX, EVP_MD_CTX_free)
OWNED(BIGNUM, BN_free)

/* RFC 7518 3.1. */
static const struct algorithm {
	const char *name;
	const char *type; /* OpenSSL's */
	int min_bits, max_bits;
	const char *digest;
	size_t coordinate; /* bytes of r and of s; 0 for RSA, whose octets go as they are */
} algorithms[] = {
	{ "ES256", "EC", 256, 256, "SHA256", 32 },
	{ "ES384", "EC", 384, 384, "SHA384", 48 },
	{ "RS256", "RSA", 2048, 16384, "SHA256", 0 },
};

static const struct algorithm *algorithm_of(const EVP_PKEY *key)
{
	int bits = EVP_PKEY_get_bits(key);

	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (EVP_PKEY_is_a(key, algorithms[i].type) && bits >= algorithms[i].min_bits &&
		    bits <= algorithms[i].max_bits)
			return &algorithms[i];
	return NULL;
}

const char *jws_digest(const EVP_PKEY *key)
{
	const struct algorithm *a = algorithm_of(key);

	return a != NULL ? a->digest : NULL;
}

/* base64url without padding (RFC 7515 2). */
static int add_base64url(const uint8_t *data, size_t len, struct buf *ret, struct err *e)
{
	size_t start = ret->len;

	if (base64_encode(data, len, ret, e) != 0)
		return -1;
	while (ret->len > start && ret->data[ret->len - 1] == '=')
		ret->len--;
	for (size_t i = start; i < ret->len; i++) {
		if (ret->data[i] == '+')
			ret->data[i] = '-';
		else if (ret->data[i] == '/')
			ret->data[i] = '_';
	}
	return 0;
}

static int read_base64url(const char *text, size_t len, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) standard = { 0 };

	if (len % 4 == 1 || memchr(text, '+', len) != NULL || memchr(text, '/', len) != NULL)
		return err_set(e, ERR_RECORDS, "jws.form",
		    "a JWS has a part that is not base64url");
	if (buf_add(&standard, text, len, e) != 0)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (standard.data[i] == '-')
			standard.data[i] = '+';
		else if (standard.data[i] == '_')
			standard.data[i] = '/';
	}
	while (standard.len % 4 != 0)
		if (buf_add_u8(&standard, '=', e) != 0)
			return -1;
	if (base64_decode((const char *)standard.data, standard.len, ret, ERR_RECORDS, e) != 0)
		return err_set(e, ERR_RECORDS, "jws.form",
		    "a JWS has a part that is not base64url");
	return 0;
}

static int make_header(const struct algorithm *a, const X509 *signer, struct buf *ret,
    struct err *e)
{
	AUTO(json_t) *header = json_object();
	AUTO_STRUCT(buf) thumbprint = { 0 };
	uint8_t digest[SHA256_LEN];

	if (header == NULL)
		return err_nomem(e);
	if (x509_digest(signer, digest, e) != 0 ||
	    add_base64url(digest, sizeof(digest), &thumbprint, e) != 0 ||
	    buf_str(&thumbprint, e) == NULL || json_set_str(header, "alg", a->name, e) != 0 ||
	    json_set_str(header, "typ", "kiln-statement+jws", e) != 0 ||
	    json_set_str(header, "x5t#S256", (const char *)thumbprint.data, e) != 0)
		return -1;
	return json_canonical(header, ret, e);
}

int jws_begin(EVP_PKEY *key, const X509 *signer, const struct buf *payload, struct buf *ret,
    struct err *e)
{
	const struct algorithm *a = algorithm_of(key);
	AUTO_STRUCT(buf) header = { 0 };

	if (a == NULL)
		return err_set(e, ERR_CONFIG, "jws.key",
		    "a key that is not P-256, P-384 or RSA can not sign a statement");
	if (make_header(a, signer, &header, e) != 0 ||
	    add_base64url(header.data, header.len, ret, e) != 0 || buf_add_u8(ret, '.', e) != 0)
		return -1;
	return add_base64url(payload->data, payload->len, ret, e);
}

/* DER to r || s of fixed width (RFC 7518 3.4). */
static int fix_width(const struct algorithm *a, const struct buf *der, uint8_t *ret, struct err *e)
{
	const uint8_t *p = der->data;
	AUTO(ECDSA_SIG) *signature = d2i_ECDSA_SIG(NULL, &p, (long)der->len);
	const BIGNUM *r, *s;

	if (signature == NULL)
		return err_openssl(e, ERR_HSM, "jws.signature",
		    "an ECDSA signature does not parse");
	ECDSA_SIG_get0(signature, &r, &s);
	if (BN_bn2binpad(r, ret, (int)a->coordinate) < 0 ||
	    BN_bn2binpad(s, ret + a->coordinate, (int)a->coordinate) < 0)
		return err_set(e, ERR_HSM, "jws.signature",
		    "an ECDSA signature is longer than its key");
	return 0;
}

int jws_end(EVP_PKEY *key, const struct buf *signature, struct buf *ret, struct err *e)
{
	const struct algorithm *a = algorithm_of(key);
	uint8_t fixed[2 * COORDINATE_MAX];

	if (a == NULL || signature->len == 0 || signature->len > JWS_MAX)
		return err_set(e, ERR_HSM, "jws.signature", "a signature does not fit its key");
	if (buf_add_u8(ret, '.', e) != 0)
		return -1;
	if (a->coordinate == 0)
		return add_base64url(signature->data, signature->len, ret, e);
	if (fix_width(a, signature, fixed, e) != 0)
		return -1;
	return add_base64url(fixed, 2 * a->coordinate, ret, e);
}

/* r || s to DER; RSA as it is. */
static int to_openssl(const struct algorithm *a, const struct buf *raw, struct buf *ret,
    struct err *e)
{
	AUTO(ECDSA_SIG) *signature = ECDSA_SIG_new();
	AUTO(BIGNUM) *r = NULL;
	AUTO(BIGNUM) *s = NULL;
	uint8_t *room;
	int len;

	if (a->coordinate == 0)
		return buf_add(ret, raw->data, raw->len, e);
	if (raw->len != 2 * a->coordinate)
		return err_set(e, ERR_RECORDS, "jws.signature",
		    "a JWS signature has %zu bytes, %zu are right", raw->len, 2 * a->coordinate);
	r = BN_bin2bn(raw->data, (int)a->coordinate, NULL);
	s = BN_bin2bn(raw->data + a->coordinate, (int)a->coordinate, NULL);
	if (signature == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(signature, r, s) != 1)
		return err_nomem(e);
	(void)steal(&r); /* signature owns both */
	(void)steal(&s);
	len = i2d_ECDSA_SIG(signature, NULL);
	room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;
	if (room == NULL || i2d_ECDSA_SIG(signature, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}

/* The three parts between the dots, as spans of the text. */
struct parts {
	const char *text[3];
	size_t len[3];
};

static int split(const char *jws, struct parts *ret, struct err *e)
{
	const char *p = jws;

	if (strlen(jws) > JWS_MAX)
		return err_set(e, ERR_RECORDS, "jws.form", "a JWS is longer than %d bytes",
		    JWS_MAX);
	for (int i = 0; i < 3; i++) {
		ret->text[i] = p;
		ret->len[i] = strcspn(p, ".");
		p += ret->len[i];
		if (ret->len[i] == 0 || *p != (i < 2 ? '.' : '\0'))
			return err_set(e, ERR_RECORDS, "jws.form", "a JWS has not three parts");
		p++;
	}
	return 0;
}

static int check_signature(const struct parts *p, const struct algorithm *a, EVP_PKEY *key,
    struct err *e)
{
	AUTO(EVP_MD_CTX) *context = EVP_MD_CTX_new();
	AUTO_STRUCT(buf) raw = { 0 };
	AUTO_STRUCT(buf) signature = { 0 };

	if (context == NULL)
		return err_nomem(e);
	if (read_base64url(p->text[2], p->len[2], &raw, e) != 0 ||
	    to_openssl(a, &raw, &signature, e) != 0)
		return -1;
	if (EVP_DigestVerifyInit_ex(context, NULL, a->digest, NULL, NULL, key, NULL) != 1 ||
	    EVP_DigestVerify(context, signature.data, signature.len, (const uint8_t *)p->text[0],
		p->len[0] + 1 + p->len[1]) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_RECORDS, "jws.signature",
		    "the signature of a JWS does not verify");
	}
	return 0;
}

int jws_verify(const char *jws, X509 *signer, const struct buf *payload, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(signer);
	const struct algorithm *a = key != NULL ? algorithm_of(key) : NULL;
	AUTO_STRUCT(buf) expected = { 0 };
	AUTO_STRUCT(buf) header = { 0 };
	AUTO_STRUCT(buf) content = { 0 };
	struct parts p;

	if (a == NULL)
		return err_set(e, ERR_RECORDS, "jws.header",
		    "the signer's key is not P-256, P-384 or RSA");
	if (split(jws, &p, e) != 0 || make_header(a, signer, &expected, e) != 0 ||
	    read_base64url(p.text[0], p.len[0], &header, e) != 0 ||
	    read_base64url(p.text[1], p.len[1], &content, e) != 0)
		return -1;
	if (!buf_equal(&header, &expected))
		return err_set(e, ERR_RECORDS, "jws.header",
		    "the header of a JWS does not name this signer and its algorithm");
	if (!buf_equal(&content, payload))
		return err_set(e, ERR_RECORDS, "jws.payload",
		    "a JWS holds another statement than the CMS");
	return check_signature(&p, a, key, e);
}
