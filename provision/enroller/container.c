#include "container.h"

#include <ctype.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "warning.h"

OWNED(PKCS7, PKCS7_free)

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A window on the body: what is left after blanks at both ends. */
struct text {
	const uint8_t *data;
	size_t len;
};

static struct text trim(const struct buf *body, unsigned *warnings)
{
	struct text t = { body->data, body->len };

	while (t.len > 0 && (is_blank(t.data[t.len - 1]) || t.data[t.len - 1] == '\0')) {
		if (t.data[t.len - 1] == '\0')
			*warnings |= WARN_TRAILING_NUL;
		t.len--;
	}
	while (t.len > 0 && is_blank(t.data[0])) {
		t.data++;
		t.len--;
	}
	return t;
}

static bool begins_with(struct text t, const char *what)
{
	return t.len >= strlen(what) && strncasecmp((const char *)t.data, what, strlen(what)) == 0;
}

static void copy_line(struct text t, char ret[static FIRST_LINE])
{
	size_t len = 0;

	while (len < t.len && len < FIRST_LINE - 1 && t.data[len] != '\n' && t.data[len] != '\r' &&
	       t.data[len] != '<') {
		ret[len] = isprint(t.data[len]) ? (char)t.data[len] : '?';
		len++;
	}
	ret[len] = '\0';
}

void container_first_line(const struct buf *body, char ret[static FIRST_LINE])
{
	static const char title[] = "<title>";
	unsigned ignored = 0;
	struct text t = trim(body, &ignored);

	ret[0] = '\0';
	for (struct text at = t; at.len > 0; at.data++, at.len--) {
		if (!begins_with(at, title))
			continue;
		at.data += strlen(title);
		at.len -= strlen(title);
		copy_line(at, ret);
		return;
	}
	if (t.len > 0 && isprint(t.data[0]) && t.data[0] != '<')
		copy_line(t, ret);
}

static int refuse(const struct buf *body, const char *code, const char *what, struct err *e)
{
	char line[FIRST_LINE];

	container_first_line(body, line);
	ERR_clear_error();
	if (line[0] == '\0')
		return err_set(e, ERR_CA, code, "the CA's answer is %s", what);
	return err_set(e, ERR_CA, code, "the CA's answer is %s: \"%s\"", what, line);
}

/* Base64 with blanks anywhere (RFC 8951 3.1: senders wrap as they like), strict otherwise. */
static int decode_text(struct text t, const struct buf *body, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) dense = { 0 };
	uint8_t *room = buf_room(&dense, t.len, e);
	struct err why;

	if (room == NULL)
		return -1;
	for (size_t i = 0; i < t.len; i++)
		if (!is_blank(t.data[i]))
			room[dense.len++] = t.data[i];
	if (base64_decode((const char *)dense.data, dense.len, ret, ERR_CA, &why) != 0)
		return refuse(body, "est.base64", "not base64", e);
	return 0;
}

static int add_certificate(X509_STACK *list, X509 *cert, struct err *e)
{
	if (sk_X509_num(list) >= CONTAINER_CERTS_MAX)
		return err_set(e, ERR_CA, "est.too-many",
		    "the CA's answer holds more than %d certificates", CONTAINER_CERTS_MAX);
	if (X509_up_ref(cert) != 1)
		return err_nomem(e);
	if (sk_X509_push(list, cert) <= 0) {
		X509_free(cert);
		return err_nomem(e);
	}
	return 0;
}

static int add_pkcs7(X509_STACK *list, const PKCS7 *p7, const struct buf *body, struct err *e)
{
	const X509_STACK *certs;

	if (!PKCS7_type_is_signed(p7) || p7->d.sign == NULL)
		return refuse(body, "est.container", "a PKCS#7, but not of certificates", e);
	certs = p7->d.sign->cert;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (add_certificate(list, sk_X509_value(certs, i), e) != 0)
			return -1;
	return 0;
}

/* True unless the bytes are what OpenSSL writes for the same content: BER, then. */
static bool is_der(PKCS7 *p7, const struct buf *bytes)
{
	AUTO_STRUCT(buf) again = { 0 };
	struct err ignored; /* no memory: then it counts as DER, which only costs a warning */
	int len = i2d_PKCS7(p7, NULL);
	uint8_t *room = len > 0 ? buf_room(&again, (size_t)len, &ignored) : NULL;

	if (room == NULL || i2d_PKCS7(p7, &room) != len)
		return true;
	again.len = (size_t)len;
	return buf_equal(&again, bytes);
}

static int add_der(X509_STACK *list, const struct buf *der, const struct buf *body,
    unsigned *warnings, struct err *e)
{
	const uint8_t *p = der->data;
	AUTO(PKCS7) *p7 = d2i_PKCS7(NULL, &p, (long)der->len);
	AUTO(X509) *cert = NULL;

	if (p7 != NULL && p == der->data + der->len) {
		if (!is_der(p7, der))
			*warnings |= WARN_NOT_DER;
		return add_pkcs7(list, p7, body, e);
	}
	if (p7 != NULL)
		return refuse(body, "est.container", "a PKCS#7 with bytes behind its end", e);
	if (x509_parse(der->data, der->len, &cert, ERR_CA, e) != 0)
		return refuse(body, "est.container", "neither a PKCS#7 nor a certificate", e);
	*warnings |= WARN_BARE_CERTIFICATE;
	return add_certificate(list, cert, e);
}

