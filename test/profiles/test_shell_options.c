#include "linux-shell/options.h"

#include "shell_kit.h"

static int check(const struct profile *p, struct err *e)
{
	return family_find("linux-shell")->check_options(p, e);
}

/* Whichever of the two says it: profile_parse may ask the family itself. */
static void refused(const char *old, const char *new, const char *why)
{
	struct err e = { 0 };
	AUTO_PTR(profile) *p = kit_try_profile(old, new, &e);

	if (p != NULL && check(p, &e) == 0)
		fail_msg("\"%s\" was accepted", new);
	if (strstr(e.message, why) == NULL || strstr(e.message, "test:") != e.message)
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", new, e.message, why);
}

static void test_the_examples_are_sound(void **state)
{
	static const char *const names[] = { "profiles/linux-shell/tpm2.yaml",
		"profiles/linux-shell/openssl.yaml" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		AUTO_PTR(profile) *p = NULL;
		struct err e = { 0 };

		assert_ok(profile_load(&p, testing_source(names[i]), &e), &e);
		assert_ok(check(p, &e), &e);
	}
}

static void test_what_is_read(void **state)
{
	AUTO_PTR(profile) *p = kit_profile(NULL, NULL);
	struct shell_options o = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(shell_options(p, &o, &e), &e);
	assert_null(o.user);
	assert_string_equal(o.login_prompt, "login:");
	assert_string_equal(o.work, ".kiln");
	assert_int_equal(o.setup_count, 1);
	assert_string_equal(o.serial, "cat identity/serial");
	assert_null(o.uuid);
	assert_null(o.seal);
	assert_null(o.files[OBJECT_LEAF]);
	assert_string_equal(o.files[OBJECT_CHAIN], "certs/device.pem");
	assert_string_equal(o.string_mask, "utf8only");
}

static void test_what_can_be_said(void **state)
{
	AUTO_PTR(profile) *p =
	    kit_profile("  files:\n", "    seal: touch {{sealed}}\n"
				      "  login: { user: admin, password_prompt: 'PIN:' }\n"
				      "  work: /run/kiln\n"
				      "  files:\n    leaf: certs/leaf.pem\n");
	struct shell_options o = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(shell_options(p, &o, &e), &e);
	assert_string_equal(o.user, "admin");
	assert_string_equal(o.password_prompt, "PIN:");
	assert_string_equal(o.login_prompt, "login:");
	assert_string_equal(o.work, "/run/kiln");
	assert_string_equal(o.seal, "touch {{sealed}}");
	assert_string_equal(o.files[OBJECT_LEAF], "certs/leaf.pem");
}

static void test_what_is_no_section(void **state)
{
	(void)state;
	refused("linux-shell:", "linux-shell: {}\nspdm:", "");
	refused("  setup:", "  shell: bash\n  setup:", "shell");
	refused("    identify:", "    mount: mount /\n    identify:", "mount");
	refused("      serial: cat identity/serial\n", "", "serial");
	refused("      model: cat identity/model\n", "", "model");
	refused("      key_present: test -s keys/device.pem\n", "", "key_present");
	refused("      firmware:", "      colour: echo red\n      firmware:", "colour");
	refused("  files:", "  login: {}\n  files:", "user");
	refused("  files:", "  login: { user: \"\" }\n  files:", "1 to 64");
	refused("  files:", "  work: ''\n  files:", "work");
	refused("  files:", "  work: -rf\n  files:", "work");
}

static void test_what_is_no_command(void **state)
{
	static const char one[] = "cat identity/serial";
	char longer[SHELL_COMMAND_MAX + 2] = { 0 };

	(void)state;
	memset(longer, 'x', SHELL_COMMAND_MAX + 1);
	refused(one, longer, "one line");
	refused(one, "''", "one line");
	refused(one, "\"cat\\nreboot\"", "one line");
	refused(one, "cat \xc3\xa4", "one line");
	refused(one, "cat {serial}", "no template: \"{serial}");
	refused(one, "echo ${HOME}", "no template: \"{HOME}");
	refused(one, "'echo }'", "no template: \"}\"");
	refused(one, "'echo {model'", "no template");
	refused("cd \"$HOME\"", "cd {model}", "no template");
}

