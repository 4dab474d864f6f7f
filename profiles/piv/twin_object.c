#include "twin_object.h"

#include <string.h>

#include "twin_tlv.h"

enum {
	TAG_LIST = 0x5c,
	TAG_DATA = 0x53,
	TAG_CERTIFICATE = 0x70,
	TAG_CERTINFO = 0x71,
	TAG_LRC = 0xfe
};

/* 7E: the AID, and that the PIV PIN alone is used. */
static const uint8_t discovery[] = { 0x7e, 0x12, 0x4f, 0x0b, 0xa0, 0x00, 0x00, 0x03, 0x08, 0x00,
	0x00, 0x10, 0x00, 0x01, 0x00, 0x5f, 0x2f, 0x02, 0x40, 0x00 };

/* 9A 9C 9D 9E, then the retired ones. */
static bool is_certificate(uint32_t tag)
{
	return tag == 0x5fc105 || tag == 0x5fc10a || tag == 0x5fc10b || tag == 0x5fc101 ||
	       (tag >= 0x5fc10d && tag <= 0x5fc120);
}

/* Fingerprints, facial image, printed information, irises: only with the PIN. */
static bool needs_pin(uint32_t tag)
{
	return tag == 0x5fc103 || tag == 0x5fc108 || tag == 0x5fc109 || tag == 0x5fc121;
}

static bool is_known(const struct twin_card *c, uint32_t tag)
{
	return (tag >= 0x5fc101 && tag <= 0x5fc123) ||
	       (c->traits->extensions && tag >= 0x5fff00 && tag <= 0x5fffff);
}

static bool read_tag(const struct twin_tlv *list, uint32_t *ret)
{
	*ret = 0;
	if (list->len == 0 || list->len > 3)
		return false;
	for (size_t i = 0; i < list->len; i++)
		*ret = *ret << 8 | list->value[i];
	return true;
}

bool twin_object_is_certificate_asked(const uint8_t *apdu, size_t len)
{
	struct twin_apdu a;
	struct twin_tlv list;
	uint32_t tag;

	return twin_apdu_parse(apdu, len, &a) && twin_tlv_find(a.data, a.len, TAG_LIST, &list) &&
	       read_tag(&list, &tag) && is_certificate(tag);
}

int twin_object_wrap(const struct buf *der, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) value = { 0 };

	if (twin_tlv_add(&value, TAG_CERTIFICATE, der->data, der->len, e) != 0 ||
	    twin_tlv_add_u8(&value, TAG_CERTINFO, 0, e) != 0 ||
	    twin_tlv_add(&value, TAG_LRC, NULL, 0, e) != 0)
		return -1;
	return twin_tlv_add(ret, TAG_DATA, value.data, value.len, e);
}

static int store(struct twin_card *c, uint32_t tag, const struct buf *value, struct err *e)
{
	AUTO_STRUCT(buf) object = { 0 };
	bool room;

	if (twin_tlv_add(&object, TAG_DATA, value->data, value->len, e) != 0)
		return -1;
	return twin_store_put_object(&c->store, tag, &object, &room, e);
}

/* The serial where it is a GUID, else the UUID of version 8 (RFC 9562) of this model and serial. */
static int make_guid(const struct twin_config *config, uint8_t ret[static 16], struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	uint8_t hash[SHA256_LEN];

	if (hex_decode(config->serial, ret, 16))
		return 0;
	if (buf_printf(&text, e, "%s:%s", config->model != NULL ? config->model : "",
		config->serial) != 0)
		return -1;
	sha256(text.data, text.len, hash);
	memcpy(ret, hash, 16);
	ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x80);
	ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
	return 0;
}

/* FASC-N of an issuer that has no agency code (9999), GUID, expiry. */
static int add_chuid(struct twin_card *c, const uint8_t guid[static 16], struct err *e)
{
	static const uint8_t fascn[] = { 0xd4, 0xe7, 0x39, 0xda, 0x73, 0x9c, 0xed, 0x39, 0xce, 0x73,
		0x9d, 0x83, 0x68, 0x58, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0xc8, 0x42, 0x10, 0xc3,
		0xeb };
	AUTO_STRUCT(buf) value = { 0 };

	if (twin_tlv_add(&value, 0x30, fascn, sizeof(fascn), e) != 0 ||
	    twin_tlv_add(&value, 0x34, guid, 16, e) != 0 ||
	    twin_tlv_add(&value, 0x35, "20491231", 8, e) != 0 ||
	    twin_tlv_add(&value, 0x3e, NULL, 0, e) != 0 ||
	    twin_tlv_add(&value, TAG_LRC, NULL, 0, e) != 0)
		return -1;
	return store(c, TWIN_TAG_CHUID, &value, e);
}

