#include "check_options.h"

#include <stdlib.h>
#include <string.h>

#include "piv.h"

static const struct piv_algorithm algorithms[] = {
	{ "EC:P-256", "P-256", 0x11, 256, "SHA256", 32 },
	{ "EC:P-384", "P-384", 0x14, 384, "SHA384", 48 },
	{ "RSA:2048", NULL, 0x07, 2048, "SHA256", 32 },
	{ "RSA:3072", NULL, 0x05, 3072, "SHA256", 32 },
	{ "RSA:4096", NULL, 0x16, 4096, "SHA256", 32 },
};

static const struct {
	uint8_t slot;
	uint32_t object;
} slots[] = {
	{ PIV_SLOT_AUTHENTICATION, 0x5fc105 },
	{ PIV_SLOT_SIGNATURE, 0x5fc10a },
	{ PIV_SLOT_MANAGEMENT, 0x5fc10b },
	{ PIV_SLOT_CARD, 0x5fc101 },
};

enum { RETIRED_OBJECT_FIRST = 0x5fc10d, RETIRED_OBJECT_LAST = 0x5fc120 };

/* The section itself, or the root of a profile that has none: what errors point at. */
static const struct yaml_node *place(const struct profile *p, const char *key)
{
	const struct yaml_node *n = p->options != NULL ? yaml_get(p->options, key) : NULL;

	if (n != NULL)
		return n;
	return p->options != NULL ? p->options : yaml_root(p->yaml);
}

static int read_algorithm(const struct profile *p, struct piv_options *o, struct err *e)
{
	const struct yaml_node *key = yaml_get(yaml_root(p->yaml), "key");

	for (size_t i = 0; i < COUNT(algorithms); i++) {
		if (strcmp(p->key_algorithm, algorithms[i].name) == 0) {
			o->algorithm = &algorithms[i];
			return 0;
		}
	}
	return yaml_error(key != NULL ? key : place(p, "slot"), e,
	    "key algorithm %s is not one of the piv family: EC:P-256, EC:P-384, RSA:2048, "
	    "RSA:3072, "
	    "RSA:4096",
	    p->key_algorithm);
}

/* len hexadecimal digits. */
static bool is_hex(const char *text, size_t len)
{
	return strlen(text) == len && strspn(text, "0123456789abcdefABCDEF") == len;
}

static int read_slot(const struct profile *p, struct piv_options *o, struct err *e)
{
	const char *text;

	if (yaml_str(p->options, "slot", "9a", &text, e) != 0)
		return -1;
	o->slot = is_hex(text, 2) ? (uint8_t)strtoul(text, NULL, 16) : 0;
	for (size_t i = 0; i < COUNT(slots); i++)
		if (o->slot == slots[i].slot)
			o->object = slots[i].object;
	if (o->slot >= PIV_SLOT_RETIRED_FIRST && o->slot <= PIV_SLOT_RETIRED_LAST)
		o->object = RETIRED_OBJECT_FIRST + (uint32_t)(o->slot - PIV_SLOT_RETIRED_FIRST);
	if (o->object == 0)
		return yaml_error(place(p, "slot"), e,
		    "unknown slot \"%.20s\"; accepted: \"9a\" \"9c\" \"9d\" \"9e\" \"82\" to "
		    "\"95\"",
		    text);
	return 0;
}

/* Objects that mean something else already are no place for anchors. */
static bool is_free(uint32_t object, const struct piv_options *o)
{
	if (object == o->object || object == YUBICO_OBJECT_ATTESTATION)
		return false;
	return (object >= RETIRED_OBJECT_FIRST && object <= RETIRED_OBJECT_LAST) ||
	       object >> 8 == 0x5fff;
}

