#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config_slots.h"
#include "file.h"
#include "printer_address.h"

/* path, as the file says it, made absolute by the file's folder. */
static int path_of(const struct config *c, const struct yaml_node *map, const char *key,
    const char *fallback, char **ret, struct err *e)
{
	AUTO_STRUCT(buf) full = { 0 };
	const char *text;

	if (yaml_str(map, key, fallback, &text, e) != 0 ||
	    file_beside(c->path, text, &full, e) != 0)
		return -1;
	*ret = strndup((const char *)full.data, full.len);
	return *ret != NULL ? 0 : err_nomem(e);
}

/* As path_of, but "prompt" and "credential:NAME" stay as they are. */
static int secret_of(const struct config *c, const struct yaml_node *map, const char *key,
    char **ret, struct err *e)
{
	const char *text;

	if (yaml_str(map, key, NULL, &text, e) != 0)
		return -1;
	if (strcmp(text, "prompt") != 0 && strncmp(text, "credential:", 11) != 0)
		return path_of(c, map, key, NULL, ret, e);
	*ret = strdup(text);
	return *ret != NULL ? 0 : err_nomem(e);
}

static int load_station(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "id", "site", "line", NULL };
	const struct yaml_node *map;

	if (yaml_map(root, "station", true, &map, e) != 0 || yaml_keys(map, keys, e) != 0 ||
	    yaml_str(map, "id", NULL, &c->station, e) != 0 ||
	    yaml_str(map, "site", "", &c->site, e) != 0 ||
	    yaml_str(map, "line", "", &c->line, e) != 0)
		return -1;
	if (c->station[0] == '\0' || strlen(c->station) > 64)
		return yaml_error(yaml_get(map, "id"), e, "a station's id has 1 to 64 characters");
	return 0;
}

