#include "spdm/check_options.h"

#include "family.h"
#include "spdm/spdm.h"
#include "spdm_rig.h"

static void sections_are_read(void **state)
{
	struct spdm_options o;
	struct err e = { 0 };
	AUTO_PTR(profile) *p = rig_profile("{ identity: uuid, model: IP3, versions: [\"1.3\"], "
					   "vendor_pen: 32473, key_pair: 4, reset: manual }",
	    "EC:P-384", "replace");

	(void)state;
	assert_ok(spdm_options_read(p, &o, &e), &e);
	assert_int_equal(o.identity, SPDM_BY_UUID);
	assert_string_equal(o.model, "IP3");
	assert_false(spdm_options_accept(&o, SPDM_VERSION_12));
	assert_true(spdm_options_accept(&o, SPDM_VERSION_13));
	assert_false(spdm_options_accept(&o, 0x14));
	assert_true(o.has_vendor);
	assert_int_equal(o.vendor_pen, 32473);
	assert_int_equal(o.key_pair, 4);
	assert_false(o.vendor_reset);
	assert_string_equal(o.algorithm->name, "EC:P-384");
	assert_int_equal(o.algorithm->signature_len, 96);
}

static void defaults_are_filled_in(void **state)
{
	struct spdm_options o;
	struct err e = { 0 };
	AUTO_PTR(profile) *p = rig_profile(RIG_SECTION, "EC:P-256", "refuse");

	(void)state;
	assert_ok(spdm_options_read(p, &o, &e), &e);
	assert_true(o.v12 && o.v13);
	assert_true(o.vendor_reset);
	assert_int_equal(o.key_pair, 1);
	assert_null(o.model);
}

static void every_way_has_its_policy(void **state)
{
	static const struct {
		const char *section, *existing;
	} good[] = {
		{ "{ identity: vendor, vendor_pen: 1 }", "refuse" },
		{ "{ identity: vendor, vendor_pen: 1 }", "replace" },
		{ "{ identity: uuid, model: M, vendor_pen: 1 }", "refuse" },
		{ "{ identity: certificate, vendor_pen: 1 }", "reuse" },
		{ "{ identity: certificate, vendor_pen: 1 }", "replace" },
		{ "{ identity: csr, vendor_pen: 1 }", "reuse" },
		{ "{ identity: vendor, vendor_pen: 1, versions: [\"1.2\"] }", "reuse" },
		{ "{ identity: vendor, vendor_pen: 4294967295, key_pair: 255 }", "refuse" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		AUTO_PTR(profile) *p = rig_profile(good[i].section, "EC:P-256", good[i].existing);

		assert_non_null(p);
	}
}

static void wrong_sections_are_refused(void **state)
{
	static const struct {
		const char *section, *algorithm, *existing, *why;
	} bad[] = {
		{ "{ vendor_pen: 1 }", "EC:P-256", "refuse", "identity" },
		{ "{ identity: serial, vendor_pen: 1 }", "EC:P-256", "refuse", "vendor, uuid" },
		{ "{ identity: vendor }", "EC:P-256", "refuse", "needs vendor_pen" },
		{ "{ identity: vendor, vendor_pen: 0 }", "EC:P-256", "refuse", "vendor_pen" },
		{ "{ identity: vendor, vendor_pen: 4294967296 }", "EC:P-256", "refuse",
		    "vendor_pen" },
		{ "{ identity: vendor, vendor_pen: 1, pen: 1 }", "EC:P-256", "refuse", "pen" },
		{ "{ identity: vendor, vendor_pen: 1, key_pair: 0 }", "EC:P-256", "refuse",
		    "key_pair" },
		{ "{ identity: vendor, vendor_pen: 1, key_pair: 256 }", "EC:P-256", "refuse",
		    "key_pair" },
		{ "{ identity: vendor, vendor_pen: 1, reset: never }", "EC:P-256", "refuse",
		    "manual" },
		{ "{ identity: vendor, vendor_pen: 1, model: M }", "EC:P-256", "refuse", "model" },
		{ "{ identity: uuid, vendor_pen: 1 }", "EC:P-256", "refuse", "needs model" },
		{ "{ identity: uuid, model: M, reset: vendor }", "EC:P-256", "refuse",
		    "vendor_pen" },
		{ "{ identity: uuid, model: M }", "EC:P-256", "refuse",
		    "anchors needs vendor_pen" },
		{ "{ identity: vendor, vendor_pen: 1, versions: [] }", "EC:P-256", "refuse",
		    "empty" },
		{ "{ identity: vendor, vendor_pen: 1, versions: [\"1.1\"] }", "EC:P-256", "refuse",
		    "unknown SPDM version" },
		{ "{ identity: vendor, vendor_pen: 1, versions: [\"1.2\"] }", "EC:P-256", "refuse",
		    "no request that makes a key" },
		{ "{ identity: csr, vendor_pen: 1 }", "EC:P-256", "refuse", "only after a key" },
		{ "{ identity: csr, vendor_pen: 1 }", "EC:P-256", "replace", "only after a key" },
		{ "{ identity: certificate, vendor_pen: 1 }", "EC:P-256", "refuse", "forbids it" },
		{ RIG_SECTION, "RSA:3072", "refuse", "EC:P-256, EC:P-384" },
		{ RIG_SECTION, "ED25519", "refuse", "EC:P-256, EC:P-384" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err e = { 0 };
		AUTO_PTR(profile) *p =
		    rig_try_profile(bad[i].section, bad[i].algorithm, bad[i].existing, &e);

		if (p != NULL)
			fail_msg("accepted: %s", bad[i].section);
		assert_int_equal(e.domain, ERR_CONFIG);
		if (strstr(e.message, bad[i].why) == NULL || strncmp(e.message, "test:", 5) != 0)
			fail_msg("%s: %s", bad[i].section, e.message);
	}
}

static void the_family_says_what_it_can(void **state)
{
	const struct family *family = family_find("spdm");

	(void)state;
	assert_non_null(family);
	assert_true(family->keygen && family->seals && family->anchors);
	assert_int_equal(family->objects, 1U << OBJECT_CHAIN | 1U << OBJECT_ANCHORS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_are_read),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(every_way_has_its_policy),
		cmocka_unit_test(wrong_sections_are_refused),
		cmocka_unit_test(the_family_says_what_it_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
