/*
 * How libusb waits, and how it is told of an unplugged device: by poll(2), which umockdev can not show.
 * This program's own ioctl, read and lseek stand before libc's; the device's descriptor is the writing end
 * of a pipe: a full one has nothing to reap, one with room has, one that nobody reads any more is
 * unplugged.
 */
#include "usb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/usbdevice_fs.h>

#include "clock.h"
#include "testing.h"
#include "usb_node.h"

enum { PACKET = 64 };

static const uint8_t descriptors[] = {
	0x12, 0x01, 0x00, 0x02, 0, 0, 0, 0x40, 0x09, 0x04, 0x01, 0, 0, 1, 0, 1, 2, 1, /* device */
	0x09, 0x02, 32, 0, 1, 1, 0, 0x80, 50,         /* configuration */
	0x09, 0x04, 0, 0, 2, USB_CLASS_MCTP, 0, 1, 0, /* interface */
	0x07, 0x05, 0x81, 2, PACKET, 0, 0,            /* bulk IN */
	0x07, 0x05, 0x02, 2, PACKET, 0, 0,            /* bulk OUT */
};

/* The device, as usbfs shows it. */
static struct shim {
	int fd, other; /* ends of the pipe: ours and the kernel's */
	off_t offset;  /* in the descriptors */
	struct usbdevfs_urb *pending, *finished;
	int reaps, reap_error;
	int status;       /* with which the next transfer ends at once; 0: it stays */
	int opens, fails; /* calls of usb_node_open; those that fail, with code */
	const char *code;
	bool leaves; /* as soon as a transfer is pending */
	bool claimed;
} shim = { .fd = -1, .other = -1 };

