#include "profile_read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "file.h"
#include "key_algorithm.h"

static const char *const object_names[] = {
	[OBJECT_LEAF] = "leaf",
	[OBJECT_CHAIN] = "chain",
	[OBJECT_ANCHORS] = "anchors",
	[OBJECT_COUNT] = NULL,
};

static const char *const step_names[] = {
	[STEP_IDENTIFY] = "identify",
	[STEP_CLAIM] = "claim",
	[STEP_KEYGEN] = "keygen",
	[STEP_REQUEST] = "request",
	[STEP_ENROL] = "enrol",
	[STEP_INSTALL] = "install",
	[STEP_READBACK] = "readback",
	[STEP_PROVE] = "prove",
	[STEP_SEAL] = "seal",
	[STEP_ATTEST] = "attest",
	[STEP_FINISH] = "finish",
	[STEP_COUNT] = NULL,
};

static const int64_t step_deadlines_ms[STEP_COUNT] = {
	[STEP_IDENTIFY] = 15000,
	[STEP_CLAIM] = 10000,
	[STEP_KEYGEN] = 120000,
	[STEP_REQUEST] = 60000,
	[STEP_ENROL] = 120000,
	[STEP_INSTALL] = 60000,
	[STEP_READBACK] = 60000,
	[STEP_PROVE] = 60000,
	[STEP_SEAL] = 30000,
	[STEP_ATTEST] = 30000,
	[STEP_FINISH] = 10000,
};

const char *object_name(enum object o)
{
	return object_names[o];
}

bool object_parse(const char *name, enum object *ret)
{
	for (int i = 0; i < OBJECT_COUNT; i++) {
		if (strcmp(object_names[i], name) == 0) {
			*ret = (enum object)i;
			return true;
		}
	}
	return false;
}

const char *step_name(enum step_id step)
{
	return step_names[step];
}

bool step_parse(const char *name, enum step_id *ret)
{
	for (int i = 0; i < STEP_COUNT; i++) {
		if (strcmp(step_names[i], name) == 0) {
			*ret = (enum step_id)i;
			return true;
		}
	}
	return false;
}

