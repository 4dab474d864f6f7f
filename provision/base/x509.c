#include "x509.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

int x509_parse(const uint8_t *der, size_t len, X509 **ret, enum err_domain domain, struct err *e)
{
	const uint8_t *p = der;
	AUTO(X509) *cert = NULL;

	if (len > 0 && len <= INT32_MAX)
		cert = d2i_X509(NULL, &p, (long)len);
	if (cert == NULL)
		return err_openssl(e, domain, "x509", "%zu bytes are not a certificate", len);
	if ((size_t)(p - der) != len)
		return err_set(e, domain, "x509", "a certificate has %zu bytes behind its end",
		    len - (size_t)(p - der));
	*ret = steal(&cert);
	return 0;
}

int x509_parse_request(const uint8_t *der, size_t len, X509_REQ **ret, enum err_domain domain,
    struct err *e)
{
	const uint8_t *p = der;
	AUTO(X509_REQ) *request = NULL;

	if (len > 0 && len <= INT32_MAX)
		request = d2i_X509_REQ(NULL, &p, (long)len);
	if (request == NULL)
		return err_openssl(e, domain, "x509", "%zu bytes are not a PKCS#10 request", len);
	if ((size_t)(p - der) != len)
		return err_set(e, domain, "x509", "a PKCS#10 request has %zu bytes behind its end",
		    len - (size_t)(p - der));
	*ret = steal(&request);
	return 0;
}

enum { SEQUENCE = 0x30, INTEGER = 0x02, EXPLICIT_0 = 0xa0 }; /* identifiers, in one octet */

/* Within others' bytes. */
struct part {
	const uint8_t *at;
	size_t len;
};

/* The element that the bytes begin with, if it is that one and whole; else of no length. */
static struct part cut(const uint8_t *der, size_t len, uint8_t identifier, struct part *ret_content)
{
	const uint8_t *p = der;
	long content = 0;
	int tag, tag_class, form;

	if (len == 0 || len > LONG_MAX || der[0] != identifier)
		return (struct part){ 0 };
	form = ASN1_get_object(&p, &content, &tag, &tag_class, (long)len);
	ERR_clear_error();
	if (form != (identifier & V_ASN1_CONSTRUCTED)) /* else broken, or of indefinite length */
		return (struct part){ 0 };
	*ret_content = (struct part){ p, (size_t)content };
	return (struct part){ der, (size_t)(p - der) + (size_t)content };
}

size_t x509_cut(const uint8_t *der, size_t len)
{
	struct part ignored;

	return cut(der, len, SEQUENCE, &ignored).len;
}

/* What a signed object (RFC 5280 4.1, RFC 2986 4.2), which is all of the bytes, begins with inside. */
static bool cut_signed(const uint8_t *der, size_t len, const uint8_t identifiers[],
    struct part ret[], size_t count)
{
	struct part object, info, ignored;

	if (len == 0 || cut(der, len, SEQUENCE, &object).len != len ||
	    cut(object.at, object.len, SEQUENCE, &info).len == 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		ret[i] = cut(info.at, info.len, identifiers[i], &ignored);
		if (ret[i].len == 0)
			return false;
		info.at += ret[i].len;
		info.len -= ret[i].len;
	}
	return true;
}

size_t x509_cut_request_key(const uint8_t *der, size_t len, const uint8_t **ret)
{
	static const uint8_t before[] = { INTEGER, SEQUENCE, SEQUENCE };
	enum { VERSION, SUBJECT, KEY, COUNTED };
	struct part parts[COUNTED];

	if (!cut_signed(der, len, before, parts, COUNTED))
		return 0;
	*ret = parts[KEY].at;
	return parts[KEY].len;
}

bool x509_cut_is_self_issued(const uint8_t *der, size_t len)
{
	static const uint8_t before[] = { EXPLICIT_0, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE,
		SEQUENCE };
	enum { VERSION, SERIAL, ALGORITHM, ISSUER, VALIDITY, SUBJECT, COUNTED };
	struct part parts[COUNTED];

	/* version 1 says none */
	return (cut_signed(der, len, before, parts, COUNTED) ||
		   cut_signed(der, len, before + 1, parts + 1, COUNTED - 1)) &&
	       parts[ISSUER].len == parts[SUBJECT].len &&
	       memcmp(parts[ISSUER].at, parts[SUBJECT].at, parts[ISSUER].len) == 0;
}

static int push(X509_STACK *list, X509 **cert, struct err *e)
{
	if (sk_X509_push(list, *cert) <= 0)
		return err_nomem(e);
	*cert = NULL;
	return 0;
}

