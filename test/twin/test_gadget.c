/* The emulated USB device against USB 2.0 chapter 9, byte for byte, and its rules of transfers. */
#include <stdlib.h>
#include <string.h>

#include "gadget.h"
#include "profile.h"
#include "testing.h"

static const uint8_t ccid_descriptor[] = { 0x36, 0x21, 0x10, 0x01 };
static const uint8_t notice[] = { 0x50, 0x03 };
static const struct twin_usb plain = {
	.vendor = 0x1209,
	.product = 0x0001,
	.class = 0x14,
	.subclass = 0x00,
	.protocol = 0x01,
};
static const struct twin_usb reader = {
	.vendor = 0x1209,
	.product = 0x0001,
	.class = 0x0b,
	.descriptor = ccid_descriptor,
	.descriptor_len = sizeof(ccid_descriptor),
	.notice = notice,
	.notice_len = sizeof(notice),
};

/* Hex with blanks between the fields of the specification's tables. */
static void check_hex(const struct buf *got, const char *want)
{
	char packed[1024], text[1024];
	size_t len = 0;

	for (; *want != '\0'; want++)
		if (*want != ' ')
			packed[len++] = *want;
	packed[len] = '\0';
	assert_true(got->len * 2 < sizeof(text));
	text[0] = '\0';
	if (got->len > 0)
		hex_encode(got->data, got->len, text);
	assert_string_equal(text, packed);
}

/* A control transfer: what comes back, or "stall". */
static void control(struct gadget *g, const char *setup, const char *want)
{
	AUTO_STRUCT(buf) packet = { 0 };
	AUTO_STRUCT(buf) data = { 0 };
	enum gadget_fate fate;
	struct err e = { 0 };

	testing_hex(setup, &packet);
	assert_int_equal(packet.len, GADGET_SETUP_LEN);
	assert_ok(gadget_control(g, packet.data, &data, &fate, &e), &e);
	if (strcmp(want, "stall") == 0) {
		assert_int_equal(fate, GADGET_STALLED);
		return;
	}
	assert_int_equal(fate, GADGET_DONE);
	check_hex(&data, want);
}

static void open_gadget(struct gadget *g, const struct twin_usb *usb, enum gadget_speed speed)
{
	gadget_init(g, usb, speed, "IP3-A", "S1");
}

static void open_configured(struct gadget *g, const struct twin_usb *usb, enum gadget_speed speed)
{
	open_gadget(g, usb, speed);
	control(g, "0009010000000000", "");
}

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

/* --- transfers --- */

static uint8_t sample[70000];

static enum gadget_fate out(struct gadget *g, size_t len, bool zero)
{
	enum gadget_fate fate;
	struct err e = { 0 };

	assert_ok(gadget_out(g, sample, len, zero, &fate, &e), &e);
	return fate;
}

/* The length of the whole message that is there, or 0. */
static size_t taken(struct gadget *g)
{
	AUTO_STRUCT(buf) message = { 0 };

	return gadget_take(g, &message) ? message.len : 0;
}

static void test_out_ends_with_a_short_packet(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	assert_int_equal(out(&g, 10, false), GADGET_DONE);
	assert_int_equal(out(&g, 10, false), GADGET_WAITS); /* the first is not taken */
	assert_int_equal(taken(&g), 10);
	assert_int_equal(out(&g, 64, false), GADGET_DONE);
	assert_int_equal(taken(&g), 0); /* more may come */
	assert_int_equal(out(&g, 128, false), GADGET_DONE);
	assert_int_equal(taken(&g), 0);
	assert_int_equal(out(&g, 0, false), GADGET_DONE);
	assert_int_equal(taken(&g), 192);
	assert_int_equal(out(&g, 64, true), GADGET_DONE);
	assert_int_equal(taken(&g), 64);
	assert_int_equal(out(&g, 0, false), GADGET_DONE);
	assert_int_equal(taken(&g), 0);
	gadget_free(&g);
	open_configured(&g, &plain, GADGET_HIGH);
	assert_int_equal(out(&g, 64, false), GADGET_DONE);
	assert_int_equal(taken(&g), 64);
	assert_int_equal(out(&g, 512, false), GADGET_DONE);
	assert_int_equal(taken(&g), 0);
	gadget_free(&g);
}

