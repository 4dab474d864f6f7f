#include "testing.h"

#include <string.h>

#include "advice.h"

static const char *advice(enum err_domain domain, const char *code)
{
	struct err e = { 0 };

	(void)err_set(&e, domain, code, "something");
	return advice_for(&e);
}

static void test_the_code_is_asked_before_the_domain(void **state)
{
	(void)state;
	assert_string_equal(advice(ERR_LINK, "link.gone"), err_advice(ERR_LINK));
	assert_string_equal(advice(ERR_RECORDS, "records.io"), err_advice(ERR_RECORDS));
	assert_non_null(strstr(advice(ERR_RECORDS, "records.space"), "make room"));
	assert_non_null(strstr(advice(ERR_CONFIG, "clock.ca"), "NTP"));
}

static void test_a_wrong_secret_of_devices(void **state)
{
	(void)state;
	assert_non_null(strstr(advice(ERR_CONFIG, "device.secret"), "secret file"));
}

static void test_a_wrong_pin_brings_the_whole_command(void **state)
{
	static const char command[] =
	    "kiln hsm unblock --config station.yaml --token tls|attestation";

	(void)state;
	assert_non_null(strstr(advice(ERR_HSM, "hsm.operator.pin"), command));
	assert_non_null(strstr(advice(ERR_HSM, "hsm.operator.guard"), command));
}

/* Advice that only points back at the message is none. */
static void test_who_looks_at_the_screen_reads_what_to_do(void **state)
{
	static const char *const codes[] = { "claim.two-slots", "claim.passed", "claim.scrapped",
		"claim.retests", "claim.busy", "claim.model", "claim.profile", "claim.quota",
		"key.present", "list.unlisted", "list.model", "orphan.id", "orphan.unknown",
		"orphan.revoked", "unit.unknown", "unit.scrapped", "rework.passed", "rework.again",
		"scrap.busy", "retest.passed", "retest.again", "retest.needless", "retest.slot",
		"retest.which", "acknowledge.nothing", "line.stopped", "line.runs", "order.changed",
		"operator.section", "evidence.none" };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *said = advice(ERR_OPERATOR, codes[i]);

		assert_string_not_equal(said, err_advice(ERR_OPERATOR));
		assert_null(strchr(said, '\n'));
	}
}

/* The station's own secret or profile is at fault: no red bin for units that are good. */
static void test_a_token_that_is_not_at_fault(void **state)
{
	static const char *const codes[] = { "piv.pin", "piv.pin-last-try", "piv.pin-blocked",
		"piv.pin-counter", "piv.management-key", "piv.public-key", "piv.identity",
		"piv.application", "piv.not-allowed", "piv.space", "piv.key", "ccid.slot",
		"origin.policy" };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_null(strstr(advice(ERR_DEVICE, codes[i]), "red bin"));
}

static void test_a_chip_that_is_not_what_it_says(void **state)
{
	static const char *const codes[] = { "origin.missing", "origin.chain", "origin.firmware" };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_string_not_equal(advice(ERR_DEVICE, codes[i]), err_advice(ERR_DEVICE));
}

static void test_a_link_that_no_cable_mends(void **state)
{
	static const char *const codes[] = { "link.permission", "link.locked", "link.babble",
		"link.interface", "link.stall", "ccid.no-card", "ccid.removed", "ccid.mute",
		"ccid.protocol", "ccid.reader" };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_string_not_equal(advice(ERR_LINK, codes[i]), err_advice(ERR_LINK));
	assert_non_null(strstr(advice(ERR_LINK, "link.permission"), "70-kiln.rules"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_code_is_asked_before_the_domain),
		cmocka_unit_test(test_a_wrong_secret_of_devices),
		cmocka_unit_test(test_a_wrong_pin_brings_the_whole_command),
		cmocka_unit_test(test_who_looks_at_the_screen_reads_what_to_do),
		cmocka_unit_test(test_a_token_that_is_not_at_fault),
		cmocka_unit_test(test_a_chip_that_is_not_what_it_says),
		cmocka_unit_test(test_a_link_that_no_cable_mends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
