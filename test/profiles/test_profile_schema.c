/* profile.schema.json and the loader say the same of the same profiles. */
#include "profile.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "schema.h"

/* A good profile; each case changes one thing of it. */
static const char base[] =
    "{'product': 'p', 'version': '1', 'driver': 'spdm',"
    " 'spdm': {'identity': 'vendor', 'vendor_pen': 32473},"
    " 'identity': {'model': {'pattern': 'M', 'example': 'M'},"
    "              'serial': {'pattern': 'S[0-9]+', 'example': 'S1'},"
    "              'firmware': {'pattern': '.*'}},"
    " 'key': {'algorithm': 'EC:P-256'},"
    " 'subject': [{'type': 'CN', 'value': '{serial}'}],"
    " 'san': {'names': [{'hardware_module': {'type': '1.2.3', 'serial': '{serial}'}}]},"
    " 'certificate': {'key_usage': ['digitalSignature'], 'extended_key_usage': ['clientAuth'],"
    "                 'signatures': ['ecdsa-with-SHA256'],"
    "                 'validity': {'min_days': 1, 'max_days': 2}},"
    " 'trust': {'issuer': {'file': 'f', 'sha256': "
    "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF'},"
    "           'device': {'file': 'f', 'sha256': "
    "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF'}},"
    " 'install': ['chain', 'anchors']}";

/* At path: a value, or NULL to remove what is there. */
struct change {
	const char *path, *value;
};

static const struct change good[] = {
	{ "/link", "{'baud': 9600}" },
	{ "/link", "{'baud': 9600, 'interface': 0}" },
	{ "/link", "{'usb': 'mctp'}" },
	{ "/secret", "{'file': 'pin'}" },
	{ "/identity/lifecycle", "{'pattern': 'manufacturing|sealed'}" },
	{ "/identity/firmware", NULL },
	{ "/key/algorithm", "'EC:P-384'" },
	{ "/key/existing", "'refuse'" },
	{ "/key/existing", "'reuse'" },
	{ "/key/existing", "'replace'" },
	{ "/subject", "[{'type': '2.5.4.3', 'value': '{serial}', 'string': 'ia5'}]" },
	{ "/subject",
	    "[{'type': 'O', 'value': 'a {{b}}'}, {'type': 'CN', 'value': '{serial}{model}'}]" },
	{ "/san", NULL },
	{ "/san/critical", "true" },
	{ "/san/names", "[{'uri': 'urn:x:{serial}'}, {'dns': '{serial}.example'}]" },
	{ "/certificate/key_usage", "[]" },
	{ "/certificate/key_usage", "['keyAgreement', 'digitalSignature', 'decipherOnly']" },
	{ "/certificate/key_usage_critical", "false" },
	{ "/certificate/extended_key_usage", "[]" },
	{ "/certificate/extended_key_usage", "['serverAuth', '1.3.6.1.4.1.32473.1']" },
	{ "/certificate/policies", "['1.2.3', '2.999.1']" },
	{ "/certificate/policies", "[]" },
	{ "/certificate/signatures", "['1.2.840.10045.4.3.2', 'rsassaPss', 'ED448']" },
	{ "/certificate/extra_extensions", "['1.2.3']" },
	{ "/certificate/validity", "{'no_expiry': true}" },
	{ "/certificate/validity", "{'no_expiry': true, 'outlives_issuer': true}" },
	{ "/certificate/validity", "{'no_expiry': false, 'min_days': 0, 'max_days': 36525}" },
	{ "/certificate/clock_skew_s", "0" },
	{ "/certificate/basic_constraints", "'forbidden'" },
	{ "/certificate/subject_key_id", "'required'" },
	{ "/certificate/authority_key_id", "'optional'" },
	{ "/certificate/aia", "'optional'" },
	{ "/certificate/crl_distribution_points", "'required'" },
	{ "/certificate/mud_url", "'required'" },
	{ "/certificate/min_serial_bits", "159" },
	{ "/certificate/max_chain", "2" },
	{ "/trust/intermediates",
	    "{'file': 'i', 'sha256': "
	    "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}" },
	{ "/install", "['anchors', 'chain']" },
	{ "/seal", "false" },
	{ "/seal", "true" },
	{ "/deadline_ms", "{}" },
	{ "/deadline_ms", "{'keygen': 3600000, 'identify': 100, 'finish': 5000}" },
};

