#include "check_origin.h"

#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>

#include "piv.h"
#include "x509.h"

enum { CERTIFICATES_MAX = 8, SEQUENCE = 0x30 };

OWNED(ASN1_OBJECT, ASN1_OBJECT_free)
OWNED(ASN1_INTEGER, ASN1_INTEGER_free)

size_t piv_der_length(const uint8_t *der, size_t len)
{
	size_t header = 2, content, bytes;

	if (len < header || der[0] != SEQUENCE)
		return 0;
	content = der[1];
	if (der[1] >= 0x80) {
		bytes = der[1] & 0x7f;
		if (bytes == 0 || bytes > 3 || len < header + bytes)
			return 0;
		content = 0;
		for (size_t i = 0; i < bytes; i++)
			content = content << 8 | der[header + i];
		header += bytes;
	}
	return content <= len - header ? header + content : 0;
}

/* The certificates one by one: what OpenSSL would take for one may end elsewhere. */
static int parse(const struct buf *ders, X509_STACK **ret, struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();
	struct err why = { 0 };

	if (list == NULL)
		return err_nomem(e);
	for (size_t at = 0; at < ders->len;) {
		size_t len = piv_der_length(ders->data + at, ders->len - at);
		AUTO(X509) *cert = NULL;

		if (len == 0 || sk_X509_num(list) == CERTIFICATES_MAX)
			return err_set(e, ERR_DEVICE, "origin.der",
			    "the attestation is cut off, or not certificates alone");
		if (x509_parse(ders->data + at, len, &cert, ERR_DEVICE, &why) != 0)
			return err_set(e, ERR_DEVICE, "origin.der", "the attestation: %s",
			    why.message);
		if (sk_X509_push(list, cert) <= 0)
			return err_nomem(e);
		(void)steal(&cert); /* the list owns it */
		at += len;
	}
	if (sk_X509_num(list) == 0)
		return err_set(e, ERR_DEVICE, "origin.der", "the attestation is empty");
	*ret = steal(&list);
	return 0;
}

/* The extension's value, or NULL where there is none. Borrowed. */
static int find(X509 *cert, const char *oid, const ASN1_OCTET_STRING **ret, struct err *e)
{
	AUTO(ASN1_OBJECT) *type = OBJ_txt2obj(oid, 1);
	int at;

	*ret = NULL;
	if (type == NULL)
		return err_nomem(e);
	at = X509_get_ext_by_OBJ(cert, type, -1);
	if (at < 0)
		return 0;
	if (X509_get_ext_by_OBJ(cert, type, at) >= 0)
		return err_set(e, ERR_DEVICE, "origin.extension",
		    "the attestation has the extension %s twice", oid);
	*ret = X509_EXTENSION_get_data(X509_get_ext(cert, at));
	return 0;
}

static int malformed(struct err *e, const char *oid)
{
	return err_set(e, ERR_DEVICE, "origin.extension",
	    "the attestation's extension %s makes no sense", oid);
}

/* As identify.c writes what the card says itself. */
static int read_firmware(X509 *cert, char *ret, size_t size, struct err *e)
{
	const ASN1_OCTET_STRING *value;
	const uint8_t *version;

	if (find(cert, YUBICO_OID_FIRMWARE, &value, e) != 0)
		return -1;
	if (value == NULL)
		return 0;
	if (ASN1_STRING_length(value) != 3)
		return malformed(e, YUBICO_OID_FIRMWARE);
	version = ASN1_STRING_get0_data(value);
	(void)snprintf(ret, size, "%u.%u.%u", version[0], version[1], version[2]);
	return 0;
}

static int read_serial(X509 *cert, char *ret, size_t size, struct err *e)
{
	const ASN1_OCTET_STRING *value;
	AUTO(ASN1_INTEGER) *number = NULL;
	const uint8_t *p;
	uint64_t serial;
	int len;

	if (find(cert, YUBICO_OID_SERIAL, &value, e) != 0)
		return -1;
	if (value == NULL)
		return 0;
	p = ASN1_STRING_get0_data(value);
	len = ASN1_STRING_length(value);
	number = d2i_ASN1_INTEGER(NULL, &p, len);
	if (number == NULL || p != ASN1_STRING_get0_data(value) + len ||
	    ASN1_INTEGER_get_uint64(&serial, number) != 1)
		return malformed(e, YUBICO_OID_SERIAL);
	(void)snprintf(ret, size, "%llu", (unsigned long long)serial);
	return 0;
}

static int check_policy(const struct piv_options *o, X509 *cert, struct err *e)
{
	const ASN1_OCTET_STRING *value;
	const uint8_t *policy;

	if (find(cert, YUBICO_OID_POLICY, &value, e) != 0)
		return -1;
	if (value != NULL && ASN1_STRING_length(value) != 2)
		return malformed(e, YUBICO_OID_POLICY);
	if (o->pin_policy == 0 && o->touch_policy == 0)
		return 0;
	policy = value != NULL ? ASN1_STRING_get0_data(value) : NULL;
	if (policy == NULL || (o->pin_policy != 0 && policy[0] != o->pin_policy) ||
	    (o->touch_policy != 0 && policy[1] != o->touch_policy))
		return err_set(e, ERR_DEVICE, "origin.policy",
		    "the attested key has another PIN or touch policy than the profile's");
	return 0;
}

static int read_key(X509 *cert, struct buf *ret, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	struct err ignored = { 0 };

	if (key == NULL || x509_add_spki(key, ret, &ignored) != 0)
		return err_openssl(e, ERR_DEVICE, "origin.key", "the attested key can not be read");
	return 0;
}

int piv_origin_read(const struct piv_options *o, const struct buf *ders, struct origin_claims *ret,
    struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { .scheme = PIV_ORIGIN_SCHEME };
	AUTO(X509_STACK) *list = NULL;
	char serial[sizeof(claims.serial)] = "";
	X509 *cert;

	if (parse(ders, &list, e) != 0)
		return -1;
	cert = sk_X509_value(list, 0);
	if (read_firmware(cert, claims.firmware, sizeof(claims.firmware), e) != 0 ||
	    read_serial(cert, serial, sizeof(serial), e) != 0 || check_policy(o, cert, e) != 0 ||
	    read_key(cert, &claims.spki, e) != 0 ||
	    buf_set(&claims.chain, ders->data, ders->len, e) != 0)
		return -1;
	/* A unit that goes by its GUID has another number. */
	if (o->identity == PIV_BY_SERIAL)
		memcpy(claims.serial, serial, sizeof(serial));
	*ret = claims;
	claims = (struct origin_claims){ 0 };
	return 0;
}
