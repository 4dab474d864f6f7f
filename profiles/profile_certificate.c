#include "profile_read.h"

#include <string.h>

static const char *const key_usages[] = { "digitalSignature", "nonRepudiation", "keyEncipherment",
	"dataEncipherment", "keyAgreement", "encipherOnly", "decipherOnly", NULL };

static const char *const purposes[] = { "serverAuth", "clientAuth", "codeSigning",
	"emailProtection", "timeStamping", "OCSPSigning", NULL };

static const char *const signature_names[] = { "ecdsa-with-SHA256", "ecdsa-with-SHA384",
	"ecdsa-with-SHA512", "sha256WithRSAEncryption", "sha384WithRSAEncryption",
	"sha512WithRSAEncryption", "rsassaPss", "ED25519", "ED448", NULL };

static const char *const presences[] = {
	[PRESENCE_OPTIONAL] = "optional",
	[PRESENCE_REQUIRED] = "required",
	[PRESENCE_FORBIDDEN] = "forbidden",
	NULL,
};

/* Which lists say what is in the certificate, and which may be empty. */
static int read_lists(struct profile *p, const struct yaml_node *map, struct err *e)
{
	if (profile_read_words(map, "key_usage", true, key_usages, false, p->key_usage, e) < 0 ||
	    profile_read_words(map, "extended_key_usage", true, purposes, true,
		p->extended_key_usage, e) < 0 ||
	    profile_read_words(map, "policies", false, NULL, true, p->policies, e) < 0 ||
	    profile_read_words(map, "signatures", true, signature_names, true, p->signatures, e) <
		0 ||
	    profile_read_words(map, "extra_extensions", false, NULL, true, p->extra_extensions, e) <
		0)
		return -1;
	if (p->signatures[0] == NULL)
		return profile_error(yaml_get(map, "signatures"), e, "signatures allows nothing");
	return 0;
}

static int read_presences(struct profile *p, const struct yaml_node *map, struct err *e)
{
	struct {
		const char *key;
		enum presence *ret;
		enum presence fallback;
	} fields[] = {
		{ "basic_constraints", &p->basic_constraints, PRESENCE_OPTIONAL },
		{ "subject_key_id", &p->subject_key_id, PRESENCE_OPTIONAL },
		{ "authority_key_id", &p->authority_key_id, PRESENCE_REQUIRED },
		{ "aia", &p->aia, PRESENCE_FORBIDDEN },
		{ "crl_distribution_points", &p->crl_distribution_points, PRESENCE_FORBIDDEN },
		{ "mud_url", &p->mud_url, PRESENCE_FORBIDDEN },
	};

	for (size_t i = 0; i < COUNT(fields); i++) {
		int value = (int)fields[i].fallback;

		if (yaml_enum(map, fields[i].key, false, presences, &value, e) < 0)
			return -1;
		*fields[i].ret = (enum presence)value;
	}
	return 0;
}

static int read_validity(struct profile *p, const struct yaml_node *certificate, struct err *e)
{
	static const char *const keys[] = { "min_days", "max_days", "no_expiry", "outlives_issuer",
		NULL };
	const struct yaml_node *map;
	bool days;

	if (yaml_map(certificate, "validity", true, &map, e) < 0 || yaml_keys(map, keys, e) < 0 ||
	    yaml_bool(map, "no_expiry", false, &p->no_expiry, e) < 0 ||
	    yaml_bool(map, "outlives_issuer", false, &p->outlives_issuer, e) < 0)
		return -1;
	days = yaml_get(map, "min_days") != NULL || yaml_get(map, "max_days") != NULL;
	if (p->no_expiry && days)
		return profile_error(map, e, "with no_expiry there is no min_days and no max_days");
	if (p->no_expiry)
		return 0;
	if (yaml_int(map, "min_days", true, 0, 36525, &p->min_days, e) < 0 ||
	    yaml_int(map, "max_days", true, 1, 36525, &p->max_days, e) < 0)
		return -1;
	if (p->min_days > p->max_days)
		return profile_error(yaml_get(map, "min_days"), e,
		    "min_days is more than max_days");
	return 0;
}

int profile_read_certificate(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "key_usage", "key_usage_critical", "extended_key_usage",
		"policies", "signatures", "extra_extensions", "validity", "clock_skew_s",
		"basic_constraints", "subject_key_id", "authority_key_id", "aia",
		"crl_distribution_points", "mud_url", "min_serial_bits", "max_chain", NULL };
	const struct yaml_node *map;

	p->key_usage_critical = true;
	p->clock_skew_s = 300;
	p->min_serial_bits = 32;
	p->max_chain = 4;
	if (yaml_map(root, "certificate", true, &map, e) < 0 || yaml_keys(map, keys, e) < 0 ||
	    read_lists(p, map, e) < 0 || read_presences(p, map, e) < 0 ||
	    read_validity(p, map, e) < 0 ||
	    yaml_bool(map, "key_usage_critical", false, &p->key_usage_critical, e) < 0 ||
	    yaml_int(map, "clock_skew_s", false, 0, 86400, &p->clock_skew_s, e) < 0 ||
	    yaml_int(map, "min_serial_bits", false, 0, 159, &p->min_serial_bits, e) < 0)
		return -1;
	return yaml_int(map, "max_chain", false, 2, 8, &p->max_chain, e);
}
