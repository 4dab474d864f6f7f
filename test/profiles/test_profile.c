#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "testing.h"
#include "x509.h"

/* Line 1 is "product"; the errors below count from there. */
static const char head[] = "product: test pump\n"
			   "version: \"7\"\n"
			   "driver: spdm\n"
			   "spdm: { identity: vendor, vendor_pen: 32473 }\n"
			   "identity:\n"
			   "  model: { pattern: \"M[0-9]\", example: M1 }\n"
			   "  serial: { pattern: \"^S[0-9]{3}$\", example: S001 }\n"
			   "  firmware: { pattern: \"1[.].*|2[.].*\" }\n"
			   "  lifecycle: { pattern: manufacturing }\n"
			   "key: { algorithm: EC:P-256 }\n"
			   "subject:\n"
			   "  - { type: CN, value: \"{serial} {firmware}\" }\n"
			   "certificate:\n"
			   "  key_usage: [digitalSignature]\n"
			   "  extended_key_usage: [clientAuth]\n"
			   "  signatures: [ecdsa-with-SHA256]\n"
			   "  validity: { min_days: 1, max_days: 2 }\n"
			   "install: [chain, anchors]\n"
			   "trust:\n";

static struct profile *parse(const char *text)
{
	struct profile *p = NULL;
	struct err e = { 0 };

	assert_ok(profile_parse(&p, "t.yaml", text, strlen(text), &e), &e);
	return p;
}

static struct profile *load_example(void)
{
	struct profile *p = NULL;
	struct err e = { 0 };

	assert_ok(profile_load(&p, testing_source("profiles/spdm/infusion-pump.yaml"), &e), &e);
	return p;
}

static void test_example(void **state)
{
	AUTO_PTR(profile) *p = load_example();
	AUTO(X509_STACK) *certs = NULL;
	uint8_t digest[SHA256_LEN];
	struct err e = { 0 };

	(void)state;
	sha256(p->text.data, p->text.len, digest);
	assert_memory_equal(p->digest, digest, SHA256_LEN);
	assert_string_equal(p->driver, "spdm");
	assert_non_null(p->options);
	assert_int_equal(p->baud, 115200);
	assert_null(p->secret_file);
	assert_string_equal(p->key_algorithm, "EC:P-256");
	assert_int_equal(p->existing_key, EXISTING_REFUSE);
	assert_int_equal(p->rdn_count, 3);
	assert_string_equal(p->rdns[2].type, "serialNumber");
	assert_int_equal(p->rdns[2].string, STRING_PRINTABLE);
	assert_int_equal(p->san_count, 2);
	assert_string_equal(p->sans[0].hw_type, "1.3.6.1.4.1.32473.1.3");
	assert_int_equal(p->sans[1].kind, SAN_URI);
	assert_true(p->no_expiry && p->outlives_issuer && p->key_usage_critical);
	assert_string_equal(p->key_usage[0], "digitalSignature");
	assert_null(p->key_usage[1]);
	assert_string_equal(p->signatures[1], "ecdsa-with-SHA384");
	assert_int_equal(p->aia, PRESENCE_FORBIDDEN);
	assert_int_equal(p->authority_key_id, PRESENCE_REQUIRED);
	assert_int_equal(p->min_serial_bits, 32);
	assert_int_equal(p->max_chain, 3);
	assert_int_equal(p->install_count, 2);
	assert_int_equal(p->install[0], OBJECT_CHAIN);
	assert_int_equal(p->install[1], OBJECT_ANCHORS);
	assert_false(p->seal);
	assert_int_equal(p->deadline_ms[STEP_KEYGEN], 120000);
	assert_ok(x509_parse_list(p->anchors.ders.data, p->anchors.ders.len, &certs, ERR_CONFIG,
		      &e),
	    &e);
	assert_int_equal(sk_X509_num(certs), 1);
	sha256(p->issuer.ders.data, p->issuer.ders.len, digest);
	assert_memory_equal(p->issuer.sha256, digest, SHA256_LEN);
	assert_true(p->intermediates.ders.len > 0);
}

