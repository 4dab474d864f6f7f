#include "piv/check_options.h"

#include "family.h"
#include "piv_kit.h"

static void sections_are_read(void **state)
{
	struct piv_options o;
	struct err e = { 0 };
	AUTO_PTR(profile) *p =
	    piv_profile("{ identity: guid, model: M, slot: 9D, anchors: 5FFF11, "
			"pin_policy: always, touch_policy: cached, "
			"management_key_algorithm: aes256, factory_secrets: true }",
		"RSA:3072");

	(void)state;
	assert_ok(piv_options_read(p, &o, &e), &e);
	assert_int_equal(o.identity, PIV_BY_GUID);
	assert_string_equal(o.model, "M");
	assert_int_equal(o.slot, 0x9d);
	assert_int_equal(o.object, 0x5fc10b);
	assert_int_equal(o.anchors, 0x5fff11);
	assert_int_equal(o.pin_policy, 3);
	assert_int_equal(o.touch_policy, 3);
	assert_int_equal(o.management_algorithm, PIV_AES256);
	assert_true(o.factory_secrets);
	assert_int_equal(o.algorithm->id, 5);
	assert_int_equal(p->link, LINK_USB_CCID);
}

static void defaults_are_filled_in(void **state)
{
	struct piv_options o;
	struct err e = { 0 };
	AUTO_PTR(profile) *p =
	    piv_profile("{ identity: serial, factory_secrets: true }", "EC:P-256");

	(void)state;
	assert_ok(piv_options_read(p, &o, &e), &e);
	assert_int_equal(o.identity, PIV_BY_SERIAL);
	assert_null(o.model);
	assert_int_equal(o.slot, 0x9a);
	assert_int_equal(o.object, 0x5fc105);
	assert_int_equal(o.anchors, 0);
	assert_int_equal(o.pin_policy, 0);
	assert_int_equal(o.touch_policy, 0);
	assert_int_equal(o.management_algorithm, 0);
}