static void test_out_ends_with_a_full_buffer(void **state)
{
	struct twin_usb usb = plain;
	struct gadget g;

	(void)state;
	usb.transfer_max = 512;
	open_configured(&g, &usb, GADGET_FULL);
	assert_int_equal(out(&g, 256, false), GADGET_DONE);
	assert_int_equal(taken(&g), 0);
	assert_int_equal(out(&g, 256, false), GADGET_DONE);
	assert_int_equal(taken(&g), 512);
	gadget_free(&g);
}

static void test_out_refusals(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &plain, GADGET_HIGH);
	assert_int_equal(out(&g, 10, false), GADGET_STALLED); /* not configured */
	control(&g, "0009010000000000", "");
	for (size_t i = 0; i < GADGET_MESSAGE_MAX / 512; i++)
		assert_int_equal(out(&g, 512, false), GADGET_DONE);
	assert_int_equal(out(&g, 1, false), GADGET_STALLED); /* nobody says so much */
	control(&g, "8200000001000200", "0100");
	control(&g, "0201000001000000", "");
	assert_int_equal(out(&g, 1, false), GADGET_DONE);
	assert_int_equal(taken(&g), 1);
	gadget_free(&g);
}

static void put(struct gadget *g, size_t len)
{
	struct err e = { 0 };

	assert_false(g->sending_busy);
	assert_ok(gadget_put(g, sample, len, -1, &e), &e);
}

/* A transfer of the host: what came is len bytes that follow those before. */
static enum gadget_fate in(struct gadget *g, uint8_t endpoint, size_t room, size_t len)
{
	AUTO_STRUCT(buf) data = { 0 };
	enum gadget_fate fate;
	struct err e = { 0 };

	assert_ok(gadget_in(g, endpoint, room, &data, &fate, &e), &e);
	assert_int_equal(data.len, len);
	return fate;
}

static void test_in_ends_with_a_short_packet(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_WAITS);
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 100), GADGET_DONE);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_WAITS);
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 64, 64), GADGET_DONE);
	assert_int_equal(in(&g, GADGET_IN, 64, 36), GADGET_DONE);
	put(&g, 128); /* a multiple: a zero-length packet ends it */
	assert_int_equal(in(&g, GADGET_IN, 512, 128), GADGET_DONE);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_WAITS);
	put(&g, 128); /* there is room for the data alone: then the next transfer has it */
	assert_int_equal(in(&g, GADGET_IN, 128, 128), GADGET_DONE);
	assert_true(g.sending_busy);
	assert_int_equal(in(&g, GADGET_IN, 128, 0), GADGET_DONE);
	assert_false(g.sending_busy);
	gadget_free(&g);
}

static void test_in_of_the_largest_transfer_has_no_zlp(void **state)
{
	struct twin_usb usb = plain;
	struct gadget g;

	(void)state;
	usb.transfer_max = 512;
	open_configured(&g, &usb, GADGET_HIGH);
	put(&g, 512);
	assert_int_equal(in(&g, GADGET_IN, 512, 512), GADGET_DONE);
	assert_false(g.sending_busy);
	gadget_free(&g);
}

static void test_a_packet_without_room_is_babble(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 70, 0), GADGET_BABBLED);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_WAITS); /* and the message is lost */
	gadget_free(&g);
}

static void test_notice_is_sent_once_per_configuration(void **state)
{
	struct gadget g;

	(void)state;
	open_gadget(&g, &reader, GADGET_HIGH);
	assert_int_equal(in(&g, GADGET_NOTICE, 8, 0), GADGET_STALLED);
	for (int i = 0; i < 2; i++) {
		control(&g, "0009010000000000", "");
		assert_int_equal(in(&g, GADGET_NOTICE, 8, 2), GADGET_DONE);
		assert_int_equal(in(&g, GADGET_NOTICE, 8, 0), GADGET_WAITS);
	}
	gadget_free(&g);
}

/* --- faults --- */

static void plan(struct gadget *g, const char *fault)
{
	struct err e = { 0 };

	assert_ok(gadget_plan_parse(&g->plan, fault, 0, true, &e), &e);
}

static void test_stall(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	plan(&g, "usb-stall:2");
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 100), GADGET_DONE);
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_STALLED);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_STALLED);
	control(&g, "8200000081000200", "0100");
	control(&g, "0201000081000000", "");
	assert_int_equal(in(&g, GADGET_IN, 512, 100), GADGET_DONE); /* it was kept */
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 100), GADGET_DONE);
	gadget_free(&g);
}

