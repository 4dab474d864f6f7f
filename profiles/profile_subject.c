#include "profile_read.h"

#include <stdio.h>
#include <string.h>

#include "subject.h"

static const char *const string_names[] = {
	[STRING_UTF8] = "utf8",
	[STRING_PRINTABLE] = "printable",
	[STRING_IA5] = "ia5",
	NULL,
};

static const char *const rdn_types[] = { "CN", "serialNumber", "O", "OU", "C", "L", "ST", "title",
	"dnQualifier", "DC", "UID", "emailAddress", "GN", "SN", NULL };

/* Renders one template with the profile's examples, so that its errors have a line. */
static int try_out(const struct profile *p, const struct profile_rdn *rdn,
    const struct profile_san *san, const struct yaml_node *n, struct err *e)
{
	struct identity example = { .firmware = "1.0",
		.uuid = "00000000-0000-4000-8000-000000000000" };
	AUTO_STRUCT(subject) subject = { 0 };
	struct profile one = { 0 };
	struct err why = { 0 };

	(void)snprintf(example.model, sizeof(example.model), "%s",
	    p->model_example); /* fits: checked */
	(void)snprintf(example.serial, sizeof(example.serial), "%s",
	    p->serial_example); /* fits too */
	if (rdn != NULL)
		one.rdns[one.rdn_count++] = *rdn;
	if (san != NULL)
		one.sans[one.san_count++] = *san;
	if (subject_render(&subject, &one, &example, &why) == 0)
		return 0;
	return err_is(&why, "nomem") ? err_nomem(e) : profile_error(n, e, "%s", why.message);
}

static int read_rdn(struct profile *p, const struct yaml_node *n, struct err *e)
{
	static const char *const keys[] = { "type", "value", "string", NULL };
	struct profile_rdn *rdn = &p->rdns[p->rdn_count++];
	int string = STRING_UTF8;

	if (yaml_keys(n, keys, e) < 0 || yaml_str(n, "type", NULL, &rdn->type, e) < 0 ||
	    yaml_str(n, "value", NULL, &rdn->value, e) < 0 ||
	    yaml_enum(n, "string", false, string_names, &string, e) < 0)
		return -1;
	rdn->string = (enum string_type)string;
	if (!profile_is_one_of(rdn->type, rdn_types) && !profile_is_oid(rdn->type))
		return profile_error(yaml_get(n, "type"), e,
		    "\"%.40s\" is unknown; accepted: CN, serialNumber, O, OU, C, L, ST, title, "
		    "dnQualifier, "
		    "DC, UID, emailAddress, GN, SN, an object identifier (1.2.3)",
		    rdn->type);
	return try_out(p, rdn, NULL, n, e);
}

int profile_read_subject(struct profile *p, const struct yaml_node *root, struct err *e)
{
	const struct yaml_node *list;

	if (yaml_list(root, "subject", true, &list, e) < 0)
		return -1;
	if (yaml_len(list) > PROFILE_RDNS_MAX)
		return profile_error(list, e, "subject has more than %d entries", PROFILE_RDNS_MAX);
	for (size_t i = 0; i < yaml_len(list); i++)
		if (read_rdn(p, yaml_at(list, i), e) < 0)
			return -1;
	return 0;
}

static int read_hardware_module(struct profile_san *san, const struct yaml_node *n, struct err *e)
{
	static const char *const keys[] = { "type", "serial", NULL };

	san->kind = SAN_HARDWARE_MODULE;
	if (yaml_keys(n, keys, e) < 0 || yaml_str(n, "type", NULL, &san->hw_type, e) < 0 ||
	    yaml_str(n, "serial", NULL, &san->value, e) < 0)
		return -1;
	if (!profile_is_oid(san->hw_type))
		return profile_error(yaml_get(n, "type"), e,
		    "\"%.40s\" is no object identifier (1.2.3); hwType is one (RFC 4108)",
		    san->hw_type);
	return 0;
}

static int read_name(struct profile *p, const struct yaml_node *n, struct err *e)
{
	static const char *const keys[] = { "hardware_module", "uri", "dns", NULL };
	struct profile_san *san = &p->sans[p->san_count++];
	const struct yaml_node *value;

	if (yaml_keys(n, keys, e) < 0)
		return -1;
	if (yaml_len(n) != 1)
		return profile_error(n, e, "one name for each entry: hardware_module, uri or dns");
	value = yaml_value_at(n, 0);
	if (strcmp(yaml_key_at(n, 0), "hardware_module") == 0) {
		if (read_hardware_module(san, value, e) < 0)
			return -1;
		return try_out(p, NULL, san, n, e);
	}
	san->kind = strcmp(yaml_key_at(n, 0), "uri") == 0 ? SAN_URI : SAN_DNS;
	return yaml_text(value, &san->value, e) < 0 ? -1 : try_out(p, NULL, san, value, e);
}

static bool says_who(const char *template)
{
	return strstr(template, "{serial}") != NULL || strstr(template, "{uuid}") != NULL;
}

/* What RFC 5280 4.1.2.6 and common sense ask of the two sections together. */
static int check_names(const struct profile *p, const struct yaml_node *root, struct err *e)
{
	if (p->rdn_count == 0 && p->san_count == 0)
		return profile_error(root, e, "neither subject nor san names the unit");
	if (p->rdn_count == 0 && !p->san_critical)
		return profile_error(yaml_get(root, "san"), e,
		    "with an empty subject the san is critical (RFC 5280 4.2.1.6); write critical: "
		    "true");
	for (size_t i = 0; i < p->rdn_count; i++)
		if (says_who(p->rdns[i].value))
			return 0;
	for (size_t i = 0; i < p->san_count; i++)
		if (says_who(p->sans[i].value))
			return 0;
	return profile_error(yaml_get(root, "subject"), e,
	    "neither {serial} nor {uuid} is in subject or san");
}

int profile_read_san(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "critical", "names", NULL };
	const struct yaml_node *map, *list;

	if (yaml_map(root, "san", false, &map, e) < 0)
		return -1;
	if (map == NULL)
		return check_names(p, root, e);
	if (yaml_keys(map, keys, e) < 0 ||
	    yaml_bool(map, "critical", false, &p->san_critical, e) < 0 ||
	    yaml_list(map, "names", true, &list, e) < 0)
		return -1;
	if (yaml_len(list) < 1 || yaml_len(list) > PROFILE_SANS_MAX)
		return profile_error(list, e, "names has 1 to %d entries", PROFILE_SANS_MAX);
	for (size_t i = 0; i < yaml_len(list); i++)
		if (read_name(p, yaml_at(list, i), e) < 0)
			return -1;
	return check_names(p, root, e);
}