static int load_retry(struct config *c, const struct yaml_node *ca, struct err *e)
{
	static const char *const keys[] = { "min_s", "max_s", "default_s", "patience_s", NULL };
	const struct yaml_node *map;

	c->retry_min_s = 1;
	c->retry_max_s = 3600;
	c->retry_default_s = 10;
	c->retry_patience_s = 28800;
	if (yaml_map(ca, "retry", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 ||
	    yaml_int(map, "min_s", false, 1, 86400, &c->retry_min_s, e) != 0 ||
	    yaml_int(map, "max_s", false, c->retry_min_s, 604800, &c->retry_max_s, e) != 0)
		return -1;
	if (yaml_int(map, "default_s", false, c->retry_min_s, c->retry_max_s, &c->retry_default_s,
		e) != 0)
		return -1;
	return yaml_int(map, "patience_s", false, 0, 604800, &c->retry_patience_s, e);
}

static int load_credential(struct config *c, const struct yaml_node *ca, struct err *e)
{
	static const char *const keys[] = { "kind", "file", NULL };
	static const char *const kinds[] = { "basic", "header", NULL };
	const struct yaml_node *map;
	int kind = 0;

	if (yaml_map(ca, "credential", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 || yaml_enum(map, "kind", true, kinds, &kind, e) != 0)
		return -1;
	c->credential_kind = kinds[kind];
	return secret_of(c, map, "file", &c->credential_file, e);
}

static int load_ca(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "url", "anchors", "accept_test_ca", "processes",
		"credential", "retry", NULL };
	const struct yaml_node *map;

	c->ca_processes = 4;
	if (yaml_map(root, "ca", true, &map, e) != 0 || yaml_keys(map, keys, e) != 0 ||
	    yaml_str(map, "url", NULL, &c->ca_url, e) != 0 ||
	    path_of(c, map, "anchors", NULL, &c->ca_anchors, e) != 0 ||
	    yaml_bool(map, "accept_test_ca", false, &c->ca_test, e) != 0 ||
	    yaml_int(map, "processes", false, 1, CONFIG_PROCESSES_MAX, &c->ca_processes, e) != 0)
		return -1;
	if (strncmp(c->ca_url, "https://", 8) != 0)
		return yaml_error(yaml_get(map, "url"), e, "a CA's url begins with https://");
	if (load_credential(c, map, e) != 0)
		return -1;
	return load_retry(c, map, e);
}

static int load_token(struct config *c, const struct yaml_node *hsm, const char *name,
    struct config_token *ret, struct err *e)
{
	static const char *const keys[] = { "token", "key", "certificate", "pin", "anchors", NULL };
	AUTO_STRUCT(buf) guard = { 0 };
	const struct yaml_node *map;

	if (yaml_map(hsm, name, false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 || yaml_str(map, "token", NULL, &ret->token, e) != 0 ||
	    yaml_str(map, "key", NULL, &ret->key, e) != 0 ||
	    secret_of(c, map, "pin", &ret->pin, e) != 0)
		return -1;
	if (path_of(c, map, "certificate", NULL, &ret->certificate, e) != 0 ||
	    buf_printf(&guard, e, "%s/%s.pin-failed", c->state, name) != 0)
		return -1;
	ret->guard = strndup((const char *)guard.data, guard.len);
	if (ret->guard == NULL)
		return err_nomem(e);
	if (ret == &c->tls && yaml_get(map, "anchors") != NULL)
		return yaml_error(yaml_get(map, "anchors"), e, "anchors belong to hsm.attestation");
	return ret == &c->tls ? 0 : path_of(c, map, "anchors", NULL, &c->attestation_anchors, e);
}

static bool is_variable_allowed(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (!isupper((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
			return false;
	return name[0] != '\0' && strncmp(name, "LD_", 3) != 0 && strcmp(name, "PATH") != 0;
}

/* Some modules are configured by variables only (SOFTHSM2_CONF, TPM2_PKCS11_STORE). */
static int load_environment(const struct yaml_node *hsm, struct err *e)
{
	const struct yaml_node *map;

	if (yaml_map(hsm, "environment", false, &map, e) != 0)
		return -1;
	for (size_t i = 0; map != NULL && i < yaml_len(map); i++) {
		const char *name = yaml_key_at(map, i);
		const char *value;

		if (yaml_text(yaml_value_at(map, i), &value, e) != 0)
			return -1;
		if (!is_variable_allowed(name))
			return yaml_error(yaml_value_at(map, i), e, "%s can not be set here", name);
		if (setenv(name, value, 1) != 0)
			return err_nomem(e);
	}
	return 0;
}

static int load_hsm(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "module", "environment", "tls", "attestation", NULL };
	const struct yaml_node *map;

	if (yaml_map(root, "hsm", true, &map, e) != 0 || yaml_keys(map, keys, e) != 0 ||
	    path_of(c, map, "module", NULL, &c->module, e) != 0 || load_environment(map, e) != 0 ||
	    load_token(c, map, "tls", &c->tls, e) != 0 ||
	    load_token(c, map, "attestation", &c->attestation, e) != 0)
		return -1;
	if (c->attestation.token == NULL)
		return yaml_error(map, e,
		    "hsm.attestation is missing: a station attests what it does");
	if (c->tls.token == NULL && c->credential_kind == NULL)
		return yaml_error(map, e,
		    "neither hsm.tls nor ca.credential says who we are to the CA");
	if (c->tls.token != NULL && c->credential_kind != NULL)
		return yaml_error(map, e,
		    "hsm.tls and ca.credential exclude each other: CAs disagree which one counts");
	if (c->tls.token != NULL && strcmp(c->tls.token, c->attestation.token) == 0)
		return yaml_error(map, e,
		    "the TLS and the attestation key must lie in different tokens: what faces the "
		    "network "
		    "never holds the attestation login");
	return 0;
}

static int load_order(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "id", "quantity", NULL };
	const struct yaml_node *map;

	if (yaml_map(root, "order", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 || yaml_str(map, "id", NULL, &c->order, e) != 0)
		return -1;
	return yaml_int(map, "quantity", true, 1, 1000000000, &c->quantity, e);
}

static int read_root(struct config *c, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (file_read(c->path, 256 * 1024, &text, e) != 0)
		return -1;
	return yaml_parse(&c->yaml, c->path, (const char *)text.data, text.len, e);
}

/* "0660": what chmod takes. Nobody but a group is ever let in. */
static int read_mode(const struct yaml_node *map, unsigned *ret, struct err *e)
{
	const char *text;
	char *end;
	unsigned long mode;

	if (yaml_str(map, "mode", "0600", &text, e) != 0)
		return -1;
	mode = strtoul(text, &end, 8);
	if (*end != '\0' || end == text || (mode != 0600 && mode != 0660))
		return yaml_error(yaml_get(map, "mode"), e, "mode is \"0600\" or \"0660\"");
	*ret = (unsigned)mode;
	return 0;
}

static int load_control(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "socket", "mode", "group", NULL };
	AUTO_STRUCT(buf) fallback = { 0 };
	const struct yaml_node *map;

	c->control_mode = 0600;
	if (yaml_map(root, "control", false, &map, e) != 0)
		return -1;
	if (map == NULL || yaml_get(map, "socket") == NULL) {
		if (buf_printf(&fallback, e, "%s/control.sock", c->state) != 0)
			return -1;
		c->control_socket = strndup((const char *)fallback.data, fallback.len);
		if (c->control_socket == NULL)
			return err_nomem(e);
	}
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 || read_mode(map, &c->control_mode, e) != 0 ||
	    (yaml_get(map, "group") != NULL &&
		yaml_str(map, "group", NULL, &c->control_group, e) != 0))
		return -1;
	if (c->control_socket == NULL)
		return path_of(c, map, "socket", NULL, &c->control_socket, e);
	return 0;
}

static int load_operators(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "file", "required", "idle_s", NULL };
	const struct yaml_node *map;

	c->operators_required = true;
	c->operators_idle_s = 900;
	if (yaml_map(root, "operators", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 ||
	    yaml_bool(map, "required", false, &c->operators_required, e) != 0 ||
	    yaml_int(map, "idle_s", false, 1, 86400, &c->operators_idle_s, e) != 0)
		return -1;
	return path_of(c, map, "file", NULL, &c->operators_file, e);
}

/* "file:PATH" with the path made absolute; anything else as it is. */
static int printer_of(const struct config *c, const struct yaml_node *map, char **ret,
    struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	const char *said;

	if (yaml_str(map, "printer", NULL, &said, e) != 0)
		return -1;
	if (strncmp(said, "file:", 5) != 0) {
		*ret = strdup(said);
		return *ret != NULL ? 0 : err_nomem(e);
	}
	if (buf_add_str(&text, "file:", e) != 0 || file_beside(c->path, said + 5, &text, e) != 0)
		return -1;
	*ret = strndup((const char *)text.data, text.len);
	return *ret != NULL ? 0 : err_nomem(e);
}

static int load_label(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "template", "printer", NULL };
	const struct yaml_node *map;
	struct printer_address ignored;
	struct err why = { 0 };

	if (yaml_map(root, "label", false, &map, e) != 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) != 0 ||
	    path_of(c, map, "template", NULL, &c->label_template, e) != 0 ||
	    printer_of(c, map, &c->label_printer, e) != 0)
		return -1;
	if (printer_address_parse(c->label_printer, &ignored, &why) != 0)
		return yaml_error(yaml_get(map, "printer"), e, "%s", why.message);
	return 0;
}