static void test_names(void **state)
{
	enum object object;
	enum step_id step;

	(void)state;
	for (int i = 0; i < OBJECT_COUNT; i++) {
		assert_true(object_parse(object_name((enum object)i), &object));
		assert_int_equal(object, i);
	}
	for (int i = 0; i < STEP_COUNT; i++) {
		assert_true(step_parse(step_name((enum step_id)i), &step));
		assert_int_equal(step, i);
	}
	assert_false(object_parse("key", &object));
	assert_false(step_parse("lunch", &step));
}

/* The good text with its last lines replaced, and what the loader says of it. */
static void refuse(const char *find, const char *replacement, const char *code, const char *message)
{
	static const char tail[] =
	    "  issuer: { file: r.pem, sha256: "
	    "ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n"
	    "  device: { file: r.pem, sha256: "
	    "ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n";
	char text[sizeof(head) + sizeof(tail) + 1000];
	char changed[sizeof(text) + 1000];
	const char *at;
	struct profile *p = NULL;
	struct err e = { 0 };

	(void)snprintf(text, sizeof(text), "%s%s", head, tail);
	at = strstr(text, find);
	assert_non_null(at);
	(void)snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, replacement,
	    at + strlen(find));
	assert_err(profile_parse(&p, "t.yaml", changed, strlen(changed), &e), &e, code);
	assert_int_equal(e.domain, ERR_CONFIG);
	if (strncmp(e.message, message, strlen(message)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", e.message, message);
}

static void test_messages(void **state)
{
	(void)state;
	refuse("driver: spdm", "driver: spoon", "profile",
	    "t.yaml:3:9: unknown driver \"spoon\"; accepted: ");
	refuse("version: \"7\"", "version: 7", "yaml",
	    "t.yaml:2:10: version must be a text; write \"7\" in quotes");
	refuse("key: {", "key: { size: 1,", "yaml",
	    "t.yaml:10:8: unknown key \"size\"; accepted: algorithm, existing");
	refuse("EC:P-256", "EC:P-255", "yaml",
	    "t.yaml:10:19: algorithm is \"EC:P-255\"; accepted: EC:P-256, EC:P-384");
	refuse("example: M1", "example: X1", "profile",
	    "t.yaml:6:40: the example \"X1\" does not match the pattern M[0-9]");
	refuse("\"M[0-9]\"", "\"M[0-9\"", "profile",
	    "t.yaml:6:21: not a POSIX extended regular expression: ");
	refuse("{firmware}", "{colour}", "profile",
	    "t.yaml:12:5: CN: unknown field {colour}; accepted: ");
	refuse("{serial} {firmware}", "{model}", "profile",
	    "t.yaml:12:3: neither {serial} nor {uuid} is in subject or san");
	refuse("[clientAuth]", "[clientauth]", "profile",
	    "t.yaml:15:24: \"clientauth\" is unknown; accepted: serverAuth, clientAuth, ");
	refuse("[digitalSignature]", "[digitalSignature, digitalSignature]", "profile",
	    "t.yaml:14:33: digitalSignature is there twice");
	refuse("min_days: 1", "min_days: 3", "profile",
	    "t.yaml:17:25: min_days is more than max_days");
	refuse("[chain, anchors]", "[leaf]", "profile",
	    "t.yaml:18:11: devices of spdm can not store leaf");
	refuse("[chain, anchors]", "[chain]", "profile",
	    "t.yaml:21:11: trust.device is there, but install has no anchors");
	refuse("  device:", "  attestation:", "profile",
	    "t.yaml:21:16: devices of spdm have no evidence of where their key was made");
	refuse("  device:", "  dev:", "yaml",
	    "t.yaml:21:3: unknown key \"dev\"; accepted: issuer, ");
	refuse("driver: spdm", "driver: spdm\nlink: { usb: ccid }", "profile",
	    "t.yaml:4:7: devices of spdm are not reached by usb: ccid");
	refuse("driver: spdm", "driver: spdm\nlink: { usb: mctp, baud: 9600 }", "profile",
	    "t.yaml:4:7: link: baud and interface are of a serial port; usb: mctp has neither");
	refuse("driver: spdm", "driver: spdm\nlink: { usb: hid }", "yaml",
	    "t.yaml:4:14: usb is \"hid\"; accepted: mctp, ccid");
	refuse("product: test pump\n", "", "yaml", "t.yaml:1:1: key \"product\" is missing");
	refuse("product: test pump\n", "product: a\nproduct: b\n", "yaml",
	    "t.yaml:2:1: duplicate key \"product\"");
}

static void test_link(void **state)
{
	static const struct {
		const char *text;
		enum profile_link link;
		int64_t baud, tty_interface;
	} rows[] = {
		{ "", LINK_SERIAL, 115200, -1 },
		{ "link: { baud: 9600 }\n", LINK_SERIAL, 9600, -1 },
		{ "link: { baud: 9600, interface: 2 }\n", LINK_SERIAL, 9600, 2 },
		{ "link: { usb: mctp }\n", LINK_USB_MCTP, 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_PTR(profile) *p = NULL;
		char text[sizeof(head) + 1000];

		(void)snprintf(text, sizeof(text),
		    "%s%s  issuer: { file: r.pem, sha256: "
		    "ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n"
		    "  device: { file: r.pem, sha256: "
		    "ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n",
		    rows[i].text, head);
		p = parse(text);
		assert_int_equal(p->link, rows[i].link);
		assert_int_equal(p->baud, rows[i].baud);
		assert_int_equal(p->tty_interface, rows[i].tty_interface);
	}
}

static void test_long(void **state)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct profile *p = NULL;
	struct err e = { 0 };

	(void)state;
	while (text.len <= PROFILE_TEXT_MAX)
		assert_ok(buf_add_str(&text, "# 345678901234567890\n", &e), &e);
	assert_err(profile_parse(&p, "t.yaml", (char *)text.data, text.len, &e), &e, "profile");
}

static void copy(const char *from, const char *folder, const char *name)
{
	AUTO_STRUCT(buf) bytes = { 0 };
	char path[300];
	struct err e = { 0 };

	testing_read(testing_source(from), &bytes);
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_ok(file_write(path, bytes.data, bytes.len, 0644, &e), &e);
}

static void test_anchor_files(void **state)
{
	char *folder = testing_folder(), path[300];
	struct profile *p = NULL;
	struct err e = { 0 };

	(void)state;
	copy("profiles/spdm/infusion-pump.yaml", folder, "p.yaml");
	copy("profiles/spdm/example-root.pem", folder, "example-root.pem");
	(void)snprintf(path, sizeof(path), "%s/p.yaml", folder);
	assert_err(profile_load(&p, path, &e), &e, "profile");
	assert_non_null(strstr(e.message, "example-issuing.pem"));

	/* The root's bytes under the other's name: the error says the digest that would be right. */
	copy("profiles/spdm/example-root.pem", folder, "example-issuing.pem");
	assert_err(profile_load(&p, path, &e), &e, "profile");
	assert_non_null(
	    strstr(e.message, "52cdc7a1463fc0a645b3893c1d7fc443f7af7f142bdc776c3ff61e5a099a42d1"));
	assert_non_null(strstr(e.message, "p.yaml:5"));

	copy("profiles/spdm/README.md", folder, "example-issuing.pem");
	assert_err(profile_load(&p, path, &e), &e, "profile");
	copy("profiles/spdm/example-issuing.pem", folder, "example-issuing.pem");
	assert_ok(profile_load(&p, path, &e), &e);
	profile_free(p);
	(void)snprintf(path, sizeof(path), "%s/absent.yaml", folder);
	assert_err(profile_load(&p, path, &e), &e, "file");
	testing_folder_remove(folder);
}

/* Devices that store the hash of their chain's root: known before one is made. */
static void test_an_issuer_that_is_no_root(void **state)
{
	static const char issuing[] =
	    "issuer: { file: example-issuing.pem, sha256: "
	    "1a17b2c22fcc1b38798a840655d71f72d205430c69d33187736d04a950403176 }";
	char *folder = testing_folder(), path[300];
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(buf) changed = { 0 };
	const char *at, *after;
	struct profile *p = NULL;
	struct err e = { 0 };

	(void)state;
	copy("profiles/spdm/example-root.pem", folder, "example-root.pem");
	copy("profiles/spdm/example-issuing.pem", folder, "example-issuing.pem");
	testing_read(testing_source("profiles/spdm/infusion-pump.yaml"), &text);
	at = strstr(strstr(buf_str(&text, &e), "\ntrust:"), "issuer:");
	after = strstr(at, "\n  intermediates:");
	assert_ok(buf_add(&changed, text.data, (size_t)(at - (char *)text.data), &e), &e);
	assert_ok(buf_add_str(&changed, issuing, &e), &e);
	assert_ok(buf_add_str(&changed, after, &e), &e);
	(void)snprintf(path, sizeof(path), "%s/p.yaml", folder);
	assert_ok(file_write(path, changed.data, changed.len, 0644, &e), &e);
	assert_err(profile_load(&p, path, &e), &e, "profile");
	assert_non_null(strstr(e.message, "p.yaml:49:"));
	assert_non_null(strstr(e.message, "certificate 1 of example-issuing.pem is no root"));
	testing_folder_remove(folder);
}

static void test_export(void **state)
{
	AUTO_PTR(profile) *p = load_example();
	AUTO_PTR(profile) *again = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };
	char *byte;

	(void)state;
	assert_ok(profile_export_anchors(p, &text, &e), &e);
	again = parse(buf_str(&p->text, &e));
	assert_int_equal(again->issuer.ders.len, 0);
	assert_ok(profile_import_anchors(again, (char *)text.data, text.len, &e), &e);
	assert_true(buf_equal(&again->issuer.ders, &p->issuer.ders));
	assert_true(buf_equal(&again->intermediates.ders, &p->intermediates.ders));
	assert_true(buf_equal(&again->anchors.ders, &p->anchors.ders));

	assert_err(profile_import_anchors(again, "{}", 2, &e), &e, "json");
	assert_err(profile_import_anchors(again, "[", 1, &e), &e, "json");
	byte = memmem(text.data, text.len, "MII", 3);
	assert_non_null(byte);
	byte[500] = byte[500] == 'A' ? 'B' : 'A';
	assert_int_equal(profile_import_anchors(again, (char *)text.data, text.len, &e), -1);
}