/* Card capability container: an identifier, and a data model; all else is empty. */
static int add_ccc(struct twin_card *c, const uint8_t guid[static 16], struct err *e)
{
	static const uint8_t rest[] = { 0xf1, 0x01, 0x21, 0xf2, 0x01, 0x21, 0xf3, 0x00, 0xf4, 0x01,
		0x00, 0xf5, 0x01, 0x10, 0xf6, 0x00, 0xf7, 0x00, 0xfa, 0x00, 0xfb, 0x00, 0xfc, 0x00,
		0xfd, 0x00, 0xfe, 0x00 };
	uint8_t id[21] = { 0xa0, 0x00, 0x00, 0x01, 0x16, 0xff, 0x02 };
	AUTO_STRUCT(buf) value = { 0 };

	memcpy(id + 7, guid, sizeof(id) - 7);
	if (twin_tlv_add(&value, 0xf0, id, sizeof(id), e) != 0 ||
	    buf_add(&value, rest, sizeof(rest), e) != 0)
		return -1;
	return store(c, TWIN_TAG_CCC, &value, e);
}

int twin_object_fill(struct twin_card *c, struct err *e)
{
	uint8_t guid[16];
	bool room;

	for (size_t i = 0; i < TWIN_OBJECTS_MAX; i++) {
		uint32_t tag = c->store.objects[i].tag;

		if (tag != 0 && tag != TWIN_TAG_ATTESTATION &&
		    twin_store_put_object(&c->store, tag, NULL, &room, e) != 0)
			return -1;
	}
	if (make_guid(c->config, guid, e) != 0 || add_chuid(c, guid, e) != 0)
		return -1;
	return add_ccc(c, guid, e);
}

/* The object as it is stored, or as the fault wants it told. */
static int add_object(const struct twin_card *c, const struct twin_object *o, struct buf *ret,
    struct err *e)
{
	const struct buf *content = &o->content;

	if (o->tag == TWIN_TAG_ATTESTATION && c->foreign.len > 0)
		content = &c->foreign;
	if (buf_set(ret, content->data, content->len, e) != 0)
		return -1;
	if (is_certificate(o->tag) && twin_card_strikes(c, FAULT_LYING_READBACK, STEP_READBACK) &&
	    ret->len > 16)
		ret->data[ret->len - 8] ^= 0x01; /* behind it are 71 01 00 FE 00 */
	return 0;
}

int twin_do_get_data(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	const struct twin_object *o;
	struct twin_tlv list;
	uint32_t tag;

	if (a->p1 != 0x3f || a->p2 != 0xff)
		return twin_say(r, SW_P1P2);
	if (!twin_tlv_find(a->data, a->len, TAG_LIST, &list) || !read_tag(&list, &tag))
		return twin_say(r, SW_DATA);
	if (tag == TWIN_TAG_DISCOVERY)
		return buf_set(&r->data, discovery, sizeof(discovery), e);
	if (needs_pin(tag) && !c->pin_verified)
		return twin_say(r, SW_SECURITY);
	o = tag != 0 ? twin_store_object(&c->store, tag) : NULL;
	if (o == NULL)
		return twin_say(r, SW_NOT_FOUND);
	return add_object(c, o, &r->data, e);
}

/* 5C tag, 53 data, and nothing else. *ret_data: the second as it came. */
static bool read_put(const struct twin_apdu *a, uint32_t *ret_tag, struct twin_tlv *ret_value)
{
	const uint8_t *data = a->data;
	size_t len = a->len;
	struct twin_tlv list;

	return twin_tlv_next(&data, &len, &list) && list.tag == TAG_LIST &&
	       read_tag(&list, ret_tag) && twin_tlv_next(&data, &len, ret_value) &&
	       ret_value->tag == TAG_DATA && len == 0;
}

int twin_do_put_data(struct twin_card *c, const struct twin_apdu *a, struct twin_reply *r,
    struct err *e)
{
	AUTO_STRUCT(buf) object = { 0 };
	struct twin_tlv value;
	bool room = true;
	uint32_t tag;

	if (a->p1 != 0x3f || a->p2 != 0xff)
		return twin_say(r, SW_P1P2);
	if (!c->authenticated)
		return twin_say(r, SW_SECURITY);
	if (!read_put(a, &tag, &value))
		return twin_say(r, SW_DATA);
	if (!is_known(c, tag))
		return twin_say(r, SW_NOT_FOUND);
	if (value.len > TWIN_OBJECT_LEN)
		return twin_say(r, SW_NO_SPACE);
	if (twin_tlv_add(&object, TAG_DATA, value.value, value.len, e) != 0 ||
	    twin_store_put_object(&c->store, tag, value.len > 0 ? &object : NULL, &room, e) != 0)
		return -1;
	if (!room)
		return twin_say(r, SW_NO_SPACE);
	c->store.certified = c->store.certified || (is_certificate(tag) && value.len > 0);
	return twin_store_save(&c->store, e);
}