/* A port has one owner, and a badge is never taken for a label. */
static int check_scanner(const struct config *c, const struct yaml_node *root, struct err *e)
{
	if (c->scan.order != SCAN_NONE && c->operators_file != NULL && !c->scan.label.compiled)
		return yaml_error(yaml_get(root, "scan"), e,
		    "with operators, label says what is a unit's label and what is a badge");
	for (size_t i = 0; c->scan.device != NULL && i < c->slot_count; i++) {
		const char *address = c->slots[i].address;
		size_t len = strlen(c->scan.device);

		if (address != NULL && strncmp(address, "serial:", 7) == 0 &&
		    strncmp(address + 7, c->scan.device, len) == 0 &&
		    (address[7 + len] == '\0' || address[7 + len] == '?'))
			return yaml_error(yaml_get(yaml_get(root, "scan"), "device"), e,
			    "the scanner's port is slot %s's", c->slots[i].name);
	}
	return 0;
}

static int load(struct config *c, struct err *e)
{
	static const char *const keys[] = { "station", "records", "state", "profile", "ca", "hsm",
		"slots", "fixture", "control", "operators", "order", "shifts", "rules", "label",
		"scan", NULL };
	const struct yaml_node *root;

	if (read_root(c, e) != 0)
		return -1;
	root = yaml_root(c->yaml);
	if (yaml_keys(root, keys, e) != 0 || load_station(c, root, e) != 0 ||
	    path_of(c, root, "records", NULL, &c->records, e) != 0 ||
	    path_of(c, root, "state", "state", &c->state, e) != 0 ||
	    path_of(c, root, "profile", NULL, &c->profile, e) != 0 || load_ca(c, root, e) != 0 ||
	    load_hsm(c, root, e) != 0 || config_slots_load(c, root, true, e) != 0 ||
	    load_control(c, root, e) != 0 || load_operators(c, root, e) != 0)
		return -1;
	if (shifts_load(&c->shifts, root, e) != 0 || config_rules_load(&c->rules, root, e) != 0 ||
	    load_label(c, root, e) != 0 || scan_config_load(&c->scan, root, e) != 0 ||
	    check_scanner(c, root, e) != 0)
		return -1;
	return load_order(c, root, e);
}

