#include "csr.h"

#include <string.h>

#include <openssl/err.h>

enum { SECURITY_BITS_MIN = 112 };

/* First byte of any DER request. As base64 it would begin no SEQUENCE: the two can not be confused. */
enum { DER_SEQUENCE = 0x30 };

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where text is found in data, or len. */
static size_t find(const uint8_t *data, size_t len, const char *text)
{
	const uint8_t *at = memmem(data, len, text, strlen(text));

	return at != NULL ? (size_t)(at - data) : len;
}

/* Narrows *data and *len to what is between the armour lines, where there are any. */
static int strip_armour(const uint8_t **data, size_t *len, struct err *e)
{
	size_t begin = find(*data, *len, "-----BEGIN ");
	size_t end;

	if (begin == *len)
		return 0;
	begin += find(*data + begin, *len - begin, "\n");
	end = begin + find(*data + begin, *len - begin, "-----END ");
	if (end >= *len)
		return err_set(e, ERR_DEVICE, "csr.form", "the PEM armour has no END line");
	*data += begin;
	*len = end - begin;
	return 0;
}

static int decode_text(const uint8_t *data, size_t len, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) packed = { 0 };

	if (strip_armour(&data, &len, e) != 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (!is_blank(data[i]) && buf_add_u8(&packed, data[i], e) != 0)
			return -1;
	if (packed.len == 0)
		return err_set(e, ERR_DEVICE, "csr.form", "the request body is empty");
	buf_clear(ret);
	if (base64_decode((const char *)packed.data, packed.len, ret, ERR_DEVICE, e) != 0)
		return err_set(e, ERR_DEVICE, "csr.form",
		    "the request body is neither DER nor base64 with or without PEM armour");
	return 0;
}

int csr_decode(const uint8_t *body, size_t len, struct buf *ret, struct err *e)
{
	if (len > CSR_BODY_MAX)
		return err_set(e, ERR_DEVICE, "csr.form", "the request body has more than %d bytes",
		    CSR_BODY_MAX);
	if (len == 0)
		return err_set(e, ERR_DEVICE, "csr.form", "the request body is empty");
	if (body[0] == DER_SEQUENCE)
		return buf_set(ret, body, len, e);
	return decode_text(body, len, ret, e);
}

int csr_check(X509_REQ *request, struct err *e)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);
	int bits;

	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "csr.key",
		    "the request's public key is not usable");
	bits = EVP_PKEY_get_security_bits(key);
	if (bits < SECURITY_BITS_MIN)
		return err_set(e, ERR_DEVICE, "csr.key",
		    "the request's key has %d bits of security, %d are the least", bits,
		    SECURITY_BITS_MIN);
	if (X509_REQ_verify(request, key) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.pop",
		    "the request's signature does not verify under its own key");
	return 0;
}