int profile_error(const struct yaml_node *n, struct err *e, const char *fmt, ...)
{
	char message[sizeof(e->message)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	(void)yaml_error(n, e, "%s", message);
	memcpy(message, e->message, sizeof(message));
	return err_set(e, ERR_CONFIG, "profile", "%s", message);
}

static const struct family *find_family(const char *driver, char *known, size_t size)
{
	const struct family *found = family_find(driver);
	size_t used = 0;

	known[0] = '\0';
	for (size_t i = 0; found == NULL && family_at(i) != NULL && used < size; i++) {
		int len = snprintf(known + used, size - used, "%s%s", i > 0 ? ", " : "",
		    family_at(i)->name);

		used += len > 0 ? (size_t)len : 0;
	}
	return found;
}

/* Keys of the root: the loader's own, and the section of the family that the profile names. */
static int read_root(struct profile *p, const struct yaml_node *root, struct err *e)
{
	const char *keys[] = { "product", "version", "driver", "link", "secret", "identity", "key",
		"subject", "san", "certificate", "trust", "install", "seal", "deadline_ms", NULL,
		NULL };
	char known[200];

	if (yaml_str(root, "driver", NULL, &p->driver, e) < 0)
		return -1;
	if (find_family(p->driver, known, sizeof(known)) == NULL)
		return profile_error(yaml_get(root, "driver"), e,
		    "unknown driver \"%.40s\"; accepted: %s", p->driver, known);
	keys[COUNT(keys) - 2] = p->driver;
	if (yaml_keys(root, keys, e) < 0 || yaml_str(root, "product", NULL, &p->product, e) < 0 ||
	    yaml_str(root, "version", NULL, &p->version, e) < 0)
		return -1;
	if (p->product[0] == '\0' || strlen(p->product) > IDENTITY_MAX)
		return profile_error(yaml_get(root, "product"), e, "product has 1 to %d characters",
		    IDENTITY_MAX);
	if (p->version[0] == '\0' || strlen(p->version) > IDENTITY_MAX)
		return profile_error(yaml_get(root, "version"), e, "version has 1 to %d characters",
		    IDENTITY_MAX);
	return yaml_map(root, p->driver, false, &p->options, e);
}

/* `usb: mctp`: an interface of the device's own. */
static int read_usb_link(struct profile *p, const struct yaml_node *map, struct err *e)
{
	static const char *const kinds[] = { "mctp", "ccid", NULL };
	static const enum profile_link links[] = { LINK_USB_MCTP, LINK_USB_CCID };
	int kind = 0;

	if (yaml_enum(map, "usb", true, kinds, &kind, e) < 0)
		return -1;
	if (yaml_get(map, "baud") != NULL || yaml_get(map, "interface") != NULL)
		return profile_error(map, e,
		    "link: baud and interface are of a serial port; usb: %s has neither",
		    kinds[kind]);
	p->link = links[kind];
	p->baud = 0;
	return 0;
}

static int read_link_map(struct profile *p, const struct yaml_node *map, struct err *e)
{
	static const char *const keys[] = { "baud", "interface", "usb", NULL };

	if (yaml_keys(map, keys, e) < 0)
		return -1;
	if (yaml_get(map, "usb") != NULL)
		return read_usb_link(p, map, e);
	if (yaml_int(map, "baud", true, 300, 4000000, &p->baud, e) < 0)
		return -1;
	return yaml_int(map, "interface", false, 0, 255, &p->tty_interface, e);
}

static int read_link(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const links[LINK_COUNT] = {
		[LINK_SERIAL] = "a serial port",
		[LINK_USB_MCTP] = "usb: mctp",
		[LINK_USB_CCID] = "usb: ccid",
	};
	const struct yaml_node *map;

	p->link = LINK_SERIAL;
	p->baud = 115200;
	p->tty_interface = -1;
	if (yaml_map(root, "link", false, &map, e) < 0 ||
	    (map != NULL && read_link_map(p, map, e) < 0))
		return -1;
	if ((family_find(p->driver)->links & 1U << p->link) == 0)
		return profile_error(map != NULL ? map : yaml_get(root, "driver"), e,
		    "devices of %s are not reached by %s%s", p->driver, links[p->link],
		    map != NULL ? "" : ", which a profile without link means");
	return 0;
}

static int read_secret(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "file", NULL };
	const struct yaml_node *map;

	if (yaml_map(root, "secret", false, &map, e) < 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) < 0)
		return -1;
	return yaml_str(map, "file", NULL, &p->secret_file, e);
}

static int read_key(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "algorithm", "existing", NULL };
	static const char *const policies[] = {
		[EXISTING_REFUSE] = "refuse",
		[EXISTING_REUSE] = "reuse",
		[EXISTING_REPLACE] = "replace",
		NULL,
	};
	int algorithm = 0, existing = EXISTING_REFUSE;
	const struct yaml_node *map;

	if (yaml_map(root, "key", true, &map, e) < 0 || yaml_keys(map, keys, e) < 0 ||
	    yaml_enum(map, "algorithm", true, key_algorithm_names, &algorithm, e) < 0 ||
	    yaml_enum(map, "existing", false, policies, &existing, e) < 0)
		return -1;
	p->key_algorithm = key_algorithm_names[algorithm];
	p->existing_key = (enum existing_key)existing;
	if (!family_find(p->driver)->keygen && p->existing_key != EXISTING_REUSE)
		return profile_error(map, e,
		    "devices of %s can not make a key when asked; write existing: reuse",
		    p->driver);
	return 0;
}

static bool installs(const struct profile *p, enum object object)
{
	for (size_t i = 0; i < p->install_count; i++)
		if (p->install[i] == object)
			return true;
	return false;
}

