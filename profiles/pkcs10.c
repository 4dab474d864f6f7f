#include "pkcs10.h"

#include <string.h>

#include <openssl/asn1.h>

#include "x509.h"

/* DER of what never changes. */
static const uint8_t oid_extension_request[] = { 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
	0x01, 0x09, 0x0e };
static const uint8_t oid_subject_alt_name[] = { 0x06, 0x03, 0x55, 0x1d, 0x11 };
static const uint8_t version_1[] = { 0x02, 0x01, 0x00 };
static const uint8_t boolean_true[] = { 0x01, 0x01, 0xff };

/* AlgorithmIdentifier: RFC 5758 3.2 (no parameters), RFC 4055 5 (NULL), RFC 8410 3. */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
	0x03, 0x02 };
static const uint8_t ecdsa_sha384[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
	0x03, 0x03 };
static const uint8_t ecdsa_sha512[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
	0x03, 0x04 };
static const uint8_t rsa_sha256[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
	0x01, 0x01, 0x0b, 0x05, 0x00 };
static const uint8_t ed25519[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };

static const struct algorithm {
	const char *key;
	const char *digest;
	const uint8_t *identifier;
	size_t len;
} algorithms[] = {
	{ "EC:P-256", "SHA256", ecdsa_sha256, sizeof(ecdsa_sha256) },
	{ "EC:P-384", "SHA384", ecdsa_sha384, sizeof(ecdsa_sha384) },
	{ "EC:P-521", "SHA512", ecdsa_sha512, sizeof(ecdsa_sha512) },
	{ "RSA:2048", "SHA256", rsa_sha256, sizeof(rsa_sha256) },
	{ "RSA:3072", "SHA256", rsa_sha256, sizeof(rsa_sha256) },
	{ "RSA:4096", "SHA256", rsa_sha256, sizeof(rsa_sha256) },
	{ "ED25519", NULL, ed25519, sizeof(ed25519) },
};

static const struct algorithm *algorithm_of(const char *key)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (strcmp(algorithms[i].key, key) == 0)
			return &algorithms[i];
	return NULL;
}

const char *pkcs10_digest(const char *key_algorithm)
{
	const struct algorithm *a = algorithm_of(key_algorithm);

	return a != NULL ? a->digest : NULL;
}

/* Identifier and length of an element around len bytes, appended. */
static int add_header(struct buf *ret, int tag, int class, size_t len, struct err *e)
{
	int constructed =
	    tag == V_ASN1_SEQUENCE || tag == V_ASN1_SET || class == V_ASN1_CONTEXT_SPECIFIC;
	uint8_t header[16];
	uint8_t *end = header;

	if (len > INT32_MAX)
		return err_nomem(e);
	ASN1_put_object(&end, constructed, (int)len, tag, class);
	return buf_add(ret, header, (size_t)(end - header), e);
}

static int wrap(struct buf *inner, int tag, int class, struct err *e)
{
	AUTO_STRUCT(buf) outer = { 0 };

	if (add_header(&outer, tag, class, inner->len, e) != 0 ||
	    buf_add(&outer, inner->data, inner->len, e) != 0)
		return -1;
	buf_free(inner);
	*inner = buf_steal(&outer);
	return 0;
}

/* Extension (RFC 5280 4.1). */
static int add_san(const struct subject *s, struct buf *ret, struct err *e)
{
	if (buf_add(ret, oid_subject_alt_name, sizeof(oid_subject_alt_name), e) != 0 ||
	    (s->san_critical && buf_add(ret, boolean_true, sizeof(boolean_true), e) != 0) ||
	    add_header(ret, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL, s->san.len, e) != 0 ||
	    buf_add(ret, s->san.data, s->san.len, e) != 0)
		return -1;
	return wrap(ret, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, e);
}

/* attributes [0]: always there, empty without names. */
static int add_attributes(const struct subject *s, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) extensions = { 0 }, attributes = { 0 };

	if (s->san.len > 0) {
		if (add_san(s, &extensions, e) != 0 ||
		    wrap(&extensions, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, e) != 0 ||
		    wrap(&extensions, V_ASN1_SET, V_ASN1_UNIVERSAL, e) != 0 ||
		    buf_add(&attributes, oid_extension_request, sizeof(oid_extension_request), e) !=
			0 ||
		    buf_add(&attributes, extensions.data, extensions.len, e) != 0 ||
		    wrap(&attributes, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, e) != 0)
			return -1;
	}
	if (wrap(&attributes, 0, V_ASN1_CONTEXT_SPECIFIC, e) != 0)
		return -1;
	return buf_add(ret, attributes.data, attributes.len, e);
}

/* One SubjectPublicKeyInfo in the one encoding it has. */
static int check_key(const struct buf *spki, struct err *e)
{
	const uint8_t *p = spki->data;
	AUTO(EVP_PKEY) *key = NULL;
	uint8_t *again = NULL;
	int len;
	bool same;

	if (spki->len > 0 && spki->len <= INT32_MAX)
		key = d2i_PUBKEY(NULL, &p, (long)spki->len);
	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "csr.key", "%zu bytes are no public key",
		    spki->len);
	len = i2d_PUBKEY(key, &again);
	same = len > 0 && (size_t)len == spki->len && memcmp(again, spki->data, spki->len) == 0;
	OPENSSL_free(again);
	if (!same)
		return err_set(e, ERR_DEVICE, "csr.key", "the public key is not in DER");
	return 0;
}

int pkcs10_info(const struct subject *subject, const struct buf *spki, struct buf *ret,
    struct err *e)
{
	return check_key(spki, e) == 0 ? pkcs10_info_around(subject, spki, ret, e) : -1;
}

int pkcs10_info_around(const struct subject *subject, const struct buf *spki, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) info = { 0 };

	if (buf_add(&info, version_1, sizeof(version_1), e) != 0 ||
	    buf_add(&info, subject->name.data, subject->name.len, e) != 0 ||
	    buf_add(&info, spki->data, spki->len, e) != 0 ||
	    add_attributes(subject, &info, e) != 0 ||
	    wrap(&info, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, e) != 0)
		return -1;
	buf_free(ret);
	*ret = buf_steal(&info);
	return 0;
}

int pkcs10_assemble(const struct buf *info, const char *key_algorithm, const struct buf *signature,
    struct buf *ret_csr, struct err *e)
{
	const struct algorithm *a = algorithm_of(key_algorithm);
	AUTO_STRUCT(buf) csr = { 0 };

	if (a == NULL)
		return err_set(e, ERR_CONFIG, "csr.algorithm", "no request is signed with %s",
		    key_algorithm);
	if (buf_add(&csr, info->data, info->len, e) != 0 ||
	    buf_add(&csr, a->identifier, a->len, e) != 0 ||
	    add_header(&csr, V_ASN1_BIT_STRING, V_ASN1_UNIVERSAL, signature->len + 1, e) != 0 ||
	    buf_add_u8(&csr, 0, e) != 0 || /* unused bits */
	    buf_add(&csr, signature->data, signature->len, e) != 0 ||
	    wrap(&csr, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, e) != 0)
		return -1;
	buf_free(ret_csr);
	*ret_csr = buf_steal(&csr);
	return 0;
}
