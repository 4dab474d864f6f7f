#include "lint.h"

#include <string.h>

#include "san.h"

enum { NAME_TEXT_MAX = 80 };

static int asn1_type(enum string_type s)
{
	static const int types[] = {
		[STRING_UTF8] = V_ASN1_UTF8STRING,
		[STRING_PRINTABLE] = V_ASN1_PRINTABLESTRING,
		[STRING_IA5] = V_ASN1_IA5STRING,
	};

	return types[s];
}

static bool is_type(const X509_NAME_ENTRY *entry, const char *type)
{
	ASN1_OBJECT *want = OBJ_txt2obj(type, 0);
	bool same = want != NULL && OBJ_cmp(want, X509_NAME_ENTRY_get_object(entry)) == 0;

	ASN1_OBJECT_free(want);
	return same;
}

static bool has_value(const X509_NAME_ENTRY *entry, const char *value)
{
	const ASN1_STRING *data = X509_NAME_ENTRY_get_data(entry);
	size_t len = strlen(value);

	return (size_t)ASN1_STRING_length(data) == len &&
	       memcmp(ASN1_STRING_get0_data(data), value, len) == 0;
}

/* Where the profile's RDN k is among the subject's: the same type and value, or else the same type. */
static int find_rdn(const X509_NAME *name, const struct subject_rdn *want)
{
	int of_type = -1;

	for (int at = 0; at < X509_NAME_entry_count(name); at++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);

		if (!is_type(entry, want->type))
			continue;
		if (has_value(entry, want->value))
			return at;
		if (of_type < 0)
			of_type = at;
	}
	return of_type;
}

static void compare_rdn(struct lint *l, const struct subject_rdn *want,
    const X509_NAME_ENTRY *entry)
{
	const ASN1_STRING *data = X509_NAME_ENTRY_get_data(entry);
	int len = ASN1_STRING_length(data);

	if (!has_value(entry, want->value))
		lint_error(l, "cert.subject", "%s is \"%.*s\" instead of \"%s\"", want->type,
		    len < NAME_TEXT_MAX ? len : NAME_TEXT_MAX,
		    (const char *)ASN1_STRING_get0_data(data), want->value);
	else if (ASN1_STRING_type(data) != asn1_type(want->string))
		lint_error(l, "cert.subject", "%s is a %s instead of a %s", want->type,
		    ASN1_tag2str(ASN1_STRING_type(data)), ASN1_tag2str(asn1_type(want->string)));
}

static void find_added(struct lint *l, const X509_NAME *name)
{
	for (int at = 0; at < X509_NAME_entry_count(name); at++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);
		const struct subject *want = l->want;
		size_t wanted = 0, present = 0;
		char type[LINT_NAME_MAX];

		lint_name(X509_NAME_ENTRY_get_object(entry), type);
		for (size_t k = 0; k < want->rdn_count; k++)
			wanted += is_type(entry, want->rdns[k].type);
		for (int before = 0; before <= at; before++)
			present +=
			    OBJ_cmp(X509_NAME_ENTRY_get_object(X509_NAME_get_entry(name, before)),
				X509_NAME_ENTRY_get_object(entry)) == 0;
		if (present > wanted)
			lint_error(l, "cert.subject", "%s was added", type);
	}
}

void lint_subject(struct lint *l)
{
	const X509_NAME *name = X509_get_subject_name(l->leaf);
	size_t before = l->report->count, len;
	const uint8_t *der;
	int last = -1;
	bool in_order = true;

	if (X509_NAME_get0_der(name, &der, &len) == 1 && len == l->want->name.len &&
	    memcmp(der, l->want->name.data, len) == 0)
		return;
	for (size_t k = 0; k < l->want->rdn_count; k++) {
		const struct subject_rdn *want = &l->want->rdns[k];
		int at = find_rdn(name, want);

		if (at < 0) {
			lint_error(l, "cert.subject", "%s=%s is missing", want->type, want->value);
			continue;
		}
		compare_rdn(l, want, X509_NAME_get_entry(name, at));
		in_order = in_order && at > last;
		last = at;
	}
	find_added(l, name);
	if (!in_order)
		lint_error(l, "cert.subject", "its parts are in another order");
	if (l->report->count == before)
		lint_error(l, "cert.subject", "it is encoded in another way than the profile asks");
}

static bool parse_san(X509_EXTENSION *extension, struct san_names *ret)
{
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);

	return san_parse(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), ret);
}

/* The DMTF's device information may be there when it names this unit: an SPDM device puts it into
 * every CSR (DSP0274), and a CA copies it. */
static bool is_own_device_info(const struct lint *l, const struct der *name)
{
	struct der text;

	return san_device_info(name, &text) && san_device_info_names(&text, l->identity->serial);
}

static void compare_sans(struct lint *l, const struct san_names *have, const struct san_names *want)
{
	char text[SAN_TEXT_MAX];

	for (size_t k = 0; k < want->count; k++) {
		if (san_has(have, &want->names[k]))
			continue;
		san_text(&want->names[k], text);
		lint_error(l, "cert.san", "%s is missing", text);
	}
	for (size_t k = 0; k < have->count; k++) {
		if (san_has(want, &have->names[k]) || is_own_device_info(l, &have->names[k]))
			continue;
		san_text(&have->names[k], text);
		lint_error(l, "cert.san", "%s was added", text);
	}
}

void lint_san(struct lint *l)
{
	X509_EXTENSION *extension = lint_extension(l->leaf, OID_SUBJECT_ALT_NAME);
	const struct subject *want = l->want;
	struct san_names have = { 0 }, wanted = { 0 };

	if (extension == NULL) {
		if (want->san_count > 0)
			lint_error(l, "cert.san", "there is no subjectAltName");
		return;
	}
	if (!parse_san(extension, &have)) {
		lint_error(l, "cert.san", "the subjectAltName is malformed");
		return;
	}
	if (want->san.len > 0 && !san_parse(want->san.data, want->san.len, &wanted))
		lint_error(l, "cert.san", "the profile's names can not be compared");
	compare_sans(l, &have, &wanted);
	if (want->san_count > 0 &&
	    (X509_EXTENSION_get_critical(extension) == 1) != want->san_critical)
		lint_error(l, "cert.san", "the subjectAltName is %s",
		    want->san_critical ? "not critical" : "critical");
}
