#include "options.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/objects.h>

/* The templates that a command may and must use. */
struct rule {
	const char *command;
	struct shell_value known[8]; /* values are stand-ins */
	const char *needs[3];        /* NULL at the end */
};

static const struct rule no_templates = { .command = "this" };
static const struct rule keygen_rule = { "keygen", { { "model", "" }, { "serial", "" } },
	{ NULL } };
static const struct rule request_rule = {
	"request",
	{ { "model", "" }, { "serial", "" }, { "subject", "" }, { "csr_config", "" },
	    { "csr", "" } },
	{ "{csr}" },
};
static const struct rule prove_rule = {
	"prove",
	{ { "preimage", "" }, { "signature", "" } },
	{ "{preimage}", "{signature}" },
};

static bool is_one_line(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static int check_command(const struct yaml_node *n, const char *text, const struct rule *rule,
    struct err *e)
{
	AUTO_STRUCT(buf) expanded = { 0 };
	struct err why = { 0 };

	if (!is_one_line(text, SHELL_COMMAND_MAX))
		return yaml_error(n, e,
		    "a command is one line of 1 to %d printable ASCII characters",
		    SHELL_COMMAND_MAX);
	if (shell_expand(text, rule->known, &expanded, &why) != 0)
		return err_is(&why, "nomem") ? err_nomem(e) : yaml_error(n, e, "%s", why.message);
	for (size_t i = 0; i < COUNT(rule->needs) && rule->needs[i] != NULL; i++)
		if (strstr(text, rule->needs[i]) == NULL)
			return yaml_error(n, e, "the %s command does not use %s", rule->command,
			    rule->needs[i]);
	return 0;
}

/* A command, or NULL where it is absent and not required. */
static int command(const struct yaml_node *map, const char *key, bool required,
    const struct rule *rule, const char **ret, struct err *e)
{
	const struct yaml_node *n = yaml_get(map, key);

	*ret = NULL;
	if (n == NULL && !required)
		return 0;
	if (yaml_str(map, key, NULL, ret, e) != 0)
		return -1;
	return check_command(n, *ret, rule, e);
}

static int read_login(const struct yaml_node *section, struct shell_options *ret, struct err *e)
{
	static const char *const keys[] = { "user", "login_prompt", "password_prompt", NULL };
	const struct yaml_node *login;

	ret->login_prompt = "login:";
	ret->password_prompt = "assword:";
	if (yaml_map(section, "login", false, &login, e) != 0)
		return -1;
	if (login == NULL)
		return 0;
	if (yaml_keys(login, keys, e) != 0 || yaml_str(login, "user", NULL, &ret->user, e) != 0 ||
	    yaml_str(login, "login_prompt", ret->login_prompt, &ret->login_prompt, e) != 0 ||
	    yaml_str(login, "password_prompt", ret->password_prompt, &ret->password_prompt, e) != 0)
		return -1;
	if (!is_one_line(ret->user, 64) || !is_one_line(ret->login_prompt, 64) ||
	    !is_one_line(ret->password_prompt, 64))
		return yaml_error(login, e,
		    "a user and a prompt have 1 to 64 printable ASCII characters");
	return 0;
}

static int read_setup(const struct yaml_node *section, struct shell_options *ret, struct err *e)
{
	const struct yaml_node *list;

	if (yaml_list(section, "setup", false, &list, e) != 0)
		return -1;
	if (list == NULL)
		return 0;
	if (yaml_len(list) > SHELL_SETUP_MAX)
		return yaml_error(list, e, "at most %d setup commands", SHELL_SETUP_MAX);
	for (size_t i = 0; i < yaml_len(list); i++) {
		const struct yaml_node *n = yaml_at(list, i);

		if (yaml_text(n, &ret->setup[i], e) != 0 ||
		    check_command(n, ret->setup[i], &no_templates, e) != 0)
			return -1;
		ret->setup_count++;
	}
	return 0;
}

static int read_identify(const struct yaml_node *commands, struct shell_options *ret, struct err *e)
{
	static const char *const keys[] = { "model", "serial", "key_present", "firmware",
		"lifecycle", "uuid", NULL };
	const struct yaml_node *map;

	if (yaml_map(commands, "identify", true, &map, e) != 0 || yaml_keys(map, keys, e) != 0 ||
	    command(map, "model", true, &no_templates, &ret->model, e) != 0 ||
	    command(map, "serial", true, &no_templates, &ret->serial, e) != 0 ||
	    command(map, "key_present", true, &no_templates, &ret->key_present, e) != 0 ||
	    command(map, "firmware", false, &no_templates, &ret->firmware, e) != 0 ||
	    command(map, "lifecycle", false, &no_templates, &ret->lifecycle, e) != 0)
		return -1;
	return command(map, "uuid", false, &no_templates, &ret->uuid, e);
}

static int read_commands(const struct profile *p, const struct yaml_node *section,
    struct shell_options *ret, struct err *e)
{
	static const char *const keys[] = { "identify", "keygen", "request", "prove", "seal",
		NULL };
	const struct yaml_node *commands;
	bool makes_key = p->existing_key != EXISTING_REUSE;

	if (yaml_map(section, "commands", true, &commands, e) != 0 ||
	    yaml_keys(commands, keys, e) != 0 || read_identify(commands, ret, e) != 0 ||
	    command(commands, "keygen", makes_key, &keygen_rule, &ret->keygen, e) != 0 ||
	    command(commands, "request", true, &request_rule, &ret->request, e) != 0 ||
	    command(commands, "prove", true, &prove_rule, &ret->prove, e) != 0)
		return -1;
	return command(commands, "seal", p->seal, &no_templates, &ret->seal, e);
}

static bool is_path(const char *text)
{
	return is_one_line(text, SHELL_PATH_MAX) && text[0] != '-' && text[strlen(text) - 1] != '/';
}

static int read_files(const struct profile *p, const struct yaml_node *section,
    struct shell_options *ret, struct err *e)
{
	static const char *const keys[] = { "leaf", "chain", "anchors", NULL };
	const struct yaml_node *files;

	if (yaml_map(section, "files", true, &files, e) != 0 || yaml_keys(files, keys, e) != 0)
		return -1;
	for (size_t i = 0; i < OBJECT_COUNT; i++) {
		const char *name = object_name((enum object)i);

		if (yaml_get(files, name) == NULL)
			continue;
		if (yaml_str(files, name, NULL, &ret->files[i], e) != 0)
			return -1;
		if (!is_path(ret->files[i]))
			return yaml_error(yaml_get(files, name), e,
			    "a path has 1 to %d printable ASCII characters, no '-' first and no "
			    "'/' last",
			    SHELL_PATH_MAX);
	}
	for (size_t i = 0; i < p->install_count; i++)
		if (ret->files[p->install[i]] == NULL)
			return yaml_error(files, e,
			    "the profile installs the %s and names no file for it",
			    object_name(p->install[i]));
	if (ret->files[OBJECT_LEAF] == NULL && ret->files[OBJECT_CHAIN] == NULL)
		return yaml_error(files, e,
		    "the proof needs the certificate: name the file of leaf or chain");
	return 0;
}

static unsigned long type_bit(enum string_type type)
{
	switch (type) {
	case STRING_UTF8:
		return B_ASN1_UTF8STRING;
	case STRING_PRINTABLE:
		return B_ASN1_PRINTABLESTRING;
	case STRING_IA5:
		return B_ASN1_IA5STRING;
	}
	return 0;
}

/*
 * OpenSSL has one mask for a whole subject (ASN1_STRING_set_by_NID(3)), and a fixed type for some
 * attributes, as countryName.
 */
static int string_mask(const struct profile *p, const struct yaml_node *section, const char **ret,
    struct err *e)
{
	unsigned long mask = 0;

	for (size_t i = 0; i < p->rdn_count; i++) {
		const struct profile_rdn *rdn = &p->rdns[i];
		const ASN1_STRING_TABLE *row = ASN1_STRING_TABLE_get(OBJ_txt2nid(rdn->type));
		unsigned long bit = type_bit(rdn->string);

		if (row != NULL && (row->flags & STABLE_NO_MASK) != 0) {
			if (row->mask != bit)
				return yaml_error(section, e,
				    "openssl knows one string type for %s, not the profile's",
				    rdn->type);
			continue;
		}
		if (mask != 0 && mask != bit)
			return yaml_error(section, e,
			    "openssl uses one string type for a subject; %s asks for another",
			    rdn->type);
		mask = bit;
	}
	if (mask == B_ASN1_PRINTABLESTRING)
		*ret = "MASK:0x2";
	else
		*ret = mask == B_ASN1_IA5STRING ? "MASK:0x10" : "utf8only";
	return 0;
}

/* How the certificate request gets the profile's subject and alternative names. */
static int check_request(const struct profile *p, const struct yaml_node *section,
    struct shell_options *o, struct err *e)
{
	bool config = strstr(o->request, "{csr_config}") != NULL;
	bool text = strstr(o->request, "{subject}") != NULL;

	if (p->rdn_count == 0)
		return yaml_error(section, e, "openssl writes no empty subject: name one");
	if (!config && !text)
		return yaml_error(section, e,
		    "the request command uses neither {csr_config} nor {subject}");
	if (string_mask(p, section, &o->string_mask, e) != 0)
		return -1;
	if (!config && (p->san_count > 0 || strcmp(o->string_mask, "utf8only") != 0))
		return yaml_error(section, e,
		    "alternative names, and string types but utf8, need {csr_config}");
	return 0;
}

int shell_options(const struct profile *p, struct shell_options *ret, struct err *e)
{
	static const char *const keys[] = { "login", "setup", "work", "commands", "files", NULL };
	const struct yaml_node *section = p->options;
	struct shell_options o = { 0 };

	if (section == NULL)
		return yaml_error(yaml_root(p->yaml), e,
		    "linux-shell needs a section \"linux-shell\" with the product's commands");
	if (strcmp(p->key_algorithm, "ED25519") == 0)
		return yaml_error(section, e,
		    "linux-shell proves with SHA-256, which ED25519 can not");
	if (yaml_keys(section, keys, e) != 0 || read_login(section, &o, e) != 0 ||
	    read_setup(section, &o, e) != 0 ||
	    yaml_str(section, "work", ".kiln", &o.work, e) != 0 ||
	    read_commands(p, section, &o, e) != 0 || read_files(p, section, &o, e) != 0 ||
	    check_request(p, section, &o, e) != 0)
		return -1;
	if (!is_path(o.work))
		return yaml_error(section, e, "\"work\" is no path");
	*ret = o;
	return 0;
}
