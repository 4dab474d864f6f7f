#include "object.h"

#include <stdio.h>

#include "piv.h"
#include "tlv.h"

enum { TAG_LIST = 0x5c, COMPRESSED = 0x01 };

static int add_name(uint32_t object, struct buf *ret, struct err *e)
{
	const uint8_t name[] = { (uint8_t)(object >> 16), (uint8_t)(object >> 8), (uint8_t)object };

	return tlv_add(ret, TAG_LIST, name, sizeof(name), e);
}

int piv_get(struct piv_card *c, uint32_t object, struct buf *ret, bool *ret_found, struct err *e)
{
	AUTO_STRUCT(buf) data = { 0 }, answer = { 0 };
	char what[40];
	struct tlv content;
	uint16_t status;

	(void)snprintf(what, sizeof(what), "reading object %06x", object);
	if (add_name(object, &data, e) != 0)
		return -1;

	const struct piv_command command = { PIV_INS_GET_DATA, 0x3f, 0xff, data.data, data.len,
		true };

	if (piv_command(c, &command, &answer, &status, e) != 0)
		return err_while(e, "%s", what);
	*ret_found = false;
	if (status == PIV_SW_NOT_FOUND)
		return 0;
	if (status != PIV_SW_OK)
		return piv_refused(e, what, status);
	if (!tlv_is(answer.data, answer.len, PIV_TAG_OBJECT, &content))
		return piv_nonsense(e, what);
	*ret_found = content.len > 0;
	return buf_set(ret, content.value, content.len, e);
}

int piv_put(struct piv_card *c, uint32_t object, const struct buf *content, struct err *e)
{
	AUTO_STRUCT(buf) data = { 0 }, answer = { 0 };
	char what[60];

	(void)snprintf(what, sizeof(what), "writing %zu bytes into object %06x", content->len,
	    object);
	if (add_name(object, &data, e) != 0 ||
	    tlv_add(&data, PIV_TAG_OBJECT, content->data, content->len, e) != 0)
		return -1;

	const struct piv_command command = { PIV_INS_PUT_DATA, 0x3f, 0xff, data.data, data.len,
		false };

	return piv_call(c, what, &command, &answer, e);
}

int piv_wrap(const struct buf *ders, struct buf *ret, struct err *e)
{
	const uint8_t plain = 0;

	if (tlv_add(ret, PIV_TAG_CERTIFICATE, ders->data, ders->len, e) != 0 ||
	    tlv_add(ret, PIV_TAG_CERTIFICATE_INFO, &plain, 1, e) != 0)
		return -1;
	return tlv_add(ret, PIV_TAG_CHECK, NULL, 0, e);
}

int piv_unwrap(const struct buf *content, struct buf *ret_ders, struct err *e)
{
	struct tlv certificate = { 0 }, part;
	size_t at = 0;

	while (at < content->len) {
		if (!tlv_next(content->data, content->len, &at, &part))
			return err_set(e, ERR_DEVICE, "piv.object",
			    "the certificate object on the card makes no sense");
		if (part.tag == PIV_TAG_CERTIFICATE && certificate.value == NULL)
			certificate = part;
		else if (part.tag == PIV_TAG_CERTIFICATE_INFO && part.len == 1 &&
			 (part.value[0] & COMPRESSED) != 0)
			return err_set(e, ERR_DEVICE, "piv.object",
			    "the certificate on the card is compressed");
		else if (part.tag != PIV_TAG_CERTIFICATE_INFO && part.tag != PIV_TAG_MSCUID &&
			 part.tag != PIV_TAG_CHECK)
			return err_set(e, ERR_DEVICE, "piv.object",
			    "the certificate object on the card holds the tag 0x%02x", part.tag);
	}
	if (certificate.len == 0)
		return err_set(e, ERR_DEVICE, "piv.object",
		    "the certificate object on the card holds no certificate");
	return buf_set(ret_ders, certificate.value, certificate.len, e);
}

int piv_get_certificates(struct piv_card *c, uint32_t object, struct buf *ret_ders, struct err *e)
{
	AUTO_STRUCT(buf) content = { 0 };
	bool found;

	if (piv_get(c, object, &content, &found, e) != 0)
		return -1;
	if (!found)
		return err_set(e, ERR_DEVICE, "piv.empty", "object %06x of the card is empty",
		    object);
	return piv_unwrap(&content, ret_ders, e);
}