/* Refused by both. */
static const struct change bad[] = {
	{ "/product", NULL },
	{ "/product", "''" },
	{ "/product", "1" },
	{ "/product", "'12345678901234567890123456789012345678901234567890123456789012345'" },
	{ "/version", NULL },
	{ "/version", "1" },
	{ "/version", "''" },
	{ "/driver", NULL },
	{ "/driver", "'smoke-signals'" },
	{ "/unknown", "1" },
	{ "/linux-shell", "{}" },
	{ "/link", "9600" },
	{ "/link", "{}" },
	{ "/link", "{'baud': 299}" },
	{ "/link", "{'baud': 4000001}" },
	{ "/link", "{'baud': '9600'}" },
	{ "/link", "{'baud': 9600, 'parity': 'even'}" },
	{ "/link", "{'interface': 1}" },
	{ "/link", "{'baud': 9600, 'interface': 256}" },
	{ "/link", "{'baud': 9600, 'interface': -1}" },
	{ "/link", "{'usb': 'hid'}" },
	{ "/link", "{'usb': 'mctp', 'baud': 9600}" },
	{ "/link", "{'usb': 'mctp', 'interface': 1}" },
	{ "/secret", "{}" },
	{ "/secret", "'pin'" },
	{ "/secret", "{'file': 'x', 'env': 'y'}" },
	{ "/identity", NULL },
	{ "/identity/model", NULL },
	{ "/identity/serial", NULL },
	{ "/identity/colour", "{'pattern': 'x'}" },
	{ "/identity/model", "{'pattern': 'M'}" },
	{ "/identity/model", "{'example': 'M'}" },
	{ "/identity/model", "{'pattern': '', 'example': 'M'}" },
	{ "/identity/model", "{'pattern': '.*', 'example': ''}" },
	{ "/identity/model", "{'pattern': 'M', 'example': 'M', 'x': 1}" },
	{ "/identity/serial", "{'pattern': '.*', 'example': 'SX'}" },
	{ "/identity/serial", "{'pattern': '.*', 'example': '\\u00fc1'}" },
	{ "/identity/firmware", "{'pattern': '.*', 'example': '1'}" },
	{ "/identity/firmware", "'.*'" },
	{ "/key", NULL },
	{ "/key", "{}" },
	{ "/key/algorithm", "'EC:P-224'" },
	{ "/key/algorithm", "'RSA:1024'" },
	{ "/key/existing", "'ignore'" },
	{ "/key/export", "true" },
	{ "/subject", NULL },
	{ "/subject", "{}" },
	{ "/subject", "['CN']" },
	{ "/subject", "[{'type': 'CN'}]" },
	{ "/subject", "[{'value': '{serial}'}]" },
	{ "/subject", "[{'type': 'cn', 'value': '{serial}'}]" },
	{ "/subject", "[{'type': '1.02.3', 'value': '{serial}'}]" },
	{ "/subject", "[{'type': '3.1.2', 'value': '{serial}'}]" },
	{ "/subject", "[{'type': '1.40.2', 'value': '{serial}'}]" },
	{ "/subject", "[{'type': '1.2', 'value': '{serial}'}]" },
	{ "/subject", "[{'type': 'CN', 'value': ''}]" },
	{ "/subject", "[{'type': 'CN', 'value': '{serial}', 'string': 'bmp'}]" },
	{ "/subject", "[{'type': 'CN', 'value': '{serial}', 'optional': true}]" },
	{ "/san/names", NULL },
	{ "/san/names", "[]" },
	{ "/san/names", "['x']" },
	{ "/san/names", "[{}]" },
	{ "/san/names", "[{'uri': 'urn:x:y', 'dns': 'x'}]" },
	{ "/san/names", "[{'email': 'a@b.example'}]" },
	{ "/san/names", "[{'uri': ''}]" },
	{ "/san/names", "[{'hardware_module': {'serial': '{serial}'}}]" },
	{ "/san/names", "[{'hardware_module': {'type': '1.2.3'}}]" },
	{ "/san/names", "[{'hardware_module': {'type': 'x', 'serial': '{serial}'}}]" },
	{ "/san/names", "[{'hardware_module': '{serial}'}]" },
	{ "/san/critical", "'yes'" },
	{ "/san/more", "1" },
	{ "/certificate", NULL },
	{ "/certificate/key_usage", NULL },
	{ "/certificate/key_usage", "['keyCertSign']" },
	{ "/certificate/key_usage", "['digitalSignature', 'digitalSignature']" },
	{ "/certificate/key_usage", "'digitalSignature'" },
	{ "/certificate/key_usage_critical", "1" },
	{ "/certificate/extended_key_usage", NULL },
	{ "/certificate/extended_key_usage", "['TLS']" },
	{ "/certificate/policies", "['anyPolicy']" },
	{ "/certificate/policies", "['1.2.3', '1.2.3']" },
	{ "/certificate/signatures", NULL },
	{ "/certificate/signatures", "[]" },
	{ "/certificate/signatures", "['ecdsa-with-SHA1']" },
	{ "/certificate/extra_extensions", "['basicConstraints']" },
	{ "/certificate/validity", NULL },
	{ "/certificate/validity", "{}" },
	{ "/certificate/validity", "{'min_days': 1}" },
	{ "/certificate/validity", "{'max_days': 1}" },
	{ "/certificate/validity", "{'no_expiry': false}" },
	{ "/certificate/validity", "{'no_expiry': true, 'max_days': 1}" },
	{ "/certificate/validity", "{'min_days': 1, 'max_days': 36526}" },
	{ "/certificate/validity", "{'min_days': -1, 'max_days': 2}" },
	{ "/certificate/validity", "{'min_days': 1, 'max_days': 2, 'hours': 3}" },
	{ "/certificate/clock_skew_s", "86401" },
	{ "/certificate/basic_constraints", "'maybe'" },
	{ "/certificate/subject_key_id", "true" },
	{ "/certificate/authority_key_id", "'no'" },
	{ "/certificate/aia", "'http://x.example'" },
	{ "/certificate/crl_distribution_points", "[]" },
	{ "/certificate/mud_url", "'https://x.example'" },
	{ "/certificate/min_serial_bits", "160" },
	{ "/certificate/max_chain", "1" },
	{ "/certificate/max_chain", "9" },
	{ "/certificate/lint", "false" },
	{ "/trust", NULL },
	{ "/trust/issuer", NULL },
	{ "/trust/issuer/file", NULL },
	{ "/trust/issuer/file", "''" },
	{ "/trust/issuer/sha256", NULL },
	{ "/trust/issuer/sha256", "'01'" },
	{ "/trust/issuer/sha256",
	    "'g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'" },
	{ "/trust/system", "true" },
	{ "/trust/attestation",
	    "{'file': 'a', 'sha256': "
	    "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}" },
	{ "/install", NULL },
	{ "/install", "[]" },
	{ "/install", "['key']" },
	{ "/install", "['chain', 'chain', 'anchors']" },
	{ "/seal", "'no'" },
	{ "/deadline_ms", "{'keygen': 99}" },
	{ "/deadline_ms", "{'keygen': 3600001}" },
	{ "/deadline_ms", "{'lunch': 1000}" },
	{ "/deadline_ms", "1000" },
};