static void test_match(void **state)
{
	static const char trust[] =
	    "  issuer: { file: r.pem, sha256: "
	    "ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n"
	    "  device: { file: r.pem, sha256: "
	    "ab23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n";
	char text[sizeof(head) + sizeof(trust)];
	AUTO_PTR(profile) *p = NULL;
	const struct identity good = { .model = "M1",
		.serial = "S007",
		.firmware = "1.0",
		.lifecycle = "manufacturing" };
	struct identity i = good;
	struct err e = { 0 };

	(void)state;
	(void)snprintf(text, sizeof(text), "%s%s", head, trust);
	p = parse(text);
	assert_ok(profile_match(p, &i, &e), &e);
	memcpy(i.model, "M12", 4);
	assert_err(profile_match(p, &i, &e), &e, "identity.model");
	assert_int_equal(e.domain, ERR_DEVICE);
	i = good;
	memcpy(i.serial, "xS007", 6);
	assert_err(profile_match(p, &i, &e), &e, "identity.serial");
	i.serial[0] = '\0';
	assert_err(profile_match(p, &i, &e), &e, "identity.serial");
	i = good;
	/* An alternative must match whole, too. */
	memcpy(i.firmware, "x2.0", 5);
	assert_err(profile_match(p, &i, &e), &e, "identity.firmware");
	i = good;
	memcpy(i.lifecycle, "sealed", 7);
	assert_err(profile_match(p, &i, &e), &e, "identity.lifecycle");
	i = good;
	regfree(&p->firmware_pattern.compiled);
	p->firmware_pattern.text = NULL;
	i.firmware[0] = '\0';
	assert_err(profile_match(p, &i, &e), &e, "identity.template");
	assert_non_null(strstr(e.message, "{firmware}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_anchor_files),
		cmocka_unit_test(test_an_issuer_that_is_no_root),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
