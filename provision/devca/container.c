#include "container.h"

#include <openssl/pkcs7.h>

OWNED(PKCS7, PKCS7_free)

int container_pkcs7(const X509_STACK *certs, struct buf *ret, struct err *e)
{
	AUTO(PKCS7) *p7 = PKCS7_new();
	uint8_t *room = NULL;
	int len = -1;

	if (p7 == NULL || PKCS7_set_type(p7, NID_pkcs7_signed) != 1)
		return err_openssl(e, ERR_CONFIG, "devca", "starting a PKCS#7");
	/* Degenerate form: the content type is named, the content is absent. */
	p7->d.sign->contents->type = OBJ_nid2obj(NID_pkcs7_data);
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (PKCS7_add_certificate(p7, sk_X509_value(certs, i)) != 1)
			return err_openssl(e, ERR_CONFIG, "devca",
			    "adding a certificate to a PKCS#7");
	len = i2d_PKCS7(p7, NULL);
	if (len > 0)
		room = buf_room(ret, (size_t)len, e);
	if (room == NULL || i2d_PKCS7(p7, &room) != len)
		return err_openssl(e, ERR_CONFIG, "devca", "encoding a PKCS#7");
	ret->len += (size_t)len;
	return 0;
}

int container_base64(const struct buf *der, size_t width, const char *end, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (base64_encode(der->data, der->len, &text, e) != 0)
		return -1;
	if (width == 0)
		return buf_add(ret, text.data, text.len, e);
	for (size_t at = 0; at < text.len; at += width) {
		size_t n = text.len - at < width ? text.len - at : width;

		if (buf_add(ret, text.data + at, n, e) != 0 || buf_add_str(ret, end, e) != 0)
			return -1;
	}
	return 0;
}