static void test_short_packet_in_the_middle(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	plan(&g, "usb-short:1");
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 50), GADGET_DONE);
	assert_int_equal(in(&g, GADGET_IN, 512, 50), GADGET_DONE);
	gadget_free(&g);
	open_configured(&g, &plain, GADGET_FULL);
	plan(&g, "usb-short:1");
	put(&g, 128); /* the half is a full packet: not there */
	assert_int_equal(in(&g, GADGET_IN, 512, 63), GADGET_DONE);
	assert_int_equal(in(&g, GADGET_IN, 512, 65), GADGET_DONE);
	gadget_free(&g);
}

static void test_missing_zlp(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	plan(&g, "usb-no-zlp:1");
	put(&g, 128);
	assert_int_equal(in(&g, GADGET_IN, 512, 128), GADGET_WAITS);
	assert_int_equal(in(&g, GADGET_IN, 384, 0), GADGET_WAITS);
	put(&g, 10); /* the host's transfer ends with this message's short packet */
	assert_int_equal(in(&g, GADGET_IN, 384, 10), GADGET_DONE);
	put(&g, 64);
	assert_int_equal(in(&g, GADGET_IN, 64, 64), GADGET_DONE);
	assert_false(g.sending_busy);
	gadget_free(&g);
}

static void test_unplug_in_the_middle(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	plan(&g, "usb-unplug:1");
	put(&g, 200);
	assert_int_equal(in(&g, GADGET_IN, 512, 64), GADGET_GONE);
	assert_true(g.gone);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_GONE);
	assert_int_equal(out(&g, 10, false), GADGET_GONE);
	gadget_free(&g);
}

static void test_babble(void **state)
{
	struct gadget g;

	(void)state;
	open_configured(&g, &plain, GADGET_FULL);
	plan(&g, "usb-babble:1");
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 0), GADGET_BABBLED);
	put(&g, 100);
	assert_int_equal(in(&g, GADGET_IN, 512, 100), GADGET_DONE);
	gadget_free(&g);
}

static void test_faults_strike_at_a_step(void **state)
{
	struct gadget_plan p;
	struct err e = { 0 };

	(void)state;
	assert_ok(gadget_plan_parse(&p, "usb-stall:prove", 0, true, &e), &e);
	assert_false(gadget_plan_strikes(&p, -1));
	assert_false(gadget_plan_strikes(&p, STEP_IDENTIFY));
	assert_true(gadget_plan_strikes(&p, STEP_PROVE));
	assert_false(gadget_plan_strikes(&p, STEP_PROVE));
	assert_ok(gadget_plan_parse(&p, "usb-babble", 5, false, &e), &e);
	assert_int_equal(p.nth, 6);
	assert_err(gadget_plan_parse(&p, "usb-stall:prove", 0, false, &e), &e, "twin.fault");
	assert_err(gadget_plan_parse(&p, "usb-stall:never", 0, true, &e), &e, "twin.fault");
	assert_err(gadget_plan_parse(&p, "usb-stall:0", 0, true, &e), &e, "twin.fault");
	assert_err(gadget_plan_parse(&p, "usb-stall:10000", 0, true, &e), &e, "twin.fault");
	assert_err(gadget_plan_parse(&p, "usb-stall:", 0, true, &e), &e, "twin.fault");
	assert_err(gadget_plan_parse(&p, "usb-sta", 0, true, &e), &e, "twin.fault");
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
		cmocka_unit_test(test_out_ends_with_a_short_packet),
		cmocka_unit_test(test_out_ends_with_a_full_buffer),
		cmocka_unit_test(test_out_refusals),
		cmocka_unit_test(test_in_ends_with_a_short_packet),
		cmocka_unit_test(test_in_of_the_largest_transfer_has_no_zlp),
		cmocka_unit_test(test_a_packet_without_room_is_babble),
		cmocka_unit_test(test_notice_is_sent_once_per_configuration),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_short_packet_in_the_middle),
		cmocka_unit_test(test_missing_zlp),
		cmocka_unit_test(test_unplug_in_the_middle),
		cmocka_unit_test(test_babble),
		cmocka_unit_test(test_faults_strike_at_a_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
