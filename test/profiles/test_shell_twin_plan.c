#include "linux-shell/twin_plan.h"

#include <string.h>

#include "testing.h"

static int parse(const char *fault, uint64_t seed, struct shell_plan *ret, struct err *e)
{
	const struct twin_config config = { .fault = fault, .seed = seed };

	return shell_plan_parse(ret, &config, e);
}

static void test_no_fault(void **state)
{
	struct shell_plan p = { .fault = SHELL_FAULT_STALL };
	struct err e = { 0 };

	(void)state;
	assert_ok(parse(NULL, 1, &p, &e), &e);
	assert_int_equal(p.fault, SHELL_FAULT_NONE);
}

static void test_every_fault_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; shell_plan_faults[i] != NULL; i++) {
		struct shell_plan p = { 0 };
		struct err e = { 0 };

		assert_ok(parse(shell_plan_faults[i], 1, &p, &e), &e);
		assert_int_equal(p.fault, i + 1);
	}
}

static void test_the_write_of_a_power_cut(void **state)
{
	static const char *const wrong[] = { "power-cut:", "power-cut:0", "power-cut:10000",
		"power-cut:-1", "power-cut:1x", "power-cut:keygen" };
	struct shell_plan p = { 0 };
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_err(parse(wrong[i], 1, &p, &e), &e, "twin.fault");
	assert_ok(parse("power-cut:17", 1, &p, &e), &e);
	assert_int_equal(p.cut, 17);
	assert_ok(parse("power-cut", 1, &p, &e), &e);
	assert_in_range(p.cut, 1, SHELL_CUT_PICK);
}

static void test_the_seed_picks_the_step(void **state)
{
	struct shell_plan first = { 0 }, again = { 0 };
	struct err e = { 0 };
	unsigned seen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		assert_ok(parse("stall", seed, &first, &e), &e);
		assert_ok(parse("stall", seed, &again, &e), &e);
		assert_int_equal(first.step, again.step);
		seen |= 1u << first.step;
	}
	assert_int_equal(seen, 1u << STEP_IDENTIFY | 1u << STEP_KEYGEN | 1u << STEP_REQUEST |
				   1u << STEP_INSTALL | 1u << STEP_READBACK | 1u << STEP_PROVE);
}

static void test_a_named_step(void **state)
{
	struct shell_plan p = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(parse("reset:install", 1, &p, &e), &e);
	assert_int_equal(p.fault, SHELL_FAULT_RESET);
	assert_int_equal(p.step, STEP_INSTALL);
	assert_ok(parse("wrong-key:prove", 1, &p, &e), &e);
	assert_int_equal(p.step, STEP_PROVE);
}

static void test_what_is_no_fault(void **state)
{
	static const char *const texts[] = { "", ":", "explode", "stal", "stalled",
		"stall:", "stall:lunch", "stall:enrol", "wrong-key:request", ":prove",
		"lying-readback:prove" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct shell_plan p = { 0 };
		struct err e = { 0 };

		assert_err(parse(texts[i], 1, &p, &e), &e, "twin.fault");
	}
}

/* As the driver types them, with the commands of the profiles of the folder. */
static void test_lines_belong_to_steps(void **state)
{
	static const struct {
		const char *line;
		enum step_id step;
	} rows[] = {
		{ "sh -c 'cat identity/serial'", STEP_IDENTIFY },
		{ "sh -c 'cat identity/model'", STEP_COUNT },
		{ "sh -c 'openssl genpkey -algorithm EC -out keys/device.pem.new'", STEP_KEYGEN },
		{ "sh -c 'openssl req -new -key keys/device.pem -config '\\''.kiln/csr.cnf'\\'''",
		    STEP_REQUEST },
		{ "sh -c 'printf %s '\\''QUJD'\\'' | base64 -d > '\\''certs/device.pem.new'\\'''",
		    STEP_COUNT },
		{ "sh -c 'mv -f '\\''certs/device.pem.new'\\'' '\\''certs/device.pem'\\'''",
		    STEP_INSTALL },
		{ "sh -c 'sha256sum <'\\''certs/device.pem'\\'' && base64 "
		  "'\\''certs/device.pem'\\'''",
		    STEP_READBACK },
		{ "sh -c 'openssl dgst -sha256 -sign keys/device.pem -out "
		  "'\\''.kiln/signature'\\'''",
		    STEP_PROVE },
		{ "sh -c 'pkcs11-tool $TOKEN --keypairgen --usage-sign --label kiln'",
		    STEP_KEYGEN },
		{ "sh -c 'certtool --generate-request --template .kiln/template'", STEP_REQUEST },
		{ "sh -c 'pkcs11-tool $TOKEN --sign --mechanism ECDSA'", STEP_PROVE },
		{ "", STEP_COUNT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(shell_plan_step_of(rows[i].line), rows[i].step);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_fault),
		cmocka_unit_test(test_every_fault_is_known),
		cmocka_unit_test(test_the_write_of_a_power_cut),
		cmocka_unit_test(test_the_seed_picks_the_step),
		cmocka_unit_test(test_a_named_step),
		cmocka_unit_test(test_what_is_no_fault),
		cmocka_unit_test(test_lines_belong_to_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
