/* The emulated USB device's endpoint 0 against USB 2.0 chapter 9, byte for byte. */
#include <stdlib.h>

#include "gadget_kit.h"

#define DEVICE         "12 01 0002 00 00 00 40 0912 0100 0001 01 02 03 01"
#define INTERFACE_MCTP "09 04 00 00 02 14 00 01 00"

static void test_descriptors_at_high_speed(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &plain, GADGET_HIGH);
	control(&g, "8006000100001200", DEVICE);
	control(&g, "8006000100000800", "12 01 0002 00 00 00 40");
	control(&g, "800600010000ff00", DEVICE);
	control(&g, "8006000200000900", "09 02 2000 01 01 00 80 32");
	control(&g, "800600020000ff00",
	    "09 02 2000 01 01 00 80 32" INTERFACE_MCTP "07 05 01 02 0002 00 07 05 81 02 0002 00");
	control(&g, "8006000600000a00", "0a 06 0002 00 00 00 40 01 00");
	control(&g, "800600070000ff00",
	    "09 07 2000 01 01 00 80 32" INTERFACE_MCTP "07 05 01 02 4000 00 07 05 81 02 4000 00");
	control(&g, "800601020000ff00", "stall"); /* a second configuration */
	control(&g, "8006000f0000ff00", "stall"); /* BOS: USB 2.0 has none */
	gadget_free(&g);
}

static void test_descriptors_at_full_speed(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &plain, GADGET_FULL);
	control(&g, "8006000100001200", DEVICE);
	control(&g, "800600020000ff00",
	    "09 02 2000 01 01 00 80 32" INTERFACE_MCTP "07 05 01 02 4000 00 07 05 81 02 4000 00");
	control(&g, "8006000600000a00", "stall"); /* it has no other speed */
	control(&g, "800600070000ff00", "stall");
	gadget_free(&g);
}

static void test_class_descriptor_and_interrupt_endpoint(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &reader, GADGET_FULL);
	control(&g, "800600020000ff00",
	    "09 02 2b00 01 01 00 80 32 09 04 00 00 03 0b 00 00 00 36 21 10 01"
	    "07 05 01 02 4000 00 07 05 81 02 4000 00 07 05 82 03 0800 10");
	gadget_free(&g);
	open_gadget(&g, &reader, GADGET_HIGH);
	control(&g, "800600020000ff00",
	    "09 02 2b00 01 01 00 80 32 09 04 00 00 03 0b 00 00 00 36 21 10 01"
	    "07 05 01 02 0002 00 07 05 81 02 0002 00 07 05 82 03 0800 08");
	gadget_free(&g);
}

static void test_strings(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &plain, GADGET_HIGH);
	control(&g, "800600030000ff00", "04 03 0904");
	control(&g, "800601030904ff00", "14 03 6b00 6900 6c00 6e00 2d00 7400 7700 6900 6e00");
	control(&g, "800602030904ff00", "0c 03 4900 5000 3300 2d00 4100");
	control(&g, "800603030904ff00", "06 03 5300 3100");
	control(&g, "8006030309040300", "06 03 53");
	control(&g, "800604030904ff00", "stall");
	gadget_free(&g);
}

/* A string's bLength is one byte: 126 characters. */
static void test_a_text_that_is_too_long_is_cut(void **state)
{
	char serial[201];
	struct gadget g;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	memset(serial, 'x', 200);
	serial[200] = '\0';
	gadget_init(&g, &plain, GADGET_HIGH, "M", serial);
	assert_ok(gadget_descriptor(&g, 3, 3, &text, &e), &e);
	assert_int_equal(text.len, 254);
	assert_int_equal(text.data[0], 254);
	gadget_free(&g);
}

static void test_configuration(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &plain, GADGET_HIGH);
	control(&g, "0005070000000000", "");      /* SET_ADDRESS 7 */
	control(&g, "8008000000000100", "00");    /* GET_CONFIGURATION */
	control(&g, "810a000000000100", "stall"); /* GET_INTERFACE needs a configuration */
	control(&g, "010b000000000000", "stall");
	control(&g, "0009020000000000", "stall"); /* there is no configuration 2 */
	control(&g, "0009010000000000", "");
	control(&g, "8008000000000100", "01");
	control(&g, "810a000000000100", "00");
	control(&g, "810a000001000100", "stall"); /* interface 1 */
	control(&g, "010b000000000000", "");
	control(&g, "010b010000000000", "stall"); /* alternate setting 1 */
	control(&g, "0009000000000000", "");
	control(&g, "8008000000000100", "00");
	gadget_free(&g);
}

static void test_status_and_halt(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &plain, GADGET_HIGH);
	control(&g, "8000000000000200", "0000");
	control(&g, "8200000000000200", "0000");  /* endpoint 0, also where not configured */
	control(&g, "8200000081000200", "stall"); /* others only where it is */
	control(&g, "0203000081000000", "stall");
	control(&g, "0009010000000000", "");
	control(&g, "8100000000000200", "0000");
	control(&g, "8200000081000200", "0000");
	control(&g, "0203000081000000", "");
	control(&g, "8200000081000200", "0100");
	control(&g, "8200000001000200", "0000");
	control(&g, "0201000081000000", "");
	control(&g, "8200000081000200", "0000");
	control(&g, "8200000082000200", "stall"); /* it has no interrupt endpoint */
	control(&g, "0201010081000000", "stall"); /* no such feature */
	control(&g, "0203010000000000", "stall");
	control(&g, "00ff000000000000", "stall"); /* no such request */
	gadget_free(&g);
}

static void test_ccid_abort(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &reader, GADGET_HIGH);
	control(&g, "2101000500000000", "");
	control(&g, "2101000501000000", "stall");
	control(&g, "a102000000000400", "stall"); /* GET_CLOCK_FREQUENCIES */
	gadget_free(&g);
	open_configured(&g, &plain, GADGET_HIGH);
	control(&g, "2101000500000000", "stall");
	gadget_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors_at_high_speed),
		cmocka_unit_test(test_descriptors_at_full_speed),
		cmocka_unit_test(test_class_descriptor_and_interrupt_endpoint),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_a_text_that_is_too_long_is_cut),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_status_and_halt),
		cmocka_unit_test(test_ccid_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