static void test_templates_have_their_places(void **state)
{
	(void)state;
	refused("-out {csr}", "-out {signature}", "no template: \"{signature}");
	refused("-out {csr}", "-out csr.der", "does not use {csr}");
	refused("-config {csr_config}", "-batch", "neither");
	refused("-config {csr_config}", "-subj {subject}", "need {csr_config}");
	refused("{signature} {preimage}", "{signature}", "does not use {preimage}");
	refused("{signature} {preimage}", "out {preimage}", "does not use {signature}");
	refused("{signature} {preimage}", "{signature} {preimage} {serial}", "no template");
}

static void test_files_fit_the_installation(void **state)
{
	(void)state;
	refused("    anchors: certs/trust.pem\n", "", "anchors");
	refused("    chain: certs/device.pem\n", "", "chain");
	refused("    chain: certs/device.pem\n", "    chain: -f\n", "path");
	refused("    chain: certs/device.pem\n", "    chain: certs/\n", "path");
	refused("    chain: certs/device.pem\n", "    key: k\n    chain: certs/device.pem\n",
	    "key");
}

static void test_seal_has_its_command(void **state)
{
	(void)state;
	refused("seal: false", "seal: true", "seal");
}

static void test_keys_that_do_not_fit(void **state)
{
	(void)state;
	refused("algorithm: EC:P-256", "algorithm: ED25519", "ED25519");
}

static void test_openssl_can_write_the_subject(void **state)
{
	(void)state;
	refused("string: printable", "string: utf8", "one string type for serialNumber");
	refused("value: Example Medical, string: utf8", "value: Example Medical, string: printable",
	    "one string type for a subject");
}

static void test_printable_subjects(void **state)
{
	struct shell_options o = { 0 };
	struct err e = { 0 };
	AUTO_PTR(profile) *p =
	    kit_profile("  - { type: O, value: Example Medical, string: utf8 }\n"
			"  - { type: CN, value: \"{model} {serial}\", string: utf8 }\n",
		"  - { type: O, value: Example Medical, string: printable }\n");

	(void)state;
	assert_ok(shell_options(p, &o, &e), &e);
	assert_string_equal(o.string_mask, "MASK:0x2");
}

static void test_expand(void **state)
{
	static const struct shell_value values[] = { { "serial", "it's $(reboot)" }, { "s", "x" },
		{ NULL, NULL } };
	static const struct {
		const char *text, *expanded;
	} rows[] = {
		{ "", "" },
		{ "cat file", "cat file" },
		{ "echo {serial}", "echo 'it'\\''s $(reboot)'" },
		{ "{s}{s}", "'x''x'" },
		{ "awk '{{print $1}}'", "awk '{print $1}'" },
		{ "{{s}}", "{s}" },
		{ "{{{s}}}", "{'x'}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_STRUCT(buf) b = { 0 };
		struct err e = { 0 };

		assert_ok(shell_expand(rows[i].text, values, &b, &e), &e);
		assert_string_equal(buf_str(&b, &e), rows[i].expanded);
	}
}

static void test_expand_lists_what_is_known(void **state)
{
	static const struct shell_value values[] = { { "serial", "1" }, { "model", "2" },
		{ NULL, NULL } };
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(shell_expand("echo {seral}", values, &b, &e), &e, "profile");
	assert_non_null(strstr(e.message, "{serial} {model}"));
	assert_err(shell_expand("{", values, &b, &e), &e, "profile");
	assert_err(shell_expand("{}", values, &b, &e), &e, "profile");
	assert_err(shell_expand("}", values, &b, &e), &e, "profile");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_are_sound),
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_what_can_be_said),
		cmocka_unit_test(test_what_is_no_section),
		cmocka_unit_test(test_what_is_no_command),
		cmocka_unit_test(test_templates_have_their_places),
		cmocka_unit_test(test_files_fit_the_installation),
		cmocka_unit_test(test_seal_has_its_command),
		cmocka_unit_test(test_keys_that_do_not_fit),
		cmocka_unit_test(test_openssl_can_write_the_subject),
		cmocka_unit_test(test_printable_subjects),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_expand_lists_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