static int load_slots(struct config *c, struct err *e)
{
	if (read_root(c, e) != 0)
		return -1;
	return config_slots_load(c, yaml_root(c->yaml), false, e);
}

static int load_by(int (*read)(struct config *c, struct err *e), struct config **ret,
    const char *path, struct err *e)
{
	AUTO_PTR(config) *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->path = strdup(path)) == NULL)
		return err_nomem(e);
	if (read(c, e) != 0)
		return -1;
	*ret = steal(&c);
	return 0;
}

int config_load(struct config **ret, const char *path, struct err *e)
{
	return load_by(load, ret, path, e);
}

int config_load_slots(struct config **ret, const char *path, struct err *e)
{
	return load_by(load_slots, ret, path, e);
}

int config_load_slots_file(struct config **ret, const char *path, struct err *e)
{
	return load_by(config_slots_load_file, ret, path, e);
}

static void free_token(struct config_token *t)
{
	free(t->certificate);
	free(t->pin);
	free(t->guard);
}

void config_free(struct config *c)
{
	scan_config_free(&c->scan);
	if (c->yaml != NULL)
		yaml_free(c->yaml);
	if (c->slots_yaml != NULL)
		yaml_free(c->slots_yaml);
	free(c->slots_file);
	free(c->path);
	free(c->records);
	free(c->profile);
	free(c->state);
	free(c->ca_anchors);
	free(c->module);
	free(c->attestation_anchors);
	free(c->control_socket);
	free(c->operators_file);
	free(c->credential_file);
	free(c->label_template);
	free(c->label_printer);
	free_token(&c->tls);
	free_token(&c->attestation);
	free(c);
}

int config_pin(const struct config_token *t, struct secret *ret, struct err *e)
{
	AUTO_STRUCT(buf) question = { 0 };
	const char *text;

	if (strcmp(t->pin, "prompt") != 0)
		return secret_from_file(ret, t->pin, e);
	if (buf_printf(&question, e, "PIN of token %s", t->token) != 0)
		return -1;
	text = buf_str(&question, e);
	return text != NULL ? secret_prompt(ret, text, e) : -1;
}
