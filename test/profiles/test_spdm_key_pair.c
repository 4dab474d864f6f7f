/* Making a key. */
#include <string.h>

#include "spdm_rig.h"

/* KEY_PAIR_INFO of pair 1: capabilities, current algorithm, slot mask. */
#define PAIR(capabilities, algorithm, slots)                                                       \
	"137c00000101" capabilities "0700000018000000" algorithm "0000" slots
#define NONE PAIR("1f00", "00000000", "00")
#define P256 PAIR("1f00", "08000000", "00")
#define ACK  "137d0000"

static int keygen(struct rig *r, const char *section, bool replace, struct err *e)
{
	AUTO_PTR(profile) *p = rig_profile(section, "EC:P-256", replace ? "replace" : "reuse");
	const struct key_spec spec = { "EC:P-256", replace };
	struct device *d = rig_open(r, p, 2000);
	int rc = d->driver->keygen(d, &spec, e);

	d->driver->close(d);
	return rc;
}

static void keys_are_made_step_by_step(void **state)
{
	static const struct {
		bool replace;
		struct rig_step script[4];
		size_t len;
		const char *requests;
	} cases[] = {
		{ false, { { SPDM_GET_KEY_PAIR_INFO, NONE }, { SPDM_SET_KEY_PAIR_INFO, ACK } }, 2,
		    "13fc00000113fd0200010006000800000000" },
		/* it can set neither usage nor algorithm: nothing is wished for, and what came of it is asked */
		{ false,
		    { { SPDM_GET_KEY_PAIR_INFO, PAIR("0100", "00000000", "00") },
			{ SPDM_SET_KEY_PAIR_INFO, ACK }, { SPDM_GET_KEY_PAIR_INFO, P256 } },
		    3, "13fc00000113fd020001000000000000000013fc000001" },
		{ false, { { SPDM_GET_KEY_PAIR_INFO, P256 } }, 1, "13fc000001" },
		{ true,
		    { { SPDM_GET_KEY_PAIR_INFO, P256 }, { SPDM_SET_KEY_PAIR_INFO, ACK },
			{ SPDM_SET_KEY_PAIR_INFO, ACK } },
		    3, "13fc00000113fd01000113fd0200010006000800000000" },
		/* in use by slot 0: taken from it first */
		{ true,
		    { { SPDM_GET_KEY_PAIR_INFO, PAIR("1f00", "08000000", "01") },
			{ SPDM_SET_KEY_PAIR_INFO, ACK }, { SPDM_SET_KEY_PAIR_INFO, ACK },
			{ SPDM_SET_KEY_PAIR_INFO, ACK } },
		    4, "13fc00000113fd000001000000000000000013fd01000113fd0200010006000800000000" },
		{ true, { { SPDM_GET_KEY_PAIR_INFO, NONE }, { SPDM_SET_KEY_PAIR_INFO, ACK } }, 2,
		    "13fc00000113fd0200010006000800000000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = { .base = { &rig_ops },
			.capabilities = RIG_CAPABILITIES,
			.script = cases[i].script,
			.script_len = cases[i].len };
		AUTO_STRUCT(buf) want = { 0 };
		struct err e = { 0 };

		assert_ok(keygen(&r, RIG_SECTION, cases[i].replace, &e), &e);
		testing_hex(cases[i].requests, &want);
		assert_true(buf_equal(&r.requests, &want));
		rig_done(&r);
	}
}

static const struct {
	bool replace;
	struct rig_step script[3];
	size_t len;
	const char *code, *why;
} bad[] = {
	{ true, { { SPDM_GET_KEY_PAIR_INFO, PAIR("1d00", "08000000", "00") } }, 1,
	    "device.unsupported", "can not be erased" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, PAIR("1e00", "00000000", "00") } }, 1,
	    "device.unsupported", "can not be generated" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, PAIR("1f00", "10000000", "00") } }, 1, "device.key",
	    "EC:P-256" },
	{ false,
	    { { SPDM_GET_KEY_PAIR_INFO, PAIR("0100", "00000000", "00") },
		{ SPDM_SET_KEY_PAIR_INFO, ACK }, { SPDM_GET_KEY_PAIR_INFO, NONE } },
	    3, "device.key", "EC:P-256" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, NONE }, { SPDM_SET_KEY_PAIR_INFO, "137f4400" } }, 2,
	    "device.refused", "generating key pair 1" },
	{ true, { { SPDM_GET_KEY_PAIR_INFO, P256 }, { SPDM_SET_KEY_PAIR_INFO, "137f4400" } }, 2,
	    "device.refused", "erasing key pair 1" },
	{ true,
	    { { SPDM_GET_KEY_PAIR_INFO, PAIR("1f00", "08000000", "01") },
		{ SPDM_SET_KEY_PAIR_INFO, "137f0100" } },
	    2, "device.refused", "from its slots" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, "137f0100" } }, 1, "device.refused", "GET_KEY" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, "137c0000010107" } }, 1, "device.protocol",
	    "too short" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, "137c000002021f00070000001800000008000000000000" } },
	    1, "device.protocol", "another key pair" },
	{ false, { { SPDM_GET_KEY_PAIR_INFO, "137c000001011f00070000001800000008000000010000" } },
	    1, "device.protocol", "too short" },
};

static void keys_that_can_not_be_made_are_refused(void **state)
{

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct rig r = { .base = { &rig_ops },
			.capabilities = RIG_CAPABILITIES,
			.script = bad[i].script,
			.script_len = bad[i].len };
		struct err e = { 0 };

		assert_err(keygen(&r, RIG_SECTION, bad[i].replace, &e), &e, bad[i].code);
		if (strstr(e.message, bad[i].why) == NULL)
			fail_msg("%s", e.message);
		rig_done(&r);
	}
}

/* A device of 1.2, and one without KEY_PAIR_INFO, has its key. */
static void a_key_from_the_start_is_used(void **state)
{
	static const struct {
		const char *section, *capabilities;
	} cases[] = {
		{ "{ identity: vendor, vendor_pen: 32473, versions: [\"1.2\"] }",
		    RIG_CAPABILITIES },
		{ RIG_SECTION, "1361000000000000060018000012000000120000" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = { .base = { &rig_ops }, .capabilities = cases[i].capabilities };
		struct rig again = r;
		struct err e = { 0 };

		assert_ok(keygen(&r, cases[i].section, false, &e), &e);
		rig_done(&r);
		if (i == 0)
			continue; /* such a profile can not say replace */
		assert_err(keygen(&again, cases[i].section, true, &e), &e, "device.unsupported");
		rig_done(&again);
	}
}

static void the_profiles_algorithm_is_made(void **state)
{
	AUTO_PTR(profile) *p = rig_profile(RIG_SECTION, "EC:P-256", "refuse");
	const struct key_spec spec = { "EC:P-384", false };
	struct rig r = { .base = { &rig_ops }, .capabilities = RIG_CAPABILITIES };
	struct device *d = rig_open(&r, p, 1000);
	struct err e = { 0 };

	(void)state;
	assert_err(d->driver->keygen(d, &spec, &e), &e, "device.key");
	d->driver->close(d);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_made_step_by_step),
		cmocka_unit_test(keys_that_can_not_be_made_are_refused),
		cmocka_unit_test(a_key_from_the_start_is_used),
		cmocka_unit_test(the_profiles_algorithm_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
