#include "hsm_csr.h"

#include <ctype.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "oids.h"
#include "x509.h"

enum { VALUE_MAX = 256 };

OWNED(X509_EXTENSION, X509_EXTENSION_free)
typedef STACK_OF(X509_EXTENSION) EXTENSIONS;

static inline void extensions_free(EXTENSIONS *list)
{
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}
OWNED(EXTENSIONS, extensions_free)

static int bad_subject(struct err *e, const char *text, const char *why)
{
	return err_set(e, ERR_CONFIG, "hsm.subject",
	    "subject \"%s\": %s; write it as /CN=station 7/O=Example", text, why);
}

/* One character of a value, which may be escaped; 0 at the value's end. Moves *p behind it. */
static int next_char(const char **p, char separator)
{
	char pair[3] = { 0 };
	uint8_t byte;

	if (**p == '\0' || **p == separator)
		return 0;
	if (**p != '\\' || (*p)[1] == '\0')
		return (unsigned char)*(*p)++;
	(*p)++;
	if (isxdigit((unsigned char)(*p)[0]) && isxdigit((unsigned char)(*p)[1])) {
		memcpy(pair, *p, 2);
		*p += 2;
		return hex_decode(pair, &byte, 1) ? byte : 0;
	}
	return (unsigned char)*(*p)++;
}

/* One "type=value"; *p is left at the separator or the end. at: position in the name, -1 appends. */
static int add_rdn(X509_NAME *name, const char *text, const char **p, char separator, int at,
    struct err *e)
{
	size_t type_len = strcspn(*p, "=+,/\\");
	char type[64], value[VALUE_MAX + 1];
	size_t len = 0;
	int c;

	if (type_len == 0 || type_len >= sizeof(type) || (*p)[type_len] != '=')
		return bad_subject(e, text, "a part is not type=value");
	memcpy(type, *p, type_len);
	type[type_len] = '\0';
	*p += type_len + 1;
	while ((c = next_char(p, separator)) != 0) {
		if (len == VALUE_MAX)
			return bad_subject(e, text, "a value is too long");
		value[len++] = (char)c;
	}
	if (len == 0)
		return bad_subject(e, text, "a value is empty");
	if (X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value,
		(int)len, at, 0) != 1) {
		ERR_clear_error();
		return bad_subject(e, text, "OpenSSL does not know a type or refuses its value");
	}
	return 0;
}

static int set_subject(X509_REQ *request, const char *text, struct err *e)
{
	AUTO(X509_NAME) *name = X509_NAME_new();
	const char separator = text[0] == '/' ? '/' : ',';
	const char *p = text;

	if (name == NULL)
		return err_nomem(e);
	if (*p == '/')
		p++;
	for (;;) {
		if (add_rdn(name, text, &p, separator, separator == '/' ? -1 : 0, e) != 0)
			return -1;
		if (*p == '\0')
			break;
		p++;
		while (separator == ',' && *p == ' ')
			p++;
	}
	if (X509_REQ_set_subject_name(request, name) != 1)
		return err_nomem(e);
	return 0;
}

static int add_extension(EXTENSIONS *list, int nid, const char *value, struct err *e)
{
	AUTO(X509_EXTENSION) *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (extension == NULL || sk_X509_EXTENSION_push(list, extension) <= 0)
		return err_nomem(e);
	(void)steal(&extension); /* the list owns it */
	return 0;
}

static int ask_for(X509_REQ *request, enum hsm_purpose purpose, struct err *e)
{
	static const char *const usages[] = {
		[HSM_PURPOSE_PLAIN] = NULL,
		[HSM_PURPOSE_RA] = "clientAuth," OID_CMC_RA,
		[HSM_PURPOSE_ATTESTATION] = OID_KILN_EKU_ATTESTATION,
	};
	AUTO(EXTENSIONS) *list = sk_X509_EXTENSION_new_null();

	if (usages[purpose] == NULL)
		return 0;
	if (list == NULL)
		return err_nomem(e);
	if (add_extension(list, NID_key_usage, "critical,digitalSignature", e) != 0 ||
	    add_extension(list, NID_ext_key_usage, usages[purpose], e) != 0)
		return -1;
	if (X509_REQ_add_extensions(request, list) != 1)
		return err_nomem(e);
	return 0;
}

int hsm_csr(EVP_PKEY *key, const char *subject, enum hsm_purpose purpose, struct buf *ret,
    struct err *e)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	uint8_t *room;
	int len;

	if (request == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1)
		return err_nomem(e);
	if (set_subject(request, subject, e) != 0 || ask_for(request, purpose, e) != 0)
		return -1;
	if (X509_REQ_set_pubkey(request, key) != 1 ||
	    X509_REQ_sign(request, key, EVP_get_digestbyname(hsm_key_digest(key))) <= 0)
		return hsm_openssl_error(e, "signing the request");
	len = i2d_X509_REQ(request, NULL);
	room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;
	if (room == NULL || i2d_X509_REQ(request, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}