static int read_install(struct profile *p, const struct yaml_node *root, struct err *e)
{
	const char *words[PROFILE_LIST_MAX] = { NULL };
	const struct yaml_node *list = yaml_get(root, "install");
	enum object object = OBJECT_LEAF;

	if (profile_read_words(root, "install", true, object_names, false, words, e) < 0)
		return -1;
	for (size_t i = 0; words[i] != NULL && object_parse(words[i], &object); i++) {
		if ((family_find(p->driver)->objects & 1U << object) == 0)
			return profile_error(yaml_at(list, i), e, "devices of %s can not store %s",
			    p->driver, words[i]);
		p->install[p->install_count++] = object;
	}
	if (!installs(p, OBJECT_LEAF) && !installs(p, OBJECT_CHAIN))
		return profile_error(list, e, "install has neither leaf nor chain");
	return 0;
}

/* trust.device and `anchors` in install belong together. */
static int check_anchors(const struct profile *p, const struct yaml_node *root, struct err *e)
{
	if (installs(p, OBJECT_ANCHORS) && p->anchors.file == NULL)
		return profile_error(yaml_get(root, "install"), e,
		    "install has anchors, but trust.device does not say which");
	if (!installs(p, OBJECT_ANCHORS) && p->anchors.file != NULL)
		return profile_error(yaml_get(yaml_get(root, "trust"), "device"), e,
		    "trust.device is there, but install has no anchors");
	return 0;
}

static int read_seal(struct profile *p, const struct yaml_node *root, struct err *e)
{
	if (yaml_bool(root, "seal", false, &p->seal, e) < 0)
		return -1;
	if (p->seal && !family_find(p->driver)->seals)
		return profile_error(yaml_get(root, "seal"), e, "devices of %s can not be sealed",
		    p->driver);
	return 0;
}

static int read_deadlines(struct profile *p, const struct yaml_node *root, struct err *e)
{
	const struct yaml_node *map;

	memcpy(p->deadline_ms, step_deadlines_ms, sizeof(p->deadline_ms));
	if (yaml_map(root, "deadline_ms", false, &map, e) < 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, step_names, e) < 0)
		return -1;
	for (int i = 0; i < STEP_COUNT; i++)
		if (yaml_int(map, step_names[i], false, 100, 3600000, &p->deadline_ms[i], e) < 0)
			return -1;
	return 0;
}

static int check_family(struct profile *p, const struct yaml_node *root, struct err *e)
{
	const struct family *family = family_find(p->driver);

	if (!family->identity_before_key)
		return profile_error(yaml_get(root, "driver"), e,
		    "devices of %s say their serial only after they made a key", p->driver);
	return family->check_options != NULL ? family->check_options(p, e) : 0;
}

static int read_all(struct profile *p, struct err *e)
{
	static int (*const sections[])(struct profile *, const struct yaml_node *, struct err *) = {
		read_root,
		read_link,
		read_secret,
		profile_read_identity,
		read_key,
		profile_read_subject,
		profile_read_san,
		profile_read_certificate,
		profile_read_trust,
		read_install,
		read_seal,
		read_deadlines,
		check_family,
	};
	const struct yaml_node *root = yaml_root(p->yaml);

	for (size_t i = 0; i < COUNT(sections); i++)
		if (sections[i](p, root, e) < 0)
			return -1;
	return check_anchors(p, root, e);
}

int profile_parse(struct profile **ret, const char *name, const char *text, size_t len,
    struct err *e)
{
	AUTO_PTR(profile) *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_nomem(e);
	if (len > PROFILE_TEXT_MAX)
		return err_set(e, ERR_CONFIG, "profile", "%s:1:1: longer than %d bytes", name,
		    PROFILE_TEXT_MAX);
	p->name = strdup(name);
	if (p->name == NULL)
		return err_nomem(e);
	if (buf_add(&p->text, text, len, e) < 0 || yaml_parse(&p->yaml, name, text, len, e) < 0)
		return -1;
	sha256(text, len, p->digest);
	if (read_all(p, e) < 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

void profile_free(struct profile *p)
{
	if (p == NULL)
		return;
	profile_free_identity(p);
	profile_free_trust(p);
	buf_free(&p->text);
	yaml_free(p->yaml);
	free(p->name);
	free(p);
}
