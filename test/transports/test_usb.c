/* Through libusb, against a mocked usbfs. What only a real one does is tested in a guest's kernel. */
#include "usb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "mock_usb.h"
#include "testing.h"

#define MCTP_ADDRESS "usb:" MOCK_PLACE "3?interface=mctp"
#define CCID_ADDRESS "usb:" MOCK_PLACE "3?interface=ccid"

enum { CLASS_MCTP = 0x14, CLASS_CCID = 0x0b };

static int64_t soon(int64_t ms)
{
	return clock_now_ms() + ms;
}

static int unplug(void **state)
{
	if (*state != NULL)
		mock_usb_free(*state);
	return 0;
}

/* Plugs a device, and hands it to the teardown. */
static struct mock_usb *plug(void **state, uint8_t class, const char *driver)
{
	*state = mock_usb_plug(3, class, driver);
	return *state;
}

static struct transport *open_link(const char *address)
{
	struct transport *t = NULL;
	struct err e = { 0 };

	assert_ok(transport_open(&t, address, &e), &e);
	return t;
}

static void expect_read(struct transport *t, size_t len, const void *want, size_t want_len)
{
	uint8_t got[USB_TRANSFER_MAX];
	struct err e = { 0 };
	size_t n = 0;

	assert_ok(transport_read(t, got, len, &n, soon(2000), &e), &e);
	assert_int_equal(n, want_len);
	assert_memory_equal(got, want, want_len);
}

static void bytes_go_both_ways(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };

	assert_int_equal(t->ops->medium, MEDIUM_USB);
	mock_usb_echo(m, true);
	for (size_t len = 1; len <= 4 * MOCK_PACKET; len = len * 2 + 1) {
		uint8_t all[4 * MOCK_PACKET];

		for (size_t i = 0; i < len; i++)
			all[i] = (uint8_t)(i * 7 + len);
		assert_ok(transport_write(t, all, len, soon(2000), &e), &e);
		expect_read(t, sizeof(all), all, len);
	}
	assert_true(mock_usb_seen(m).claimed);
	transport_close(steal(&t));
	assert_false(mock_usb_seen(m).claimed);
	assert_int_equal(mock_usb_seen(m).forbidden, 0);
	assert_int_equal(mock_usb_seen(m).pending, 0);
}

static void a_write_says_where_it_ends(void **state)
{
	static const uint8_t data[2 * MOCK_PACKET] = { 1, 2, 3 };
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };

	assert_ok(transport_write(t, data, sizeof(data), soon(2000), &e), &e);
	assert_int_equal(mock_usb_seen(m).writes, 1);
	assert_int_equal(mock_usb_seen(m).last_write_len, sizeof(data));
	assert_int_equal(mock_usb_seen(m).zero_packets, 1);
}

static void a_transfer_has_a_bound(void **state)
{
	static const uint8_t data[USB_TRANSFER_MAX + 1] = { 0 };
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };

	assert_err(transport_write(t, data, sizeof(data), soon(2000), &e), &e, "link.size");
	assert_int_equal(mock_usb_seen(m).writes, 0);
	assert_ok(transport_write(t, data, USB_TRANSFER_MAX, soon(2000), &e), &e);
}

/* What does not fit into the caller's buffer is there at the next read; room is always whole packets. */
static void a_read_takes_whole_packets(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);

	mock_usb_say(m, MOCK_IN, "hello world", 11, false);
	expect_read(t, 5, "hello", 5);
	assert_int_equal(mock_usb_seen(m).last_in_room, MOCK_PACKET);
	expect_read(t, 100, " world", 6);
	mock_usb_say(m, MOCK_IN, "x", 1, false);
	expect_read(t, MOCK_PACKET + 1, "x", 1);
	assert_int_equal(mock_usb_seen(m).last_in_room, 2 * MOCK_PACKET);
	mock_usb_say(m, MOCK_IN, "y", 1, false);
	expect_read(t, 10 * USB_TRANSFER_MAX, "y", 1);
	assert_int_equal(mock_usb_seen(m).last_in_room, USB_TRANSFER_MAX);
}

static void empty_packets_are_no_bytes(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);

	mock_usb_say(m, MOCK_IN, "", 0, false);
	mock_usb_say(m, MOCK_IN, "", 0, false);
	mock_usb_say(m, MOCK_IN, "z", 1, false);
	expect_read(t, 100, "z", 1);
}