static int read_anchors(const struct profile *p, struct piv_options *o, struct err *e)
{
	const char *text;
	bool installs = false;

	if (yaml_str(p->options, "anchors", "", &text, e) != 0)
		return -1;
	for (size_t i = 0; i < p->install_count; i++)
		installs = installs || p->install[i] == OBJECT_ANCHORS;
	if (*text == '\0' && installs)
		return yaml_error(place(p, "anchors"), e,
		    "install of anchors needs the object to put them in: anchors: \"5fff10\"");
	if (*text == '\0')
		return 0;
	o->anchors = is_hex(text, 6) ? (uint32_t)strtoul(text, NULL, 16) : 0;
	if (!is_free(o->anchors, o))
		return yaml_error(place(p, "anchors"), e,
		    "anchors go into an object from \"5fc10d\" to \"5fc120\" that is not the "
		    "slot's own, or \"5fff00\" and \"5fff02\" to \"5fffff\"");
	if (!installs)
		return yaml_error(place(p, "anchors"), e,
		    "anchors is there, but install has no anchors");
	return 0;
}

static int read_policies(const struct profile *p, struct piv_options *o, struct err *e)
{
	static const char *const pins[] = { "default", "never", "once", "always", NULL };
	static const char *const touches[] = { "default", "never", "always", "cached", NULL };
	int pin = 0, touch = 0;

	if (yaml_enum(p->options, "pin_policy", false, pins, &pin, e) != 0 ||
	    yaml_enum(p->options, "touch_policy", false, touches, &touch, e) != 0)
		return -1;
	o->pin_policy = (uint8_t)pin;
	o->touch_policy = (uint8_t)touch;
	return 0;
}

static int read_secrets(const struct profile *p, struct piv_options *o, struct err *e)
{
	static const char *const names[] = { "auto", "3des", "aes128", "aes192", "aes256", NULL };
	static const uint8_t ids[] = { 0, PIV_3DES, PIV_AES128, PIV_AES192, PIV_AES256 };
	int algorithm = 0;

	if (yaml_enum(p->options, "management_key_algorithm", false, names, &algorithm, e) != 0 ||
	    yaml_bool(p->options, "factory_secrets", false, &o->factory_secrets, e) != 0)
		return -1;
	o->management_algorithm = ids[algorithm];
	if (o->factory_secrets == (p->secret_file != NULL))
		return yaml_error(place(p, "factory_secrets"), e,
		    "write either secret: { file: ... } with the management key and the PIN, or "
		    "factory_secrets: true");
	return 0;
}

static int read_identity(const struct profile *p, struct piv_options *o, struct err *e)
{
	static const char *const ways[] = { "serial", "guid", NULL };
	const char *model;
	int way = PIV_BY_SERIAL;

	if (yaml_enum(p->options, "identity", true, ways, &way, e) != 0 ||
	    yaml_str(p->options, "model", "", &model, e) != 0)
		return -1;
	if (strlen(model) > IDENTITY_MAX)
		return yaml_error(place(p, "model"), e, "model has 1 to %d characters",
		    IDENTITY_MAX);
	for (const char *c = model; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			return yaml_error(place(p, "model"), e, "model is printable ASCII");
	o->identity = (enum piv_identity)way;
	o->model = *model != '\0' ? model : NULL;
	return 0;
}

int piv_options_read(const struct profile *p, struct piv_options *ret, struct err *e)
{
	static const char *const keys[] = { "identity", "model", "slot", "anchors", "pin_policy",
		"touch_policy", "management_key_algorithm", "factory_secrets", NULL };
	struct piv_options o = { 0 };

	if (p->options == NULL)
		return yaml_error(yaml_root(p->yaml), e,
		    "a profile of driver piv needs a section piv with identity: serial or guid");
	if (yaml_keys(p->options, keys, e) != 0 || read_algorithm(p, &o, e) != 0 ||
	    read_identity(p, &o, e) != 0 || read_slot(p, &o, e) != 0 ||
	    read_anchors(p, &o, e) != 0 || read_policies(p, &o, e) != 0 ||
	    read_secrets(p, &o, e) != 0)
		return -1;
	*ret = o;
	return 0;
}
