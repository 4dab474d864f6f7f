/* Through libusb, against a mocked usbfs. What only a real one does is tested in a guest's kernel. */
#include "usb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "mock_usb.h"
#include "testing.h"

#define MCTP_ADDRESS "usb:" MOCK_PLACE "3?interface=mctp"
#define CCID_ADDRESS "usb:" MOCK_PLACE "3?interface=ccid"

enum { CLASS_MCTP = 0x14, CLASS_CCID = 0x0b, NOBODY = 65534 };

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

static void refuse(const char *address, const char *code)
{
	struct transport *t = NULL;
	struct err e = { 0 };

	assert_err(transport_open(&t, address, &e), &e, code);
	assert_int_equal(e.domain, ERR_LINK);
	assert_null(t);
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

static void the_class_descriptor_is_found(void **state)
{
	AUTO_PTR(transport) *t = NULL;
	const uint8_t *found;
	size_t len = 0;

	(void)plug(state, CLASS_CCID, NULL);
	t = open_link(CCID_ADDRESS);
	found = usb_class_descriptor(t, 0x21, &len);
	assert_non_null(found);
	assert_int_equal(len, 3);
	assert_memory_equal(found, "\x03\x21\xaa", 3);
	assert_null(usb_class_descriptor(t, 0x22, &len));
}

static void wrong_addresses_are_refused(void **state)
{
	static const char *const addresses[] = {
		"usb:",
		"usb:" MOCK_PLACE "3",
		"usb:" MOCK_PLACE "3?interface=",
		"usb:" MOCK_PLACE "3?interface=hid",
		"usb:" MOCK_PLACE "3?interface=0",
		"usb:" MOCK_PLACE "3?baud=9600",
		"usb:" MOCK_PLACE "3?interface=mctp&interface=mctp",
		"usb:" MOCK_PLACE "3?interface=mctp&",
		"usb:" MOCK_PLACE "03?interface=mctp",
		"usb:1-3?interface=mctp",
		"usb:/dev/bus/usb/001/002?interface=mctp",
	};

	(void)plug(state, CLASS_MCTP, NULL);
	for (size_t i = 0; i < COUNT(addresses); i++)
		refuse(addresses[i], "link.address");
}

static void an_empty_place_is_absent(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);

	refuse("usb:" MOCK_PLACE "4?interface=mctp", "link.absent");
	refuse("usb:pci-0000:00:14.0/usb3/3?interface=mctp", "link.absent");
	mock_usb_unplug(m);
	refuse(MCTP_ADDRESS, "link.absent");
}

static void another_kind_of_device_is_told(void **state)
{
	struct transport *t = NULL;
	struct err e = { 0 };
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);

	assert_err(transport_open(&t, CCID_ADDRESS, &e), &e, "link.interface");
	assert_non_null(strstr(e.message, "0409:0001 Pump"));
	assert_int_equal(mock_usb_seen(m).pending, 0);
	assert_false(mock_usb_seen(m).claimed);
	transport_close(open_link(MCTP_ADDRESS)); /* nothing was kept */
}

static void a_device_is_for_one_kiln(void **state)
{
	struct transport *other = NULL;
	AUTO_PTR(transport) *t = NULL;
	struct err e = { 0 };

	(void)plug(state, CLASS_MCTP, NULL);
	t = open_link(MCTP_ADDRESS);
	assert_err(transport_open(&other, MCTP_ADDRESS, &e), &e, "link.locked");
	assert_non_null(strstr(e.message, "another kiln"));
	transport_close(steal(&t));
	t = open_link(MCTP_ADDRESS);
}

static void a_kernel_driver_is_sent_away(void **state)
{
	struct mock_usb *m = plug(state, CLASS_CCID, "cdc_acm");
	AUTO_PTR(transport) *t = open_link(CCID_ADDRESS);

	assert_int_equal(mock_usb_seen(m).detached, 1);
	transport_close(steal(&t));
	assert_int_equal(mock_usb_seen(m).forbidden, 0); /* and not called back */
}

static void expect_holder(const char *text)
{
	struct transport *t = NULL;
	struct err e = { 0 };

	assert_err(transport_open(&t, CCID_ADDRESS, &e), &e, "link.locked");
	assert_non_null(strstr(e.message, text));
}

static void who_holds_it_is_told(void **state)
{
	struct mock_usb *m = plug(state, CLASS_CCID, "usbfs");

	mock_usb_held(m, true);
	expect_holder("pcscd");
	mock_usb_held(m, false);
	transport_close(open_link(CCID_ADDRESS));
	mock_usb_free(m);
	m = plug(state, CLASS_CCID, "stubborn");
	mock_usb_held(m, true);
	expect_holder("kernel driver stubborn");
}

/* In another process: this one is a user for good. */
static void a_forbidden_device_says_what_is_missing(void **state)
{
	struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
	int status;
	pid_t pid;

	mock_usb_chmod(m, 0600);
	if (geteuid() != 0)
		testing_skip("the right to be another user");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct transport *t = NULL;
		struct err e = { 0 };

		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(1);
		if (transport_open(&t, MCTP_ADDRESS, &e) == 0 || !err_is(&e, "link.permission") ||
		    strstr(e.message, "70-kiln.rules") == NULL)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The next device at the same place is another one. */
static void a_place_is_opened_again_after_each_plug(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct mock_usb *m = plug(state, CLASS_MCTP, NULL);
		AUTO_PTR(transport) *t = open_link(MCTP_ADDRESS);

		mock_usb_say(m, MOCK_IN, "hi", 2, false);
		expect_read(t, 100, "hi", 2);
		transport_close(steal(&t));
		mock_usb_free(m);
		*state = NULL;
	}
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
		EACH(the_class_descriptor_is_found),
		EACH(wrong_addresses_are_refused),
		EACH(an_empty_place_is_absent),
		EACH(another_kind_of_device_is_told),
		EACH(a_device_is_for_one_kiln),
		EACH(a_kernel_driver_is_sent_away),
		EACH(who_holds_it_is_told),
		EACH(a_forbidden_device_says_what_is_missing),
		EACH(a_place_is_opened_again_after_each_plug),
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
