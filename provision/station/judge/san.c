#include "san.h"

#include <stdio.h>
#include <string.h>

#include <openssl/objects.h>

#include "oids.h"

bool san_parse(const uint8_t *der, size_t len, struct san_names *ret)
{
	struct der in = { der, len }, list, value;
	struct san_names found = { 0 };
	uint8_t tag;

	if (!der_take(&in, DER_SEQUENCE, &list) || in.len != 0 || list.len == 0)
		return false;
	while (list.len > 0) {
		const uint8_t *start = list.p;

		if (found.count == SAN_NAMES_MAX || !der_next(&list, &tag, &value))
			return false;
		found.names[found.count++] = (struct der){ start, (size_t)(list.p - start) };
	}
	*ret = found;
	return true;
}

static bool is_equal(const struct der *a, const struct der *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

bool san_has(const struct san_names *names, const struct der *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (is_equal(&names->names[i], name))
			return true;
	return false;
}

static bool is_oid(const struct der *content, const char *dotted)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(dotted, 1);
	bool same = oid != NULL && OBJ_length(oid) == content->len &&
		    memcmp(OBJ_get0_data(oid), content->p, content->len) == 0;

	ASN1_OBJECT_free(oid);
	return same;
}

/* The value of an otherName of that type: [0] { type OID, value [0] EXPLICIT ANY }. */
static bool other_name(const struct der *name, const char *dotted, struct der *ret)
{
	struct der in = *name, body, type, value;

	if (!der_take(&in, DER_CONTEXT_0, &body) || in.len != 0)
		return false;
	if (!der_take(&body, DER_OID, &type) || !is_oid(&type, dotted))
		return false;
	if (!der_take(&body, DER_CONTEXT_0, &value) || body.len != 0)
		return false;
	*ret = value;
	return true;
}

bool san_hardware_module(const struct der *name, struct der *ret_type, struct der *ret_serial)
{
	struct der value, body, type, serial;

	if (!other_name(name, OID_HARDWARE_MODULE_NAME, &value))
		return false;
	if (!der_take(&value, DER_SEQUENCE, &body) || value.len != 0)
		return false;
	if (!der_take(&body, DER_OID, &type) || !der_take(&body, DER_OCTET_STRING, &serial) ||
	    body.len != 0)
		return false;
	*ret_type = type;
	*ret_serial = serial;
	return true;
}

bool san_device_info(const struct der *name, struct der *ret_text)
{
	struct der value, text;

	if (!other_name(name, OID_SPDM_DEVICE_INFO, &value) ||
	    !der_take(&value, DER_UTF8_STRING, &text) || value.len != 0)
		return false;
	*ret_text = text;
	return true;
}

bool san_device_info_names(const struct der *text, const char *serial)
{
	size_t len = strlen(serial);

	if (len == 0 || text->len <= len || text->p[text->len - len - 1] != ':')
		return false;
	return memcmp(text->p + text->len - len, serial, len) == 0;
}

void san_text(const struct der *name, char ret[static SAN_TEXT_MAX])
{
	static const char *const kinds[] = { "otherName", "email", "dns", "x400Address",
		"directoryName", "ediPartyName", "uri", "ip", "registeredID" };
	size_t kind = name->p[0] & 0x1f;
	struct der in = *name, value = { 0 }, type;
	uint8_t tag;

	if (san_hardware_module(name, &type, &value))
		(void)snprintf(ret, SAN_TEXT_MAX, "hardwareModuleName serial %.*s",
		    value.len < 64 ? (int)value.len : 64, (const char *)value.p);
	else if (san_device_info(name, &value))
		(void)snprintf(ret, SAN_TEXT_MAX, "SPDM device information %.*s",
		    value.len < 64 ? (int)value.len : 64, (const char *)value.p);
	else if ((kind == 1 || kind == 2 || kind == 6) && der_next(&in, &tag, &value))
		(void)snprintf(ret, SAN_TEXT_MAX, "%s %.*s", kinds[kind],
		    value.len < 80 ? (int)value.len : 80, (const char *)value.p);
	else
		(void)snprintf(ret, SAN_TEXT_MAX, "%s",
		    kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : "unknown name");
}