/* One PEM block; 1 when there was none. */
static int add_pem_block(X509_STACK *list, BIO *in, const struct buf *body, unsigned *warnings,
    struct err *e)
{
	char *name = NULL, *header = NULL;
	uint8_t *data = NULL;
	long len = 0;
	AUTO_STRUCT(buf) der = { 0 };
	bool known, got = PEM_read_bio(in, &name, &header, &data, &len) == 1;
	int rc;

	if (!got) {
		bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

		ERR_clear_error();
		return end ? 1 : refuse(body, "est.container", "damaged PEM", e);
	}
	known = strcmp(name, PEM_STRING_PKCS7) == 0 || strcmp(name, PEM_STRING_CMS) == 0 ||
		strcmp(name, PEM_STRING_X509) == 0;
	rc = buf_add(&der, data, (size_t)len, e);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	if (rc != 0)
		return -1;
	if (!known)
		return refuse(body, "est.container", "PEM of something else than certificates", e);
	return add_der(list, &der, body, warnings, e);
}

static int add_pem(X509_STACK *list, struct text t, const struct buf *body, unsigned *warnings,
    struct err *e)
{
	AUTO(BIO) *in = BIO_new_mem_buf(t.data, (int)t.len);
	int rc;

	if (in == NULL)
		return err_nomem(e);
	*warnings |= WARN_PEM_ARMOUR;
	do
		rc = add_pem_block(list, in, body, warnings, e);
	while (rc == 0);
	return rc > 0 ? 0 : -1;
}

static int add_any(X509_STACK *list, const struct buf *body, unsigned *warnings, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	unsigned nul = 0;
	struct text t = trim(body, &nul);

	if (t.len == 0)
		return refuse(body, "est.empty", "empty", e);
	if (t.data[0] == 0x30) { /* a SEQUENCE; the base64 of one begins with 'M' */
		*warnings |= WARN_NOT_BASE64;
		return add_der(list, body, body, warnings, e);
	}
	*warnings |= nul;
	if (begins_with(t, "-----BEGIN "))
		return add_pem(list, t, body, warnings, e);
	if (t.data[0] == '<')
		return refuse(body, "est.html", "a web page", e);
	if (t.data[0] == '{' || t.data[0] == '[')
		return refuse(body, "est.json", "JSON", e);
	if (decode_text(t, body, &der, e) != 0)
		return -1;
	return add_der(list, &der, body, warnings, e);
}

/* The answer must fit into one line to the station. */
static int check_size(const X509_STACK *list, struct err *e)
{
	size_t total = 0;

	for (int i = 0; i < sk_X509_num(list); i++) {
		int len = i2d_X509(sk_X509_value(list, i), NULL);

		total += len > 0 ? (size_t)len : CONTAINER_DER_MAX;
		if (total > CONTAINER_DER_MAX)
			return err_set(e, ERR_CA, "est.too-many",
			    "the CA's answer holds more than %d bytes of certificates",
			    CONTAINER_DER_MAX);
	}
	return 0;
}

int container_certificates(const struct buf *body, X509_STACK **ret, unsigned *warnings,
    struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();
	unsigned found = 0;

	if (list == NULL)
		return err_nomem(e);
	if (body->len > INT32_MAX)
		return err_set(e, ERR_CA, "est.too-many", "the CA's answer has %zu bytes",
		    body->len);
	if (add_any(list, body, &found, e) != 0)
		return -1;
	if (sk_X509_num(list) == 0)
		return err_set(e, ERR_CA, "est.no-certificate",
		    "the CA's answer holds no certificate");
	if (check_size(list, e) != 0)
		return -1;
	*warnings |= found;
	*ret = steal(&list);
	return 0;
}

int container_attributes(const struct buf *body, size_t *ret_count, unsigned *warnings,
    struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	unsigned found = 0;
	struct text t = trim(body, &found);
	const uint8_t *p;
	ASN1_SEQUENCE_ANY *all;
	size_t count;

	if (decode_text(t, body, &der, e) != 0)
		return -1;
	p = der.data;
	all = der.len > 0 ? d2i_ASN1_SEQUENCE_ANY(NULL, &p, (long)der.len) : NULL;
	if (all == NULL)
		return refuse(body, "est.container", "not a list of attributes", e);
	count = (size_t)sk_ASN1_TYPE_num(all);
	sk_ASN1_TYPE_pop_free(all, ASN1_TYPE_free);
	if (p != der.data + der.len)
		return refuse(body, "est.container",
		    "a list of attributes with bytes behind its end", e);
	*warnings |= found;
	*ret_count = count;
	return 0;
}