/* SP 800-73-4 part 1, table 3 and 4b. */
static void slots_have_their_objects(void **state)
{
	static const struct {
		const char *slot;
		uint32_t object;
	} cases[] = { { "9a", 0x5fc105 }, { "9c", 0x5fc10a }, { "9d", 0x5fc10b },
		{ "\"9e\"", 0x5fc101 }, { "\"82\"", 0x5fc10d }, { "8b", 0x5fc116 },
		{ "\"95\"", 0x5fc120 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char section[100];
		struct piv_options o;
		struct err e = { 0 };

		(void)snprintf(section, sizeof(section),
		    "{ identity: serial, factory_secrets: true, slot: %s }", cases[i].slot);
		AUTO_PTR(profile) *p = piv_profile(section, "EC:P-256");

		assert_ok(piv_options_read(p, &o, &e), &e);
		assert_int_equal(o.object, cases[i].object);
	}
}

static void wrong_sections_are_refused(void **state)
{
	static const struct {
		const char *section, *algorithm, *why;
	} bad[] = {
		{ "{ factory_secrets: true }", "EC:P-256", "identity" },
		{ "{ identity: usb, factory_secrets: true }", "EC:P-256", "serial, guid" },
		{ "{ identity: serial }", "EC:P-256", "either secret" },
		{ "{ identity: serial, factory_secrets: false }", "EC:P-256", "either secret" },
		{ "{ identity: serial, factory_secrets: maybe }", "EC:P-256", "factory_secrets" },
		{ "{ identity: serial, factory_secrets: true, pin: 1 }", "EC:P-256", "pin" },
		{ "{ identity: serial, factory_secrets: true, slot: 9b }", "EC:P-256",
		    "unknown slot" },
		{ "{ identity: serial, factory_secrets: true, slot: f9 }", "EC:P-256",
		    "unknown slot" },
		{ "{ identity: serial, factory_secrets: true, slot: \"81\" }", "EC:P-256",
		    "unknown slot" },
		{ "{ identity: serial, factory_secrets: true, slot: \"96\" }", "EC:P-256",
		    "unknown slot" },
		{ "{ identity: serial, factory_secrets: true, slot: \"0x9a\" }", "EC:P-256",
		    "unknown slot" },
		{ "{ identity: serial, factory_secrets: true, pin_policy: often }", "EC:P-256",
		    "never" },
		{ "{ identity: serial, factory_secrets: true, touch_policy: once }", "EC:P-256",
		    "cached" },
		{ "{ identity: serial, factory_secrets: true, management_key_algorithm: des }",
		    "EC:P-256", "3des" },
		{ "{ identity: serial, factory_secrets: true, model: \"\xc3\xbc\" }", "EC:P-256",
		    "printable" },
		{ "{ identity: serial, factory_secrets: true, model: "
		  "12345678901234567890123456789012345678901234567890123456789012345x }",
		    "EC:P-256", "model" },
		{ "{ identity: serial, factory_secrets: true }", "EC:P-521", "EC:P-256, EC:P-384" },
		{ "{ identity: serial, factory_secrets: true }", "ED25519", "EC:P-256, EC:P-384" },
		/* anchors */
		{ "{ identity: serial, factory_secrets: true, anchors: \"\" }", "EC:P-256",
		    "needs the object" },
		{ "{ identity: serial, factory_secrets: true, anchors: 5fc105 }", "EC:P-256",
		    "5fff02" },
		{ "{ identity: serial, factory_secrets: true, anchors: 5fc102 }", "EC:P-256",
		    "5fff02" },
		{ "{ identity: serial, factory_secrets: true, anchors: 5fff01 }", "EC:P-256",
		    "5fff02" },
		{ "{ identity: serial, factory_secrets: true, anchors: 5fc121 }", "EC:P-256",
		    "5fff02" },
		{ "{ identity: serial, factory_secrets: true, anchors: 5fff }", "EC:P-256",
		    "5fff02" },
		{ "{ identity: serial, factory_secrets: true, slot: 8a, anchors: 5fc115 }",
		    "EC:P-256", "5fff02" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err e = { 0 };
		AUTO_PTR(profile) *p = piv_try_profile(bad[i].section, bad[i].algorithm, &e);

		if (p != NULL)
			fail_msg("accepted: %s", bad[i].section);
		assert_int_equal(e.domain, ERR_CONFIG);
		if (strstr(e.message, bad[i].why) == NULL || strncmp(e.message, "test:", 5) != 0)
			fail_msg("%s: %s", bad[i].section, e.message);
	}
}

static int load_with(const char *path, const char *value, const char *more, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO_STRUCT(buf) changed = { 0 };
	AUTO_PTR(profile) *p = NULL;

	testing_read(testing_source("profiles/piv/usb-token-p384.yaml"), &text);
	assert_ok(yaml_replace("test", (const char *)text.data, text.len, path, value, &changed, e),
	    e);
	assert_ok(buf_add_str(&changed, more, e), e);
	return profile_parse(&p, "test", (const char *)changed.data, changed.len, e);
}

static void profiles_that_make_no_sense_are_refused(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(load_with("/piv", "{ identity: serial, factory_secrets: true }",
			     "\nsecret: { file: s }\n", &e),
	    -1);
	assert_non_null(strstr(e.message, "either secret"));
	assert_int_equal(load_with("/piv",
			     "{ identity: serial, factory_secrets: true, anchors: 5fff10 }", "",
			     &e),
	    -1);
	assert_non_null(strstr(e.message, "install has no anchors"));
	assert_int_equal(load_with("/link", "{ usb: mctp }", "", &e), -1);
	assert_int_equal(load_with("/link", "{ baud: 9600 }", "", &e), -1);
	assert_int_equal(load_with("/install", "[chain]", "", &e), -1);
	assert_int_equal(load_with("/install", "[leaf]", "\nseal: true\n", &e), -1);
}

static void the_family_says_what_it_can(void **state)
{
	const struct family *family = family_find("piv");

	(void)state;
	assert_non_null(family);
	assert_true(family->keygen && !family->seals && family->anchors);
	assert_int_equal(family->objects, 1U << OBJECT_LEAF | 1U << OBJECT_ANCHORS);
	assert_int_equal(family->links, 1U << LINK_USB_CCID);
	assert_null(driver_find("piv")->seal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_are_read),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(slots_have_their_objects),
		cmocka_unit_test(wrong_sections_are_refused),
		cmocka_unit_test(profiles_that_make_no_sense_are_refused),
		cmocka_unit_test(the_family_says_what_it_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