static void a_silent_device_is_a_timeout(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 0, before = mock_usb_seen(m).cancelled;
	int64_t start = clock_now_ms();

	assert_err(transport_read(t, &byte, 1, &got, start + 50, &e), &e, "link.timeout");
	assert_true(e.retry);
	assert_true(clock_now_ms() >= start + 49);
	assert_int_equal(mock_usb_seen(m).cancelled, before + 1);
	assert_int_equal(mock_usb_seen(m).pending, 0);
	assert_err(transport_read(t, &byte, 1, &got, start, &e), &e, "link.timeout");
	mock_usb_say(m, MOCK_IN, "later", 5, false);
	expect_read(t, 100, "later", 5);
}

/* A packet came, the transfer's end did not: the missing empty packet of a careless device. */
static void a_timeout_keeps_what_came(void **state)
{
	uint8_t whole[MOCK_PACKET];
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	uint8_t got[4 * MOCK_PACKET];
	struct err e = { 0 };
	size_t n = 0;

	memset(whole, 'w', sizeof(whole));
	mock_usb_say(m, MOCK_IN, whole, sizeof(whole), false);
	assert_ok(transport_read(t, got, sizeof(got), &n, soon(50), &e), &e);
	assert_int_equal(n, sizeof(whole));
	assert_memory_equal(got, whole, n);
	mock_usb_say(m, MOCK_IN, "next", 4, false);
	expect_read(t, 100, "next", 4);
}

static void a_device_that_does_not_read_is_a_timeout(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };

	mock_usb_deaf(m, true);
	assert_err(transport_write(t, "x", 1, soon(30), &e), &e, "link.timeout");
	assert_int_equal(mock_usb_seen(m).pending, 0);
	mock_usb_deaf(m, false);
	assert_ok(transport_write(t, "y", 1, soon(2000), &e), &e);
	assert_int_equal(mock_usb_seen(m).writes, 1);
}

static void a_stall_is_told_and_taken_back(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 0;

	mock_usb_fail(m, MOCK_OUT, EPIPE);
	assert_err(transport_write(t, "x", 1, soon(2000), &e), &e, "link.stall");
	assert_true(e.retry);
	assert_non_null(strstr(e.message, "02h"));
	assert_int_equal(mock_usb_seen(m).cleared, 1);
	assert_ok(transport_write(t, "x", 1, soon(2000), &e), &e);

	mock_usb_fail(m, MOCK_IN, EPIPE);
	assert_err(transport_read(t, &byte, 1, &got, soon(2000), &e), &e, "link.stall");
	assert_int_equal(mock_usb_seen(m).cleared, 2);
	mock_usb_say(m, MOCK_IN, "fine", 4, false);
	expect_read(t, 100, "fine", 4);
}

static void other_failures_have_their_names(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 0;

	mock_usb_fail(m, MOCK_IN, EOVERFLOW);
	assert_err(transport_read(t, &byte, 1, &got, soon(2000), &e), &e, "link.babble");
	assert_false(e.retry);
	mock_usb_fail(m, MOCK_OUT, EPROTO);
	assert_err(transport_write(t, "x", 1, soon(2000), &e), &e, "link.error");
	assert_true(e.retry);
	assert_int_equal(mock_usb_seen(m).pending, 0);
}

static void unplugging_is_no_timeout(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 0;

	mock_usb_unplug_on(m, MOCK_IN);
	assert_err(transport_read(t, &byte, 1, &got, soon(5000), &e), &e, "link.gone");
	assert_false(e.retry);
	assert_err(transport_read(t, &byte, 1, &got, soon(5000), &e), &e, "link.gone");
	assert_err(transport_write(t, "x", 1, soon(5000), &e), &e, "link.gone");
	transport_flush(t);
}

static void unplugging_ends_a_write(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);
	struct err e = { 0 };

	mock_usb_unplug_on(m, MOCK_OUT);
	assert_err(transport_write(t, "x", 1, soon(5000), &e), &e, "link.gone");
}

