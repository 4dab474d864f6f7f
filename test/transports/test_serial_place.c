/* The serial port behind a USB device at a place, in a mocked USB: its node is a pty. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "mock_bed.h"
#include "mock_usb.h"
#include "serial_port.h"
#include "testing.h"
#include "transport.h"

#define DEVICE MOCK_ROOT_HUB "/1-6"
#define PLACE  MOCK_PLACE "6"

static UMockdevIoctlBase *forwarder;

/* umockdev knows no termios2; the pty does. */
static gboolean on_ioctl(UMockdevIoctlBase *handler, UMockdevIoctlClient *client, void *data)
{
	int error = 0;
	int rc = umockdev_ioctl_client_execute(client, &error, NULL);

	(void)handler;
	(void)data;
	umockdev_ioctl_client_complete(client, rc, error);
	return TRUE;
}

static void add_interface(int number, const char *tty, bool is_acm)
{
	char text[1024], node[64];
	GError *error = NULL;

	(void)snprintf(text, sizeof(text),
	    "P: " DEVICE "/1-6:1.%d\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n"
	    "A: bInterfaceNumber=%02x\nA: bInterfaceClass=ff\nA: bInterfaceSubClass=00\n"
	    "A: bInterfaceProtocol=00\n\n",
	    number, (unsigned)number);
	mock_bed_add(text);
	if (tty == NULL)
		return;
	(void)snprintf(node, sizeof(node), "/dev/%s", tty);
	if (!umockdev_testbed_attach_ioctl(mock_bed(), node, forwarder, &error))
		g_error("%s", error->message);
	(void)snprintf(text, sizeof(text),
	    "P: " DEVICE
	    "/1-6:1.%d/%s/%s\nN: %s\nE: SUBSYSTEM=tty\nE: DEVNAME=%s\nA: dev=166:%d\n\n",
	    number, is_acm ? "tty" : tty, tty, tty, node, number);
	mock_bed_add(text);
}

static int plug(void **state)
{
	(void)state;
	forwarder = umockdev_ioctl_base_new();
	(void)g_signal_connect(forwarder, "handle-ioctl", G_CALLBACK(on_ioctl), NULL);
	mock_bed_add("P: " DEVICE "\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nA: dev=189:5\n"
		     "A: busnum=1\nA: devnum=6\nA: idVendor=0483\nA: idProduct=5740\n"
		     "A: bDeviceClass=ef\nA: speed=12\n\n");
	return 0;
}

static int unplug(void **state)
{
	(void)state;
	mock_usb_end();
	g_clear_object(&forwarder);
	return 0;
}

static void expect_open(const char *address, const char *node)
{
	int master = umockdev_testbed_get_dev_fd(mock_bed(), node);
	AUTO_PTR(transport) *t = NULL;
	struct err e = { 0 };
	char text[8];
	size_t got = 0;

	assert_true(master >= 0);
	assert_ok(transport_open(&t, address, &e), &e);
	assert_int_equal(t->ops->medium, MEDIUM_SERIAL);
	assert_int_equal(write(master, "hi", 2), 2);
	assert_ok(transport_read(t, text, sizeof(text), &got, clock_now_ms() + 5000, &e), &e);
	assert_memory_equal(text, "hi", got);
}

static void refuse(const char *address, const char *code)
{
	struct transport *t = NULL;
	struct err e = { 0 };

	assert_err(transport_open(&t, address, &e), &e, code);
	assert_int_equal(e.domain, ERR_LINK);
}

static void the_one_port_is_opened(void **state)
{
	(void)state;
	add_interface(0, NULL, false);
	add_interface(1, "ttyACM3", true);
	expect_open("serial:" PLACE, "/dev/ttyACM3");
	expect_open("serial:" PLACE "?baud=9600", "/dev/ttyACM3");
	expect_open("serial:" PLACE "?baud=9600&interface=1", "/dev/ttyACM3");
	expect_open("serial:" PLACE "?interface=1", "/dev/ttyACM3");
	refuse("serial:" PLACE "?interface=0", "link.absent");
}

static void one_of_several_needs_its_number(void **state)
{
	(void)state;
	add_interface(0, "ttyUSB0", false);
	add_interface(1, "ttyUSB1", false);
	refuse("serial:" PLACE "?baud=9600", "link.address");
	expect_open("serial:" PLACE "?interface=0", "/dev/ttyUSB0");
	expect_open("serial:" PLACE "?interface=1&baud=9600", "/dev/ttyUSB1");
}

static void a_device_without_a_port_has_none(void **state)
{
	(void)state;
	add_interface(0, NULL, false);
	refuse("serial:" PLACE, "link.absent");
	refuse("serial:" MOCK_PLACE "7", "link.absent");
}

static void wrong_addresses_are_refused(void **state)
{
	static const char *const addresses[] = {
		"serial:" PLACE "?",
		"serial:" PLACE "?interface=",
		"serial:" PLACE "?interface=-1",
		"serial:" PLACE "?interface=256",
		"serial:" PLACE "?interface=1x",
		"serial:" PLACE "?interface=1&",
		"serial:" PLACE "?interface=1&interface=1",
		"serial:" PLACE "&interface=1",
		"serial:" PLACE "?place=1",
		"serial:" PLACE "?baud=9600&baud=9600",
		"serial:" MOCK_PLACE "06",
		("serial:" MOCK_PLACE),
		"serial:/dev/ttyACM3?interface=1",
	};

	(void)state;
	add_interface(1, "ttyACM3", true);
	for (size_t i = 0; i < COUNT(addresses); i++)
		refuse(addresses[i], "link.address");
}

/* What was opened is looked at again: here the place, its port or the node is another one by then. */
static void a_port_that_moved_is_refused(void **state)
{
	struct serial_port port, moved;
	struct err e = { 0 };
	int fd;

	(void)state;
	add_interface(1, "ttyACM3", true);
	assert_ok(serial_port_parse("serial:" PLACE, &port, &e), &e);
	assert_string_equal(port.path, "/dev/ttyACM3");
	fd = open(port.path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(serial_port_check(&port, fd, &e), &e);
	moved = port;
	moved.device.dev++;
	assert_err(serial_port_check(&moved, fd, &e), &e, "link.absent");
	moved = port;
	(void)strcpy(moved.path, "/dev/ttyACM4");
	assert_err(serial_port_check(&moved, fd, &e), &e, "link.absent");
	(void)close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_err(serial_port_check(&port, fd, &e), &e, "link.absent");
	umockdev_testbed_remove_device(mock_bed(), "/sys" DEVICE);
	assert_err(serial_port_check(&port, fd, &e), &e, "link.absent");
	(void)close(fd);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, plug, unplug)
	const struct CMUnitTest tests[] = {
		EACH(the_one_port_is_opened),
		EACH(one_of_several_needs_its_number),
		EACH(a_device_without_a_port_has_none),
		EACH(wrong_addresses_are_refused),
		EACH(a_port_that_moved_is_refused),
	};

	if (!mock_usb_possible()) {
		(void)puts("SKIP: umockdev-wrapper before this program");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
