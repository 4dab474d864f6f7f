#include "check_options.h"

#include <stdlib.h>
#include <string.h>

#include "spdm.h"

static const struct spdm_algorithm algorithms[] = {
	{ "EC:P-256", "SHA256", "P-256", EVP_sha256, SPDM_ASYM_ECDSA_P256, SPDM_HASH_SHA256,
	    SPDM_KEY_ECDSA_P256, 32, 64,
	    { { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
		  0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 },
		27 } },
	{ "EC:P-384", "SHA384", "P-384", EVP_sha384, SPDM_ASYM_ECDSA_P384, SPDM_HASH_SHA384,
	    SPDM_KEY_ECDSA_P384, 48, 96,
	    { { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
		  0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 },
		24 } },
};

const struct spdm_algorithm *spdm_algorithm_find(const char *name)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (strcmp(name, algorithms[i].name) == 0)
			return &algorithms[i];
	return NULL;
}

void spdm_hash(const struct spdm_algorithm *a, const void *data, size_t len, uint8_t *ret)
{
	/* It can not fail short of a broken libcrypto. */
	if (EVP_Digest(data, len, ret, NULL, a->md(), NULL) != 1)
		abort();
}

bool spdm_options_accept(const struct spdm_options *o, uint8_t version)
{
	return (version == SPDM_VERSION_12 && o->v12) || (version == SPDM_VERSION_13 && o->v13);
}

/* The section itself, or the root of a profile that has none: what errors point at. */
static const struct yaml_node *place(const struct profile *p)
{
	return p->options != NULL ? p->options : yaml_root(p->yaml);
}

static int read_algorithm(const struct profile *p, struct spdm_options *o, struct err *e)
{
	const struct yaml_node *key = yaml_get(yaml_root(p->yaml), "key");

	o->algorithm = spdm_algorithm_find(p->key_algorithm);
	if (o->algorithm != NULL)
		return 0;
	return yaml_error(key != NULL ? key : place(p), e,
	    "key algorithm %s is not one of the spdm family: EC:P-256, EC:P-384", p->key_algorithm);
}

static int read_versions(const struct yaml_node *section, struct spdm_options *o, struct err *e)
{
	const struct yaml_node *list = NULL;

	if (yaml_list(section, "versions", false, &list, e) != 0)
		return -1;
	o->v12 = o->v13 = list == NULL;
	if (list != NULL && yaml_len(list) == 0)
		return yaml_error(list, e, "versions is empty; accepted: \"1.2\", \"1.3\"");
	for (size_t i = 0; list != NULL && i < yaml_len(list); i++) {
		const char *version = NULL;

		if (yaml_text(yaml_at(list, i), &version, e) != 0)
			return -1;
		if (strcmp(version, "1.2") == 0)
			o->v12 = true;
		else if (strcmp(version, "1.3") == 0)
			o->v13 = true;
		else
			return yaml_error(yaml_at(list, i), e,
			    "unknown SPDM version %s; accepted: \"1.2\", \"1.3\"", version);
	}
	return 0;
}

static int read_vendor(const struct yaml_node *section, struct spdm_options *o, struct err *e)
{
	static const char *const resets[] = { "vendor", "manual", NULL };
	int64_t pen = 0;
	int64_t key_pair = 1;
	int reset;

	if (yaml_int(section, "vendor_pen", false, 1, UINT32_MAX, &pen, e) != 0 ||
	    yaml_int(section, "key_pair", false, 1, UINT8_MAX, &key_pair, e) != 0)
		return -1;
	o->has_vendor = pen != 0;
	o->vendor_pen = (uint32_t)pen;
	o->key_pair = (uint8_t)key_pair;
	reset = o->has_vendor ? 0 : 1;
	if (yaml_enum(section, "reset", false, resets, &reset, e) != 0)
		return -1;
	o->vendor_reset = reset == 0;
	return 0;
}

static int read_identity(const struct yaml_node *section, struct spdm_options *o, struct err *e)
{
	static const char *const ways[] = { "vendor", "uuid", "certificate", "csr", NULL };
	const char *model = "";
	int way = SPDM_BY_VENDOR;

	if (yaml_enum(section, "identity", true, ways, &way, e) != 0 ||
	    yaml_str(section, "model", "", &model, e) != 0)
		return -1;
	o->identity = (enum spdm_identity)way;
	if (o->identity != SPDM_BY_UUID && *model != '\0')
		return yaml_error(section, e,
		    "model goes only with identity: uuid; the device says it");
	if (o->identity == SPDM_BY_UUID && (*model == '\0' || strlen(model) > IDENTITY_MAX))
		return yaml_error(section, e,
		    "identity: uuid needs model (1 to %d characters): a UUID does not tell it",
		    IDENTITY_MAX);
	o->model = o->identity == SPDM_BY_UUID ? model : NULL;
	return 0;
}

/* Serial and model must be known before a key is made, also after a crash between the two. */
static int judge_identity(const struct profile *p, const struct spdm_options *o, struct err *e)
{
	if (o->identity == SPDM_BY_CSR && p->existing_key != EXISTING_REUSE)
		return yaml_error(place(p), e,
		    "identity: csr can learn the serial only after a key was made; it needs key "
		    "existing: reuse, or choose vendor, uuid");
	if (o->identity == SPDM_BY_CERTIFICATE && p->existing_key == EXISTING_REFUSE)
		return yaml_error(place(p), e,
		    "identity: certificate needs a certificate, and so a key, to be there; key "
		    "existing: "
		    "refuse forbids it. Write reuse or replace, or choose vendor, uuid");
	if (!o->v13 && p->existing_key != EXISTING_REUSE)
		return yaml_error(place(p), e,
		    "SPDM 1.2 has no request that makes a key; write key existing: reuse, or "
		    "accept 1.3");
	return 0;
}

static int judge_vendor(const struct profile *p, const struct spdm_options *o, struct err *e)
{
	if (o->has_vendor)
		return 0;
	if (o->identity == SPDM_BY_VENDOR)
		return yaml_error(place(p), e, "identity: vendor needs vendor_pen");
	if (o->vendor_reset)
		return yaml_error(place(p), e, "reset: vendor needs vendor_pen");
	if (p->seal)
		return yaml_error(place(p), e, "seal needs vendor_pen");
	for (size_t i = 0; i < p->install_count; i++)
		if (p->install[i] == OBJECT_ANCHORS)
			return yaml_error(place(p), e, "install of anchors needs vendor_pen");
	return 0;
}

int spdm_options_read(const struct profile *p, struct spdm_options *ret, struct err *e)
{
	static const char *const keys[] = { "identity", "versions", "vendor_pen", "key_pair",
		"reset", "model", NULL };
	struct spdm_options o = { 0 };

	if (p->options == NULL)
		return yaml_error(place(p), e,
		    "a profile of driver spdm needs a section spdm with identity: vendor, uuid, "
		    "certificate or csr");
	if (yaml_keys(p->options, keys, e) != 0 || read_algorithm(p, &o, e) != 0 ||
	    read_versions(p->options, &o, e) != 0 || read_vendor(p->options, &o, e) != 0 ||
	    read_identity(p->options, &o, e) != 0)
		return -1;
	if (judge_vendor(p, &o, e) != 0 || judge_identity(p, &o, e) != 0)
		return -1;
	*ret = o;
	return 0;
}