static void unplugging_ends_a_request(void **state)
{
	struct mock_usb *m = plug(state, CLASS_CCID, NULL);
	AUTO_PTR(transport) *t = open_link(CCID_ADDRESS);
	struct err e = { 0 };

	mock_usb_unplug_on(m, 0);
	assert_err(usb_class_request(t, 1, 0, soon(5000), &e), &e, "link.gone");
}

static void flushing_drops_what_came(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);

	mock_usb_say(m, MOCK_IN, "old", 3, false);
	expect_read(t, 1, "o", 1);
	transport_flush(t);
	mock_usb_say(m, MOCK_IN, "new", 3, false);
	expect_read(t, 1, "n", 1);
}

/* A slot process that was killed leaves its answer in the device. */
static void what_a_predecessor_left_is_dropped(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	AUTO_PTR(transport) *t = NULL;

	mock_usb_say(m, MOCK_IN, "old", 3, false);
	mock_usb_say(m, MOCK_IN, "older", 5, false);
	t = open_link(MCTP_ADDRESS);
	mock_usb_say(m, MOCK_IN, "new", 3, false);
	expect_read(t, 100, "new", 3);
}

static void interrupts_are_read(void **state)
{
	struct mock_usb *m = plug(state, CLASS_CCID, NULL);
	AUTO_PTR(transport) *t = open_link(CCID_ADDRESS);
	struct err e = { 0 };
	uint8_t got[8];
	size_t n = 0;

	assert_true(usb_has_interrupt(t));
	assert_err(usb_interrupt(t, got, sizeof(got), &n, soon(30), &e), &e, "link.timeout");
	assert_true(e.retry);
	mock_usb_say(m, MOCK_INTERRUPT, "\x50\x03", 2, false);
	assert_ok(usb_interrupt(t, got, sizeof(got), &n, soon(2000), &e), &e);
	assert_int_equal(n, 2);
	assert_memory_equal(got, "\x50\x03", 2);
	mock_usb_say(m, MOCK_INTERRUPT, "\x50\x02", 2, false);
	assert_ok(usb_interrupt(t, got, 1, &n, soon(2000), &e), &e); /* what has no room is cut */
	assert_int_equal(n, 1);
	mock_usb_unplug_on(m, MOCK_INTERRUPT);
	assert_err(usb_interrupt(t, got, sizeof(got), &n, soon(2000), &e), &e, "link.gone");
}

static void class_requests_go_to_the_interface(void **state)
{
	static const uint8_t want[] = { 0x21, 1, 0x34, 0x12, 1, 0, 0, 0 };
	struct mock_usb *m = plug(state, CLASS_CCID, NULL);
	AUTO_PTR(transport) *t = open_link(CCID_ADDRESS);
	struct err e = { 0 };

	assert_ok(usb_class_request(t, 1, 0x1234, soon(2000), &e), &e);
	assert_int_equal(mock_usb_seen(m).class_requests, 1);
	assert_memory_equal(mock_usb_seen(m).setup, want, sizeof(want));
	mock_usb_fail(m, 0, EPIPE);
	assert_err(usb_class_request(t, 1, 0, soon(2000), &e), &e, "link.stall");
	assert_int_equal(mock_usb_seen(m).cleared, 0); /* the next setup ends it */
	assert_ok(usb_class_request(t, 1, 0, soon(2000), &e), &e);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_teardown(f, unplug)
	const struct CMUnitTest tests[] = {
		EACH(bytes_go_both_ways),
		EACH(a_write_says_where_it_ends),
		EACH(a_transfer_has_a_bound),
		EACH(a_read_takes_whole_packets),
		EACH(empty_packets_are_no_bytes),
		EACH(a_silent_device_is_a_timeout),
		EACH(a_timeout_keeps_what_came),
		EACH(a_device_that_does_not_read_is_a_timeout),
		EACH(a_stall_is_told_and_taken_back),
		EACH(other_failures_have_their_names),
		EACH(unplugging_is_no_timeout),
		EACH(unplugging_ends_a_write),
		EACH(unplugging_ends_a_request),
		EACH(flushing_drops_what_came),
		EACH(what_a_predecessor_left_is_dropped),
		EACH(interrupts_are_read),
		EACH(class_requests_go_to_the_interface),
	};
	int rc;

	if (!mock_usb_possible()) {
		(void)puts("SKIP: umockdev-wrapper before this program");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	mock_usb_end();
	return rc;
}