int x509_parse_list(const uint8_t *der, size_t len, X509_STACK **ret, enum err_domain domain,
    struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();
	const uint8_t *p = der;

	if (list == NULL)
		return err_nomem(e);
	do {
		size_t left = len - (size_t)(p - der);
		AUTO(X509) *cert = NULL;

		if (left > 0 && left <= INT32_MAX)
			cert = d2i_X509(NULL, &p, (long)left);
		if (cert == NULL)
			return err_openssl(e, domain, "x509",
			    "certificate %d of a list does not parse", sk_X509_num(list) + 1);
		if (push(list, &cert, e) != 0)
			return -1;
	} while ((size_t)(p - der) < len);
	*ret = steal(&list);
	return 0;
}

int x509_parse_pem(const char *name, const struct buf *pem, X509_STACK **ret,
    enum err_domain domain, struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();
	AUTO(BIO) *in = NULL;

	if (pem->len == 0 || pem->len > INT32_MAX)
		return err_set(e, domain, "x509", "%s: there is no PEM certificate in %zu bytes",
		    name, pem->len);
	in = BIO_new_mem_buf(pem->data, (int)pem->len);
	if (list == NULL || in == NULL)
		return err_nomem(e);
	for (;;) {
		AUTO(X509) *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);

		if (cert == NULL)
			break;
		if (push(list, &cert, e) != 0)
			return -1;
	}
	if (sk_X509_num(list) == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return err_openssl(e, domain, "x509", "%s: certificate %d does not parse as PEM",
		    name, sk_X509_num(list) + 1);
	ERR_clear_error();
	*ret = steal(&list);
	return 0;
}

int x509_add_der(const X509 *cert, struct buf *ret, struct err *e)
{
	int len = i2d_X509(cert, NULL);
	uint8_t *room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;

	if (room == NULL || i2d_X509(cert, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}

/* Appends what a memory BIO holds. */
static int add_bio(BIO *bio, struct buf *ret, struct err *e)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);

	return buf_add(ret, data, len > 0 ? (size_t)len : 0, e);
}

int x509_add_pem(const X509 *cert, struct buf *ret, struct err *e)
{
	AUTO(BIO) *out = BIO_new(BIO_s_mem());

	if (out == NULL || PEM_write_bio_X509(out, cert) != 1)
		return err_nomem(e);
	return add_bio(out, ret, e);
}

bool x509_is(const X509 *cert, const uint8_t *der, size_t len)
{
	uint8_t *own = NULL;
	int own_len = cert != NULL ? i2d_X509(cert, &own) : 0;
	bool is = own_len > 0 && (size_t)own_len == len && memcmp(own, der, len) == 0;

	OPENSSL_free(own);
	return is;
}

int x509_digest(const X509 *cert, uint8_t ret[static SHA256_LEN], struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	if (x509_add_der(cert, &der, e) != 0)
		return -1;
	sha256(der.data, der.len, ret);
	return 0;
}

int x509_add_spki(EVP_PKEY *key, struct buf *ret, struct err *e)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(key, &der); /* once: to ask for the length alone costs as much again */
	int rc;

	if (len <= 0)
		return err_openssl(e, ERR_CONFIG, "x509", "encoding a public key");
	rc = buf_add(ret, der, (size_t)len, e);
	OPENSSL_free(der);
	return rc;
}

int x509_spki_digest(EVP_PKEY *key, uint8_t ret[static SHA256_LEN], struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	if (x509_add_spki(key, &der, e) != 0)
		return -1;
	sha256(der.data, der.len, ret);
	return 0;
}

static int add_name(const X509_NAME *name, struct buf *ret, struct err *e)
{
	AUTO(BIO) *out = BIO_new(BIO_s_mem());

	if (out == NULL || X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) < 0)
		return err_nomem(e);
	if (add_bio(out, ret, e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

int x509_add_subject(const X509 *cert, struct buf *ret, struct err *e)
{
	return add_name(X509_get_subject_name(cert), ret, e);
}

int x509_add_issuer(const X509 *cert, struct buf *ret, struct err *e)
{
	return add_name(X509_get_issuer_name(cert), ret, e);
}

int x509_add_serial(const X509 *cert, struct buf *ret, struct err *e)
{
	const ASN1_INTEGER *number = X509_get0_serialNumber(cert);
	const uint8_t *data = ASN1_STRING_get0_data(number);
	size_t len = (size_t)ASN1_STRING_length(number);
	uint8_t *room = buf_room(ret, 2 * len + 1, e);

	if (room == NULL)
		return -1;
	hex_encode(data, len, (char *)room);
	ret->len += 2 * len;
	return 0;
}

bool x509_is_self_signed(X509 *cert)
{
	bool is = X509_self_signed(cert, 1) == 1;

	ERR_clear_error();
	return is;
}