static void fill(void)
{
	static const char page[4096] = { 0 };

	while (write(shim.fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void make_room(void)
{
	char page[4096];

	assert_int_equal(syscall(SYS_read, shim.other, page, sizeof(page)), sizeof(page));
}

static void finish(int status)
{
	shim.finished = shim.pending;
	shim.pending = NULL;
	shim.finished->status = -status;
	if (shim.other >= 0)
		make_room();
}

static void leave(void)
{
	if (shim.other >= 0)
		assert_int_equal(close(shim.other), 0);
	shim.other = -1;
	if (shim.pending != NULL)
		finish(ESHUTDOWN);
}

static int submit(struct usbdevfs_urb *urb)
{
	if (shim.other < 0)
		return ENODEV;
	shim.pending = urb;
	urb->actual_length = 0;
	if (shim.status != 0)
		finish(shim.status);
	if (shim.leaves)
		leave();
	return 0;
}

static int reap(struct usbdevfs_urb **ret)
{
	shim.reaps++;
	if (shim.reap_error != 0)
		return shim.reap_error;
	if (shim.finished == NULL)
		return shim.other < 0 ? ENODEV : EAGAIN;
	*ret = shim.finished;
	shim.finished = NULL;
	if (shim.other >= 0)
		fill();
	return 0;
}

static int discard(const struct usbdevfs_urb *urb)
{
	if (shim.pending != urb)
		return EINVAL;
	finish(ENOENT);
	return 0;
}

static int answer(unsigned long request, void *arg)
{
	switch (request) {
	case USBDEVFS_GET_CAPABILITIES:
		*(uint32_t *)arg = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_REAP_AFTER_DISCONNECT |
				   USBDEVFS_CAP_NO_PACKET_SIZE_LIM;
		return 0;
	case USBDEVFS_CONNECTINFO:
		*(struct usbdevfs_connectinfo *)arg = (struct usbdevfs_connectinfo){ .devnum = 2 };
		return 0;
	case USBDEVFS_CONTROL:
		*(uint8_t *)((struct usbdevfs_ctrltransfer *)arg)->data = 1;
		return 0;
	case USBDEVFS_DISCONNECT_CLAIM:
	case USBDEVFS_RELEASEINTERFACE:
		shim.claimed = request == USBDEVFS_DISCONNECT_CLAIM;
		return 0;
	case USBDEVFS_SUBMITURB:
		return submit(arg);
	case USBDEVFS_REAPURBNDELAY:
		return reap(arg);
	case USBDEVFS_DISCARDURB:
		return discard(arg);
	case USBDEVFS_GET_SPEED:
		return 0;
	default:
		return ENOTTY;
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd != shim.fd)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	errno = answer(request, arg);
	return errno == 0 ? 0 : -1;
}

off_t lseek(int fd, off_t offset, int whence)
{
	if (fd != shim.fd)
		return syscall(SYS_lseek, fd, offset, whence);
	shim.offset = offset;
	return offset;
}

ssize_t read(int fd, void *data, size_t len)
{
	size_t left = sizeof(descriptors) - (size_t)shim.offset;

	if (fd != shim.fd)
		return syscall(SYS_read, fd, data, len);
	len = len < left ? len : left;
	memcpy(data, descriptors + shim.offset, len);
	shim.offset += (off_t)len;
	return (ssize_t)len;
}

/* In place of the one that looks into sysfs. */
int usb_node_open(const char *place, struct usb_device *ret, int *ret_fd, struct err *e)
{
	(void)place;
	shim.opens++;
	if (shim.fails > 0) {
		shim.fails--;
		return err_set(e, ERR_LINK, shim.code, "not yet");
	}
	*ret = (struct usb_device){ .place = "pci-0000:00:14.0/usb2/1", .node = "a pipe" };
	*ret_fd = shim.fd;
	return 0;
}

const char *usb_node_holder(const struct usb_device *device, uint8_t interface)
{
	(void)device;
	(void)interface;
	return NULL;
}

static void make_device(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	shim = (struct shim){ .fd = ends[1], .other = ends[0] };
	fill();
}

static int setup(void **state)
{
	struct transport *t = NULL;
	struct err e = { 0 };

	make_device();
	assert_ok(transport_open(&t, "usb:x?interface=mctp", &e), &e);
	assert_true(shim.claimed);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	transport_close(*state);
	leave();
	shim.fd = -1;
	return 0;
}

static int64_t soon(int64_t ms)
{
	return clock_now_ms() + ms;
}

static void expect_read(struct transport *t, int64_t ms, const char *code)
{
	struct err e = { 0 };
	uint8_t byte;
	size_t got = 0;

	assert_err(transport_read(t, &byte, 1, &got, soon(ms), &e), &e, code);
	assert_null(shim.pending);
	assert_null(shim.finished);
}

static void waiting_does_not_spin(void **state)
{
	shim.reaps = 0;
	expect_read(*state, 200, "link.timeout");
	assert_in_range(shim.reaps, 1, 3);
}

static void unplugging_ends_a_wait(void **state)
{
	struct err e = { 0 };
	int64_t start = clock_now_ms();

	shim.leaves = true;
	shim.reaps = 0;
	assert_err(transport_read(*state, &(uint8_t){ 0 }, 1, &(size_t){ 0 }, soon(60000), &e), &e,
	    "link.gone");
	assert_true(clock_now_ms() < start + 60000);
	assert_in_range(shim.reaps, 1, 3);
	expect_read(*state, 60000, "link.gone");
	assert_err(transport_write(*state, "x", 1, soon(60000), &e), &e, "link.gone");
}

/* The controller sees it first: the transfer fails like on a bad cable. */
static void a_failure_before_the_unplugging_is_the_unplugging(void **state)
{
	shim.status = EPROTO;
	shim.leaves = true;
	expect_read(*state, 60000, "link.gone");
}

static void a_failure_alone_is_an_error(void **state)
{
	shim.status = EPROTO;
	expect_read(*state, 60000, "link.error");
	shim.status = 0;
	expect_read(*state, 20, "link.timeout");
}

/* What libusb itself does not understand ends the link, and no buffer is used after it. */
static void a_kernel_that_can_not_be_asked_ends_the_link(void **state)
{
	struct err e = { 0 };

	shim.status = EPROTO;
	shim.reap_error = EIO;
	assert_err(transport_read(*state, &(uint8_t){ 0 }, 1, &(size_t){ 0 }, soon(60000), &e), &e,
	    "link.gone");
	assert_err(transport_write(*state, "x", 1, soon(60000), &e), &e, "link.gone");
}

/* Closes what the setup opened, and opens it again where it fails that often at first. */
static int open_again(void **state, const char *code, int fails, struct err *e)
{
	struct transport *t = NULL;
	int rc;

	transport_close(*state); /* and the pipe's end with it */
	*state = NULL;
	leave();
	make_device();
	shim.code = code;
	shim.fails = fails;
	rc = transport_open(&t, "usb:x?interface=mctp", e);
	if (rc != 0)
		(void)close(shim.fd);
	*state = t;
	return rc;
}

static void what_has_just_come_is_waited_for(void **state)
{
	static const char *const codes[] = { "link.absent", "link.permission", "link.gone" };

	for (size_t i = 0; i < COUNT(codes); i++) {
		struct err e = { 0 };

		assert_ok(open_again(state, codes[i], 3, &e), &e);
		assert_int_equal(shim.opens, 4);
	}
}

static void what_does_not_pass_is_not_waited_for(void **state)
{
	struct err e = { 0 };

	assert_err(open_again(state, "link.locked", 1, &e), &e, "link.locked");
	assert_int_equal(shim.opens, 1);
}

static void nothing_is_waited_for_for_ever(void **state)
{
	struct err e = { 0 };

	assert_err(open_again(state, "link.permission", 1 << 20, &e), &e, "link.permission");
	assert_in_range(shim.opens, 2, 40);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(waiting_does_not_spin),
		EACH(unplugging_ends_a_wait),
		EACH(a_failure_before_the_unplugging_is_the_unplugging),
		EACH(a_failure_alone_is_an_error),
		EACH(what_has_just_come_is_waited_for),
		EACH(what_does_not_pass_is_not_waited_for),
		EACH(nothing_is_waited_for_for_ever),
		EACH(a_kernel_that_can_not_be_asked_ends_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
