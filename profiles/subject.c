#include "subject.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include "oids.h"
#include "x509.h"

OWNED(ASN1_OBJECT, ASN1_OBJECT_free)
OWNED(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
OWNED(ASN1_TYPE, ASN1_TYPE_free)
OWNED(GENERAL_NAME, GENERAL_NAME_free)
OWNED(GENERAL_NAMES, GENERAL_NAMES_free)
OWNED(X509_NAME_ENTRY, X509_NAME_ENTRY_free)

enum { SUBJECT_VALUE_MAX = 256 };

static const char *field_of(const struct identity *i, const char *name, size_t len)
{
	const struct {
		const char *name;
		const char *value;
	} fields[] = { { "model", i->model }, { "serial", i->serial }, { "firmware", i->firmware },
		{ "uuid", i->uuid } };

	for (size_t k = 0; k < COUNT(fields); k++)
		if (strlen(fields[k].name) == len && memcmp(fields[k].name, name, len) == 0)
			return fields[k].value;
	return NULL;
}

/* One {field} at the front of text; *ret_len is how much of it was used. */
static int expand_field(const char *text, const struct identity *i, size_t *ret_len,
    struct buf *ret, struct err *e)
{
	size_t len = strcspn(text + 1, "}");
	const char *value;

	if (text[1 + len] != '}')
		return err_set(e, ERR_CONFIG, "subject", "\"%s\": a { without its }", text);
	value = field_of(i, text + 1, len);
	if (value == NULL)
		return err_set(e, ERR_CONFIG, "subject",
		    "unknown field {%.*s}; accepted: {model} {serial} {firmware} {uuid}, and {{ }} "
		    "for "
		    "braces",
		    len < 40 ? (int)len : 40, text + 1);
	if (value[0] == '\0')
		return err_set(e, ERR_CONFIG, "subject", "the device does not say its {%.*s}",
		    (int)len, text + 1);
	*ret_len = len + 2;
	return buf_add_str(ret, value, e);
}

static int expand(const char *text, const struct identity *i, struct buf *ret, struct err *e)
{
	size_t step;

	for (const char *p = text; *p != '\0'; p += step) {
		step = 1;
		if (p[0] == '{' && p[1] != '{') {
			if (expand_field(p, i, &step, ret, e) < 0)
				return -1;
			continue;
		}
		if (p[0] == '{' || p[0] == '}') {
			if (p[1] != p[0])
				return err_set(e, ERR_CONFIG, "subject",
				    "\"%s\": a } without its {", text);
			step = 2;
		}
		if (buf_add(ret, p, 1, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_printable_string(const char *s)
{
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr(" '()+,-./:=?", *s) == NULL)
			return false;
	return true;
}

static bool is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e)
			return false;
	return true;
}

static bool is_control_free(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static const struct {
	int asn1;
	const char *name;
	bool (*holds)(const char *s);
} strings[] = {
	[STRING_UTF8] = { V_ASN1_UTF8STRING, "utf8", is_control_free },
	[STRING_PRINTABLE] = { V_ASN1_PRINTABLESTRING, "printable", is_printable_string },
	[STRING_IA5] = { V_ASN1_IA5STRING, "ia5", is_ascii },
};

/* The template's text for this unit, in memory of the caller's. */
static int render(const char *what, const char *template, const struct identity *i, char **ret,
    struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	const char *s;

	if (expand(template, i, &text, e) < 0)
		return err_while(e, "%s", what);
	if (text.len == 0 || text.len > SUBJECT_VALUE_MAX)
		return err_set(e, ERR_CONFIG, "subject",
		    "%s is %zu bytes long; 1 to %d are possible", what, text.len,
		    SUBJECT_VALUE_MAX);
	s = buf_str(&text, e);
	if (s == NULL)
		return -1;
	*ret = strdup(s);
	return *ret != NULL ? 0 : err_nomem(e);
}

/* Upper bounds of RFC 5280 appendix A.1 that a CA would stumble over. */
static int check_bound(const char *type, const char *value, struct err *e)
{
	static const struct {
		const char *type;
		size_t min, max;
	} bounds[] = { { "C", 2, 2 }, { "CN", 1, 64 }, { "O", 1, 64 }, { "OU", 1, 64 },
		{ "serialNumber", 1, 64 }, { "L", 1, 128 }, { "ST", 1, 128 } };
	size_t len = strlen(value);

	for (size_t k = 0; k < COUNT(bounds); k++)
		if (strcmp(bounds[k].type, type) == 0 &&
		    (len < bounds[k].min || len > bounds[k].max))
			return err_set(e, ERR_CONFIG, "subject",
			    "%s \"%s\" has %zu characters; %zu to %zu are possible (RFC 5280)",
			    type, value, len, bounds[k].min, bounds[k].max);
	return 0;
}

static int render_rdn(struct subject_rdn *ret, const struct profile_rdn *rdn,
    const struct identity *i, struct err *e)
{
	ret->type = rdn->type;
	ret->string = rdn->string;
	if (render(rdn->type, rdn->value, i, &ret->value, e) < 0)
		return -1;
	if (!strings[rdn->string].holds(ret->value))
		return err_set(e, ERR_CONFIG, "subject",
		    "%s \"%s\" has characters that a %s string can "
		    "not hold",
		    rdn->type, ret->value, strings[rdn->string].name);
	return check_bound(rdn->type, ret->value, e);
}

static int add_rdn(X509_NAME *name, const struct subject_rdn *rdn, struct err *e)
{
	AUTO(ASN1_OBJECT) *type = OBJ_txt2obj(rdn->type, 0);
	AUTO(X509_NAME_ENTRY) *entry = NULL;

	if (type == NULL)
		return err_openssl(e, ERR_CONFIG, "subject", "unknown attribute type %s",
		    rdn->type);
	entry = X509_NAME_ENTRY_create_by_OBJ(NULL, type, strings[rdn->string].asn1,
	    (const unsigned char *)rdn->value, (int)strlen(rdn->value));
	if (entry == NULL || X509_NAME_add_entry(name, entry, -1, 0) != 1)
		return err_openssl(e, ERR_CONFIG, "subject", "%s", rdn->type);
	return 0;
}

static int encode_name(struct subject *s, struct err *e)
{
	AUTO(X509_NAME) *name = X509_NAME_new();
	uint8_t *room;
	int len;

	if (name == NULL)
		return err_nomem(e);
	for (size_t k = 0; k < s->rdn_count; k++)
		if (add_rdn(name, &s->rdns[k], e) < 0)
			return -1;
	len = i2d_X509_NAME(name, NULL);
	room = len > 0 ? buf_room(&s->name, (size_t)len, e) : NULL;
	if (room == NULL || i2d_X509_NAME(name, &room) != len)
		return err_nomem(e);
	s->name.len += (size_t)len;
	return 0;
}

static bool is_dns_name(const char *s)
{
	size_t label = 0;

	for (; *s != '\0'; s++) {
		if (*s == '.' ? label == 0 : !isalnum((unsigned char)*s) && *s != '-')
			return false;
		label = *s == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return label > 0;
}

/* scheme ":" something, without blanks (RFC 3986 3). */
static bool is_uri(const char *s)
{
	size_t scheme =
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	return isalpha((unsigned char)s[0]) && s[scheme] == ':' && s[scheme + 1] != '\0' &&
	       is_ascii(s) && strpbrk(s, " <>\"\\^`{|}") == NULL;
}

static const struct {
	const char *name;
	bool (*holds)(const char *s);
	int general_name; /* OpenSSL's choice; other names are made apart */
} san_kinds[] = {
	[SAN_HARDWARE_MODULE] = { "hardware_module", is_ascii, GEN_OTHERNAME },
	[SAN_URI] = { "uri", is_uri, GEN_URI },
	[SAN_DNS] = { "dns", is_dns_name, GEN_DNS },
};

static int render_san(struct subject_san *ret, const struct profile_san *san,
    const struct identity *i, struct err *e)
{
	const char *name = san_kinds[san->kind].name;

	ret->kind = san->kind;
	ret->hw_type = san->hw_type;
	if (render(name, san->value, i, &ret->value, e) < 0)
		return -1;
	if (!san_kinds[san->kind].holds(ret->value))
		return err_set(e, ERR_CONFIG, "subject", "\"%s\" is no %s", ret->value, name);
	return 0;
}

static int set_hardware_module(GENERAL_NAME *g, const struct subject_san *san, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(ASN1_OBJECT) *oid = OBJ_txt2obj(OID_HARDWARE_MODULE_NAME, 1);
	AUTO(ASN1_TYPE) *value = NULL;
	const uint8_t *p;

	if (subject_hardware_module(san->hw_type, san->value, &der, e) < 0)
		return -1;
	p = der.data;
	value = d2i_ASN1_TYPE(NULL, &p, (long)der.len);
	if (oid == NULL || value == NULL || GENERAL_NAME_set0_othername(g, oid, value) != 1)
		return err_nomem(e);
	oid = NULL;
	value = NULL;
	return 0;
}

static int set_text(GENERAL_NAME *g, const struct subject_san *san, struct err *e)
{
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (text == NULL || ASN1_STRING_set(text, san->value, (int)strlen(san->value)) != 1) {
		ASN1_IA5STRING_free(text);
		return err_nomem(e);
	}
	GENERAL_NAME_set0_value(g, san_kinds[san->kind].general_name, text);
	return 0;
}

static int add_san(GENERAL_NAMES *names, const struct subject_san *san, struct err *e)
{
	AUTO(GENERAL_NAME) *g = GENERAL_NAME_new();
	int rc;

	if (g == NULL)
		return err_nomem(e);
	rc =
	    san->kind == SAN_HARDWARE_MODULE ? set_hardware_module(g, san, e) : set_text(g, san, e);
	if (rc < 0)
		return -1;
	if (sk_GENERAL_NAME_push(names, g) <= 0)
		return err_nomem(e);
	g = NULL;
	return 0;
}

static int encode_sans(struct subject *s, struct err *e)
{
	AUTO(GENERAL_NAMES) *names = GENERAL_NAMES_new();
	uint8_t *room;
	int len;

	if (names == NULL)
		return err_nomem(e);
	for (size_t k = 0; k < s->san_count; k++)
		if (add_san(names, &s->sans[k], e) < 0)
			return -1;
	len = i2d_GENERAL_NAMES(names, NULL);
	room = len > 0 ? buf_room(&s->san, (size_t)len, e) : NULL;
	if (room == NULL || i2d_GENERAL_NAMES(names, &room) != len)
		return err_nomem(e);
	s->san.len += (size_t)len;
	return 0;
}

static int render_all(struct subject *s, const struct profile *p, const struct identity *i,
    struct err *e)
{
	s->san_critical = p->san_critical;
	for (size_t k = 0; k < p->rdn_count; k++) {
		s->rdn_count = k + 1;
		if (render_rdn(&s->rdns[k], &p->rdns[k], i, e) < 0)
			return -1;
	}
	for (size_t k = 0; k < p->san_count; k++) {
		s->san_count = k + 1;
		if (render_san(&s->sans[k], &p->sans[k], i, e) < 0)
			return -1;
	}
	if (encode_name(s, e) < 0)
		return -1;
	return s->san_count > 0 ? encode_sans(s, e) : 0;
}

int subject_render(struct subject *ret, const struct profile *p, const struct identity *i,
    struct err *e)
{
	AUTO_STRUCT(subject) s = { 0 };

	if (render_all(&s, p, i, e) < 0)
		return -1;
	*ret = s;
	s = (struct subject){ 0 };
	return 0;
}

void subject_free(struct subject *s)
{
	for (size_t k = 0; k < s->rdn_count; k++)
		free(s->rdns[k].value);
	for (size_t k = 0; k < s->san_count; k++)
		free(s->sans[k].value);
	buf_free(&s->name);
	buf_free(&s->san);
	*s = (struct subject){ 0 };
}

int subject_text(const struct subject *s, struct buf *ret, struct err *e)
{
	if (s->rdn_count == 0)
		return buf_add_str(ret, "/", e);
	for (size_t k = 0; k < s->rdn_count; k++) {
		if (buf_printf(ret, e, "/%s=", s->rdns[k].type) < 0)
			return -1;
		for (const char *p = s->rdns[k].value; *p != '\0'; p++) {
			if (strchr("/\\+", *p) != NULL && buf_add_str(ret, "\\", e) < 0)
				return -1;
			if (buf_add(ret, p, 1, e) < 0)
				return -1;
		}
	}
	return 0;
}

int subject_hardware_module(const char *hw_type, const char *serial, struct buf *ret, struct err *e)
{
	AUTO(ASN1_OBJECT) *type = OBJ_txt2obj(hw_type, 1);
	AUTO(ASN1_OCTET_STRING) *number = ASN1_OCTET_STRING_new();
	int type_len, number_len, len;
	uint8_t *room;

	if (type == NULL)
		return err_openssl(e, ERR_CONFIG, "subject", "\"%s\" is no object identifier",
		    hw_type);
	if (number == NULL ||
	    ASN1_OCTET_STRING_set(number, (const uint8_t *)serial, (int)strlen(serial)) != 1)
		return err_nomem(e);
	type_len = i2d_ASN1_OBJECT(type, NULL);
	number_len = i2d_ASN1_OCTET_STRING(number, NULL);
	len = ASN1_object_size(1, type_len + number_len, V_ASN1_SEQUENCE);
	room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;
	if (room == NULL)
		return -1;
	ASN1_put_object(&room, 1, type_len + number_len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	(void)i2d_ASN1_OBJECT(type, &room);         /* its length was asked above */
	(void)i2d_ASN1_OCTET_STRING(number, &room); /* as above */
	ret->len += (size_t)len;
	return 0;
}
