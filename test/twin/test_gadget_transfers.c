/* Bulk and interrupt transfers of the emulated USB device (USB 2.0, 5.8.3 and 8.5.2), and its faults. */
#include <stdlib.h>

#include "gadget_kit.h"
#include "profile.h"

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
