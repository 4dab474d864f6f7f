#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "profile.h"
#include "testing.h"

#define GOOD                                                                                       \
	"--family", "spdm", "--dir", "d", "--slots", "4", "--devices", "8", "--model", "IP3-A",    \
	    "--serial", "IP30000008"

static int parse(struct options *ret, struct err *e, const char *const words[], size_t count)
{
	char *argv[64] = { NULL };
	int rc;

	assert_true(count + 2 < COUNT(argv));
	argv[0] = strdup("kiln-twin");
	for (size_t i = 0; i < count; i++)
		argv[i + 1] = strdup(words[i]);
	rc = options_parse(ret, &pty_skin, (int)count + 1, argv, e);
	/* the options borrow what argv has: the tests look only at copies and numbers after this */
	for (size_t i = 0; i <= count; i++)
		free(argv[i]);
	return rc;
}

#define PARSE(ret, e, ...)                                                                         \
	parse((ret), (e), (const char *const[]){ __VA_ARGS__ },                                    \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void test_all_options(void **state)
{
	struct options o;
	struct err e = { 0 };

	(void)state;
	assert_ok(PARSE(&o, &e, GOOD, "--variant", "1.2", "--keygen-ms", "17", "--baud", "115200",
		      "--seed", "9", "--fault", "drop:prove@2", "--fault", "corrupt"),
	    &e);
	assert_string_equal(o.family->name, "spdm");
	assert_int_equal(o.slots, 4);
	assert_int_equal(o.devices, 8);
	assert_int_equal(o.keygen_ms, 17);
	assert_int_equal(o.baud, 115200);
	assert_int_equal(o.seed, 9);
	assert_string_equal(options_fault_of(&o, 1), "corrupt");
	assert_string_equal(options_fault_of(&o, 2), "drop:prove");
}

static void test_defaults(void **state)
{
	struct options o;
	struct err e = { 0 };

	(void)state;
	assert_ok(PARSE(&o, &e, GOOD), &e);
	assert_int_equal(o.keygen_ms, 200);
	assert_int_equal(o.baud, 0);
	assert_null(o.variant);
	assert_null(options_fault_of(&o, 1));
	assert_ok(PARSE(&o, &e, "--help"), &e);
	assert_true(o.help);
}

static void test_refusals(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_err(PARSE(&o, &e, "--family", "spdm"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--family", "none"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--what"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "more"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--slots"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--slots", "0"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--slots", "257"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--devices", "-1"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--devices", "8x"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--devices", ""), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--seed", "99999999999999999999"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--variant", "9.9"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--serial", "../IP1"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--serial", ".."), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--serial", ""), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--model", "a\nb"), &e, "usage");
}

static void test_fault_refusals(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_err(PARSE(&o, &e, GOOD, "--fault", "none"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", ""), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "drop:never"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "drop:7"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "power-cut:never"), &e, "twin.fault");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "drop@0"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "drop@9"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "drop@"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--fault", "@1"), &e, "usage");
}

static void test_usb(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_ok(PARSE(&o, &e, GOOD), &e);
	assert_string_equal(o.skin->name, "pty");
	assert_ok(PARSE(&o, &e, GOOD, "--skin", "usbip", "--usb-speed", "full", "--fault",
		      "usb-stall:prove@1", "--fault", "usb-unplug:7", "--fault", "drop:prove@2"),
	    &e);
	assert_string_equal(o.skin->name, "usbip");
	assert_int_equal(o.usb_speed, GADGET_FULL);
	assert_err(PARSE(&o, &e, GOOD, "--fault", "usb-stall"), &e, "usage"); /* on a tty */
	assert_err(PARSE(&o, &e, GOOD, "--skin", "usbip", "--fault", "usb-none"), &e, "twin.fault");
	assert_err(PARSE(&o, &e, GOOD, "--skin", "none"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--usb-speed", "super"), &e, "usage");
	assert_err(PARSE(&o, &e, GOOD, "--skin", "usbip", "--family", "linux-shell"), &e, "usage");
}

static void test_serials_count_up(void **state)
{
	struct options o = { .serial = "AB-098", .devices = 3 };
	char serial[IDENTITY_MAX + 1];
	struct err e = { 0 };

	(void)state;
	assert_ok(options_serial(&o, 1, serial, sizeof(serial), &e), &e);
	assert_string_equal(serial, "AB-098");
	assert_ok(options_serial(&o, 3, serial, sizeof(serial), &e), &e);
	assert_string_equal(serial, "AB-100");
	assert_ok(options_serial(&o, 902, serial, sizeof(serial), &e), &e);
	assert_string_equal(serial, "AB-999");
	assert_err(options_serial(&o, 903, serial, sizeof(serial), &e), &e, "usage");
	o.serial = "no digits";
	assert_ok(options_serial(&o, 1, serial, sizeof(serial), &e), &e);
	assert_err(options_serial(&o, 2, serial, sizeof(serial), &e), &e, "usage");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_options),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_fault_refusals),
		cmocka_unit_test(test_usb),
		cmocka_unit_test(test_serials_count_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
