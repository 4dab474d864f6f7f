/* A slot's work over USB goes on in the sandbox. Against a mocked usbfs: its ioctls travel over a socket. */
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/usbdevice_fs.h>

#include "clock.h"
#include "mock_usb.h"
#include "testing.h"
#include "usb.h"

#define ADDRESS "usb:" MOCK_PLACE "1?interface=ccid"

enum { DONE = 42, BROKEN = 43, CLASS_CCID = 0x0b };

static void require(bool condition)
{
	if (!condition)
		_exit(BROKEN);
}

static int64_t soon(int64_t ms)
{
	return clock_now_ms() + ms;
}

static int unplug(void **state)
{
	mock_usb_free(*state);
	return 0;
}

static int plug(void **state)
{
	*state = mock_usb_plug(1, CLASS_CCID, NULL);
	return 0;
}

/* Runs the attempt in a child in its sandbox, which it enters with the device open. */
static int run(void (*attempt)(struct transport *t))
{
	struct err e = { 0 };
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = { 0, 0 };
		struct transport *t = NULL;
		struct buf filter = { 0 };

		if (setrlimit(RLIMIT_CORE, &none) != 0 || transport_open(&t, ADDRESS, &e) != 0 ||
		    sandbox_prepare(&filter, &e) != 0 || sandbox_enter(&filter, &e) != 0)
			_exit(BROKEN);
		attempt(t);
		_exit(DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_done(void (*attempt)(struct transport *t))
{
	int status = run(attempt);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != DONE)
		fail_msg("wait status %#x", (unsigned)status);
}

static void talk(struct transport *t)
{
	struct err e = { 0 };
	char text[8];
	size_t got = 0;

	transport_flush(t);
	require(transport_write(t, "hello", 5, soon(2000), &e) == 0);
	require(transport_read(t, text, sizeof(text), &got, soon(2000), &e) == 0 && got == 5);
	require(transport_read(t, text, sizeof(text), &got, soon(20), &e) != 0 &&
		err_is(&e, "link.timeout"));
	require(usb_interrupt(t, text, sizeof(text), &got, soon(20), &e) != 0 &&
		err_is(&e, "link.timeout"));
	require(usb_class_request(t, 1, 0, soon(2000), &e) == 0);
	transport_close(t);
}

static void bytes_go_both_ways(void **state)
{
	mock_usb_echo(*state, true);
	expect_done(talk);
	assert_false(mock_usb_seen(*state).claimed);
}

static void meet_a_stall(struct transport *t)
{
	struct err e = { 0 };

	require(transport_write(t, "x", 1, soon(2000), &e) != 0 && err_is(&e, "link.stall"));
	require(transport_write(t, "x", 1, soon(2000), &e) == 0);
	transport_close(t);
}

static void stalls_are_taken_back(void **state)
{
	mock_usb_fail(*state, MOCK_OUT, EPIPE);
	expect_done(meet_a_stall);
	assert_int_equal(mock_usb_seen(*state).cleared, 1);
}

static void meet_an_error(struct transport *t)
{
	struct err e = { 0 };

	require(transport_write(t, "x", 1, soon(2000), &e) != 0 && err_is(&e, "link.error"));
	transport_close(t);
}

static void errors_are_told(void **state)
{
	mock_usb_fail(*state, MOCK_OUT, EPROTO);
	expect_done(meet_an_error);
}

static void meet_the_end(struct transport *t)
{
	struct err e = { 0 };

	require(transport_write(t, "x", 1, soon(2000), &e) != 0 && err_is(&e, "link.gone"));
	transport_close(t);
}

static void unplugging_is_told(void **state)
{
	mock_usb_unplug_on(*state, MOCK_OUT);
	expect_done(meet_the_end);
}

/* Straight to the kernel, past what stands in front of ioctl(2) here; a pipe knows none of them. */
static long request;

static void ask(struct transport *t)
{
	transport_close(t); /* the mock does not notice how a process ends */
	require(syscall(SYS_ioctl, STDIN_FILENO, request, NULL) == -1);
}

static void only_the_requests_of_a_transfer_are_allowed(void **state)
{
	static const struct {
		long request;
		bool allowed;
	} rows[] = {
		{ (long)USBDEVFS_SUBMITURB, true },
		{ (long)USBDEVFS_REAPURBNDELAY, true },
		{ (long)USBDEVFS_DISCARDURB, true },
		{ (long)USBDEVFS_CLEAR_HALT, true },
		{ (long)USBDEVFS_RELEASEINTERFACE, true },
		{ (long)USBDEVFS_REAPURB, false },
		{ (long)USBDEVFS_CONTROL, false },
		{ (long)USBDEVFS_BULK, false },
		{ (long)USBDEVFS_RESET, false },
		{ (long)USBDEVFS_SETCONFIGURATION, false },
		{ (long)USBDEVFS_SETINTERFACE, false },
		{ (long)USBDEVFS_CLAIMINTERFACE, false },
		{ (long)USBDEVFS_DISCONNECT_CLAIM, false },
		{ (long)USBDEVFS_IOCTL, false },
		{ (long)USBDEVFS_CLAIM_PORT, false },
		{ (long)USBDEVFS_DROP_PRIVILEGES, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int status;
		bool lived;

		request = rows[i].request;
		status = run(ask);
		lived = WIFEXITED(status) && WEXITSTATUS(status) == DONE;
		if (rows[i].allowed != lived)
			fail_msg("request %#lx: wait status %#x", (unsigned long)rows[i].request,
			    (unsigned)status);
		if (!lived)
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, plug, unplug)
	const struct CMUnitTest tests[] = {
		EACH(bytes_go_both_ways),
		EACH(stalls_are_taken_back),
		EACH(errors_are_told),
		EACH(unplugging_is_told),
		EACH(only_the_requests_of_a_transfer_are_allowed),
	};
	int rc;

#ifndef KILN_FAILPOINTS
	(void)puts("SKIP: a build that lets umockdev into its sandbox (KILN_FAILPOINTS)");
	return 77;
#endif
	if (!mock_usb_possible()) {
		(void)puts("SKIP: umockdev-wrapper before this program");
		return 77;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	mock_usb_end();
	return rc;
}