/* Rules that a schema can not say: only the loader refuses. */
static const struct change beyond[] = {
	{ "/link", "{'usb': 'ccid'}" },
	{ "/identity/model", "{'pattern': 'M', 'example': 'N'}" },
	{ "/identity/model", "{'pattern': '(', 'example': 'N'}" },
	{ "/subject", "[{'type': 'CN', 'value': '{colour}'}]" },
	{ "/subject", "[{'type': 'CN', 'value': '{serial'}]" },
	{ "/subject", "[{'type': 'CN', 'value': 'serial}'}]" },
	{ "/subject", "[{'type': 'CN', 'value': '*{serial}', 'string': 'printable'}]" },
	{ "/subject", "[{'type': 'C', 'value': 'DEU'}, {'type': 'CN', 'value': '{serial}'}]" },
	{ "/subject", "[]" },
	{ "/san/names", "[{'uri': 'no scheme {serial}'}]" },
	{ "/san/names", "[{'dns': '-_-{serial}'}]" },
	{ "/certificate/validity", "{'min_days': 3, 'max_days': 2}" },
	{ "/install", "['anchors']" },
	{ "/install", "['chain']" },
	{ "/trust/device", NULL },
	{ "/spdm", NULL },
	{ "/spdm", "{'identity': 'dowsing'}" },
};

