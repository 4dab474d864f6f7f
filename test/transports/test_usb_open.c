/* Opening a place in a mocked USB: what is there, who may, who has it. */
#include "usb.h"

#include <stdio.h>
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