static json_t *schema;

static json_t *parse(const char *quoted)
{
	char text[4096];
	json_t *value;
	size_t len = strlen(quoted);

	assert_true(len < sizeof(text));
	for (size_t i = 0; i <= len; i++)
		text[i] = quoted[i] == '\'' ? '"' : quoted[i];
	value = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(value);
	return value;
}

static json_t *apply(const struct change *c)
{
	json_t *root = parse(base), *at = root;
	const char *key = c->path + 1;

	for (const char *slash = strchr(key, '/'); slash != NULL; slash = strchr(key, '/')) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)(slash - key), key);
		at = json_object_get(at, name);
		assert_non_null(at);
		key = slash + 1;
	}
	if (c->value == NULL)
		assert_int_equal(json_object_del(at, key), 0);
	else
		assert_int_equal(json_object_set_new(at, key, parse(c->value)), 0);
	return root;
}

static bool loads(const json_t *root, struct err *e)
{
	AUTO_PTR(profile) *p = NULL;
	char *text = json_dumps(root, 0);
	bool loaded = profile_parse(&p, "p.json", text, strlen(text), e) == 0;

	free(text);
	return loaded;
}

static void expect(const struct change *changes, size_t count, bool by_schema, bool by_loader)
{
	for (size_t i = 0; i < count; i++) {
		AUTO(json_t) *root = apply(&changes[i]);
		struct err e = { 0 };

		if (schema_accepts(schema, schema, root) != by_schema)
			fail_msg("schema %s %s = %s", by_schema ? "refuses" : "takes",
			    changes[i].path,
			    changes[i].value != NULL ? changes[i].value : "nothing");
		if (loads(root, &e) != by_loader)
			fail_msg("loader %s %s = %s (%s)", by_loader ? "refuses" : "takes",
			    changes[i].path,
			    changes[i].value != NULL ? changes[i].value : "nothing", e.message);
		if (!by_loader && strncmp(e.message, "p.json:1:", 9) != 0)
			fail_msg("no position in \"%s\"", e.message);
	}
}

static void test_base(void **state)
{
	AUTO(json_t) *root = parse(base);
	struct err e = { 0 };

	(void)state;
	assert_true(schema_accepts(schema, schema, root));
	if (!loads(root, &e))
		fail_msg("%s", e.message);
}

static void test_agreement(void **state)
{
	(void)state;
	expect(good, COUNT(good), true, true);
	expect(bad, COUNT(bad), false, false);
	expect(beyond, COUNT(beyond), true, false);
}

static void test_limits(void **state)
{
	AUTO(json_t) *subject = json_array();
	AUTO(json_t) *names = json_array();
	AUTO(json_t) *root = parse(base);
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < PROFILE_RDNS_MAX; i++)
		json_array_append_new(subject, parse("{'type': 'OU', 'value': '{serial}'}"));
	for (int i = 0; i < PROFILE_SANS_MAX; i++)
		json_array_append_new(names, parse("{'uri': 'urn:x:{serial}'}"));
	json_object_set(root, "subject", subject);
	json_object_set(json_object_get(root, "san"), "names", names);
	assert_true(schema_accepts(schema, schema, root) && loads(root, &e));
	json_array_append_new(subject, parse("{'type': 'OU', 'value': '{serial}'}"));
	assert_false(schema_accepts(schema, schema, root) || loads(root, &e));
	json_array_remove(subject, 0);
	json_array_append_new(names, parse("{'uri': 'urn:x:{serial}'}"));
	assert_false(schema_accepts(schema, schema, root) || loads(root, &e));
}

static json_t *map_to_json(const struct yaml_node *map);

static json_t *list_to_json(const struct yaml_node *list)
{
	json_t *value = json_array();
	struct err e;

	for (size_t i = 0; i < yaml_len(list); i++) {
		const char *text;

		if (yaml_text(yaml_at(list, i), &text, &e) == 0)
			json_array_append_new(value, json_string(text));
		else
			json_array_append_new(value, map_to_json(yaml_at(list, i)));
	}
	return value;
}

static json_t *member_to_json(const struct yaml_node *map, size_t i)
{
	const struct yaml_node *n;
	const char *text, *key = yaml_key_at(map, i);
	struct err e;
	int64_t number;
	bool flag;

	if (yaml_text(yaml_value_at(map, i), &text, &e) == 0)
		return json_string(text);
	if (yaml_number(yaml_value_at(map, i), INT64_MIN, INT64_MAX, &number, &e) == 0)
		return json_integer(number);
	if (yaml_bool(map, key, true, &flag, &e) == 0)
		return json_boolean(flag);
	if (yaml_list(map, key, true, &n, &e) == 0)
		return list_to_json(n);
	return map_to_json(yaml_value_at(map, i));
}

/* The tree as JSON, with the types that the loader sees. The parser bounds its depth. */
static json_t *map_to_json(const struct yaml_node *map)
{
	json_t *value = json_object();

	for (size_t i = 0; i < yaml_len(map); i++)
		json_object_set_new(value, yaml_key_at(map, i), member_to_json(map, i));
	return value;
}

/* Every profile that is shipped passes both. */
static void test_shipped(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob(testing_source("profiles/*/*.yaml"), 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 3);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		AUTO_PTR(profile) *p = NULL;
		AUTO(json_t) *root = NULL;
		struct err e = { 0 };

		assert_ok(profile_load(&p, found.gl_pathv[i], &e), &e);
		root = map_to_json(yaml_root(p->yaml));
		if (!schema_accepts(schema, schema, root))
			fail_msg("the schema refuses %s", found.gl_pathv[i]);
	}
	globfree(&found);
}

/* The schema's list of drivers is the build's. */
static void test_drivers(void **state)
{
	const json_t *drivers =
	    json_object_get(json_object_get(json_object_get(schema, "properties"), "driver"),
		"enum");
	size_t count = 0;

	(void)state;
	for (; family_at(count) != NULL; count++) {
		AUTO(json_t) *name = json_string(family_at(count)->name);

		if (!schema_contains(drivers, name))
			fail_msg("the schema does not know the driver %s", family_at(count)->name);
	}
	assert_int_equal(json_array_size(drivers), count);
}

/* What a driver brings as evidence of a key's origin, its family can read. */
static void test_evidence_has_a_reader(void **state)
{
	(void)state;
	for (size_t i = 0; family_at(i) != NULL; i++) {
		const struct family *f = family_at(i);

		if ((driver_find(f->name)->origin != NULL) != (f->check_origin != NULL))
			fail_msg("%s has one of driver.origin and family.check_origin", f->name);
	}
}

static int open_schema(void **state)
{
	(void)state;
	schema = testing_json(testing_source("profiles/profile.schema.json"));
	return 0;
}

static int close_schema(void **state)
{
	(void)state;
	json_decref(schema);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_drivers),
		cmocka_unit_test(test_evidence_has_a_reader),
	};

	return cmocka_run_group_tests(tests, open_schema, close_schema);
}
