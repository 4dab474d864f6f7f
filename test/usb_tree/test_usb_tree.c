#include "usb_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "fake_sys.h"

#define PCI "pci-0000:00:14.0"

static int setup(void **state)
{
	*state = testing_folder();
	fake_root_hub(*state, XHCI, "pci", 1, " 2.00");
	fake_root_hub(*state, XHCI, "pci", 2, " 3.10");
	return 0;
}

static int teardown(void **state)
{
	testing_folder_remove(*state);
	return 0;
}

static struct usb_device find(const char *root, const char *place)
{
	struct usb_device d;
	struct err e = { 0 };

	assert_ok(usb_tree_find(root, place, &d, &e), &e);
	return d;
}

static size_t count(const char *root)
{
	struct usb_device *all = NULL;
	size_t n = 99;
	struct err e = { 0 };

	assert_ok(usb_tree_read(root, &all, &n, &e), &e);
	free(all);
	return n;
}

static void expect_tty(const struct usb_device *d, int number, const char *want)
{
	struct err e = { 0 };
	const char *tty = NULL;

	assert_ok(usb_device_tty(d, number, &tty, &e), &e);
	assert_string_equal(tty, want);
}

static void test_a_machine_without_usb_has_no_devices(void **state)
{
	char *empty = testing_folder();
	struct usb_device d;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(count(empty), 0);
	assert_err(usb_tree_find(empty, PCI "/usb2/1", &d, &e), &e, "link.absent");
	assert_int_equal(e.domain, ERR_LINK);
	testing_folder_remove(empty);
}

static void test_an_unreadable_tree_is_an_error(void **state)
{
	char *root = testing_folder();
	struct usb_device *all = NULL;
	size_t n;
	struct err e = { 0 };

	(void)state;
	fake_file(root, "bus/usb/devices", "a file, not a folder");
	assert_err(usb_tree_read(root, &all, &n, &e), &e, "usb");
	assert_int_equal(e.domain, ERR_CONFIG);
	testing_folder_remove(root);
}

static void test_root_hubs_are_not_devices(void **state)
{
	assert_int_equal(count(*state), 0);
}

static void test_a_device_is_described(void **state)
{
	const char *at = XHCI "/usb1/1-3";
	struct usb_device d;

	fake_device(*state, at, "00", 1, 17);
	fake_attribute(*state, at, "manufacturer", "Example\n");
	fake_attribute(*state, at, "product", "Infusion Pump 3\n");
	fake_attribute(*state, at, "serial", "IP3 0001 \n");
	fake_interface(*state, at, 0, "14 00 01", NULL);
	d = find(*state, PCI "/usb2/3");
	assert_string_equal(d.place, PCI "/usb2/3");
	assert_string_equal(d.peer, "");
	assert_string_equal(d.node, "/dev/bus/usb/001/017");
	assert_true(d.dev == makedev(189, 16));
	assert_int_equal(d.vendor, 0x0483);
	assert_int_equal(d.product, 0x5740);
	assert_int_equal(d.speed_kbit, 480000);
	assert_false(d.is_hub);
	assert_string_equal(d.manufacturer, "Example");
	assert_string_equal(d.product_name, "Infusion Pump 3");
	assert_string_equal(d.serial, "IP3 0001 ");
	assert_int_equal(d.interface_count, 1);
	assert_int_equal(d.interfaces[0].class, USB_CLASS_MCTP);
	assert_int_equal(d.interfaces[0].protocol, 1);
	assert_string_equal(d.interfaces[0].driver, "");
	assert_string_equal(d.interfaces[0].tty, "");
}

static void test_speeds(void **state)
{
	static const struct {
		const char *text;
		uint32_t kbit;
	} rows[] = { { "1.5\n", 1500 }, { "12\n", 12000 }, { "480\n", 480000 },
		{ "5000\n", 5000000 }, { "20000\n", 20000000 }, { "unknown\n", 0 }, { "", 0 } };
	const char *at = XHCI "/usb1/1-3";

	fake_device(*state, at, "00", 1, 17);
	for (size_t i = 0; i < COUNT(rows); i++) {
		fake_attribute(*state, at, "speed", "%s", rows[i].text);
		assert_int_equal(find(*state, PCI "/usb2/3").speed_kbit, rows[i].kbit);
	}
}

static void test_places_go_through_hubs_and_are_ordered(void **state)
{
	static const char *const want[] = { PCI "/usb2/2", PCI "/usb2/3", PCI "/usb2/3.2",
		PCI "/usb2/3.2.1", PCI "/usb2/3.10", PCI "/usb3/4", "platform-vhci_hcd.0/usb2/1",
		"platform-vhci_hcd.0/usb3/1" };
	struct usb_device *all = NULL;
	struct err e = { 0 };
	size_t n = 0;

	fake_root_hub(*state, VHCI, "platform", 3, " 2.00");
	fake_root_hub(*state, VHCI, "platform", 4, " 3.00");
	fake_device(*state, VHCI "/usb4/4-1", "00", 4, 2);
	fake_device(*state, VHCI "/usb3/3-1", "00", 3, 2);
	fake_device(*state, XHCI "/usb2/2-4", "00", 2, 2);
	fake_device(*state, XHCI "/usb1/1-3/1-3.10", "00", 1, 9);
	fake_device(*state, XHCI "/usb1/1-3/1-3.2/1-3.2.1", "00", 1, 8);
	fake_device(*state, XHCI "/usb1/1-3/1-3.2", "09", 1, 7);
	fake_device(*state, XHCI "/usb1/1-3", "09", 1, 6);
	fake_device(*state, XHCI "/usb1/1-2", "00", 1, 5);
	fake_interface(*state, XHCI "/usb1/1-2", 0, "ff 00 00", NULL);
	assert_ok(usb_tree_read(*state, &all, &n, &e), &e);
	assert_int_equal(n, COUNT(want));
	for (size_t i = 0; i < n; i++)
		assert_string_equal(all[i].place, want[i]);
	assert_true(all[1].is_hub && all[2].is_hub && !all[3].is_hub);
	free(all);
}

/* Full-speed devices on an old board are at the companion's own controller. */
static void test_a_companion_is_a_controller_of_its_own(void **state)
{
	fake_root_hub(*state, "devices/pci0000:00/0000:00:1d.0", "pci", 5, " 1.10");
	fake_root_hub(*state, "devices/pci0000:00/0000:00:1d.7", "pci", 6, " 2.00");
	fake_device(*state, "devices/pci0000:00/0000:00:1d.0/usb5/5-1", "00", 5, 2);
	fake_device(*state, "devices/pci0000:00/0000:00:1d.7/usb6/6-2", "00", 6, 2);
	assert_string_equal(find(*state, "pci-0000:00:1d.0/usb1/1").node, "/dev/bus/usb/005/002");
	assert_string_equal(find(*state, "pci-0000:00:1d.7/usb2/2").node, "/dev/bus/usb/006/002");
}

static void test_a_bus_number_is_in_no_place(void **state)
{
	fake_root_hub(*state, VHCI, "platform", 113, " 2.00");
	fake_device(*state, VHCI "/usb113/113-4", "00", 113, 2);
	assert_string_equal(find(*state, "platform-vhci_hcd.0/usb2/4").node,
	    "/dev/bus/usb/113/002");
}

static void test_the_other_half_of_a_connector(void **state)
{
	fake_device(*state, XHCI "/usb1/1-3", "09", 1, 6);
	fake_device(*state, XHCI "/usb1/1-3/1-3.2", "00", 1, 7);
	fake_device(*state, XHCI "/usb2/2-1", "00", 2, 2);
	fake_link(*state, XHCI "/usb1/1-3/port", "../1-0:1.0/usb1-port3");
	fake_link(*state, XHCI "/usb1/1-0:1.0/usb1-port3/peer", "../../../usb2/2-0:1.0/usb2-port1");
	fake_link(*state, XHCI "/usb1/1-3/1-3.2/port", "../1-3:1.0/1-3-port2");
	fake_link(*state, XHCI "/usb1/1-3/1-3:1.0/1-3-port2/peer",
	    "../../../../usb2/2-1/2-1:1.0/2-1-port4");
	assert_string_equal(find(*state, PCI "/usb2/3").peer, PCI "/usb3/1");
	assert_string_equal(find(*state, PCI "/usb2/3.2").peer, PCI "/usb3/1.4");
	assert_string_equal(find(*state, PCI "/usb3/1").peer, "");
}

static void test_an_absurd_peer_is_none(void **state)
{
	static const char *const peers[] = { "../usb2", "../usb2-port", "../usb2-port0",
		"../usb2-port1x", "../usb99-port1", "../-port1", "../2-1-port", "../2-1.-port1" };

	for (size_t i = 0; i < COUNT(peers); i++) {
		char at[64], peer[128];

		(void)snprintf(at, sizeof(at), XHCI "/usb1/1-%zu", i + 1);
		fake_device(*state, at, "00", 1, (int)i + 2);
		(void)snprintf(peer, sizeof(peer), "%s/port/peer", at);
		fake_link(*state, peer, peers[i]);
		(void)snprintf(at, sizeof(at), PCI "/usb2/%zu", i + 1);
		assert_string_equal(find(*state, at).peer, "");
	}
}

static void test_texts_are_printable(void **state)
{
	const char *at = XHCI "/usb1/1-3";
	char text[256];
	struct usb_device d;

	fake_device(*state, at, "00", 1, 17);
	fake_attribute(*state, at, "manufacturer", "M\xc3\xbcller\n");
	fake_attribute(*state, at, "product", "a\x1b[2Jb\x7f\n");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fake_attribute(*state, at, "serial", "%s\n", text);
	d = find(*state, PCI "/usb2/3");
	assert_string_equal(d.manufacturer, "M??ller");
	assert_string_equal(d.product_name, "a?[2Jb?");
	assert_int_equal(strlen(d.serial), USB_TEXT_MAX);
}

static void test_a_device_without_strings(void **state)
{
	struct usb_device d;

	fake_device(*state, XHCI "/usb1/1-3", "00", 1, 17);
	d = find(*state, PCI "/usb2/3");
	assert_string_equal(d.serial, "");
	assert_string_equal(d.manufacturer, "");
	assert_string_equal(d.product_name, "");
}

/* What a device without them looks like to the next one in the same array. */
static void test_strings_do_not_leak_into_the_next(void **state)
{
	struct usb_device *all = NULL;
	struct err e = { 0 };
	size_t n = 0;

	fake_device(*state, XHCI "/usb1/1-3", "00", 1, 17);
	fake_attribute(*state, XHCI "/usb1/1-3", "serial", "S1\n");
	fake_device(*state, XHCI "/usb1/1-4", "00", 1, 18);
	assert_ok(usb_tree_read(*state, &all, &n, &e), &e);
	assert_int_equal(n, 2);
	assert_string_equal(all[0].serial, "S1");
	assert_string_equal(all[1].serial, "");
	free(all);
}

static void test_a_composite_acm_device_has_a_port(void **state)
{
	const char *at = XHCI "/usb1/1-3";
	struct usb_device d;
	struct err e = { 0 };
	const char *tty = NULL;

	fake_device(*state, at, "ef", 1, 17);
	fake_interface(*state, at, 2, "0a 00 00", "cdc_acm");
	fake_interface(*state, at, 1, "02 02 01", "cdc_acm");
	fake_interface(*state, at, 0, "ff 42 01", NULL);
	fake_file(*state, XHCI "/usb1/1-3/1-3:1.1/tty/ttyACM0/dev", "166:0\n");
	d = find(*state, PCI "/usb2/3");
	assert_int_equal(d.interface_count, 3);
	for (uint8_t i = 0; i < 3; i++)
		assert_int_equal(d.interfaces[i].number, i);
	assert_string_equal(d.interfaces[1].driver, "cdc_acm");
	assert_string_equal(d.interfaces[1].tty, "ttyACM0");
	expect_tty(&d, -1, "ttyACM0");
	expect_tty(&d, 1, "ttyACM0");
	assert_err(usb_device_tty(&d, 0, &tty, &e), &e, "link.absent");
	assert_err(usb_device_tty(&d, 7, &tty, &e), &e, "link.absent");
}

static void test_two_ports_need_a_number(void **state)
{
	const char *at = XHCI "/usb1/1-3";
	struct usb_device d;
	struct err e = { 0 };
	const char *tty = NULL;

	fake_device(*state, at, "00", 1, 17);
	fake_interface(*state, at, 0, "ff ff ff", "ftdi_sio");
	fake_interface(*state, at, 1, "ff ff ff", "ftdi_sio");
	fake_file(*state, XHCI "/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0/dev", "188:0\n");
	fake_file(*state, XHCI "/usb1/1-3/1-3:1.1/ttyUSB1/tty/ttyUSB1/dev", "188:1\n");
	d = find(*state, PCI "/usb2/3");
	assert_err(usb_device_tty(&d, -1, &tty, &e), &e, "link.address");
	expect_tty(&d, 0, "ttyUSB0");
	expect_tty(&d, 1, "ttyUSB1");
}

static void test_several_ports_of_one_interface_are_none(void **state)
{
	const char *at = XHCI "/usb1/1-3";
	struct usb_device d;
	struct err e = { 0 };
	const char *tty = NULL;

	fake_device(*state, at, "00", 1, 17);
	fake_interface(*state, at, 0, "ff ff ff", "mos7840");
	fake_file(*state, XHCI "/usb1/1-3/1-3:1.0/ttyUSB0/port_number", "0\n");
	fake_file(*state, XHCI "/usb1/1-3/1-3:1.0/ttyUSB1/port_number", "1\n");
	d = find(*state, PCI "/usb2/3");
	assert_string_equal(d.interfaces[0].tty, "");
	assert_err(usb_device_tty(&d, -1, &tty, &e), &e, "link.absent");
}

static void test_what_lacks_what_it_must_have_is_not_there(void **state)
{
	static const char *const files[] = { "idVendor", "idProduct", "bDeviceClass", "busnum",
		"devnum", "dev" };

	for (size_t i = 0; i < COUNT(files); i++) {
		char path[PATH_MAX];

		fake_device(*state, XHCI "/usb1/1-3", "00", 1, 17);
		assert_int_equal(count(*state), 1);
		(void)snprintf(path, sizeof(path), "%s/sys/" XHCI "/usb1/1-3/%s",
		    (const char *)*state, files[i]);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(count(*state), 0);
		fake_file(*state, path + strlen(*state) + strlen("/sys/"), "nonsense\n");
		assert_int_equal(count(*state), 0);
	}
}

static void test_an_interface_that_is_not_whole_is_not_there(void **state)
{
	const char *at = XHCI "/usb1/1-3";

	fake_device(*state, at, "00", 1, 17);
	fake_interface(*state, at, 0, "14 00 01", NULL);
	fake_attribute(*state, at, "1-3:1.1/bInterfaceNumber", "01\n");
	fake_attribute(*state, at, "1-3:1.2/uevent", "\n");
	assert_int_equal(find(*state, PCI "/usb2/3").interface_count, 1);
}

static void test_interfaces_have_a_bound(void **state)
{
	const char *at = XHCI "/usb1/1-3";

	fake_device(*state, at, "00", 1, 17);
	for (int i = 0; i < USB_INTERFACES_MAX + 4; i++)
		fake_interface(*state, at, i, "ff 00 00", NULL);
	assert_int_equal(find(*state, PCI "/usb2/3").interface_count, USB_INTERFACES_MAX);
}

/* The link is there for a moment longer than what it leads to. */
static void test_a_device_that_vanishes_is_not_there(void **state)
{
	fake_link(*state, "bus/usb/devices/1-5", "../../../" XHCI "/usb1/1-5");
	assert_int_equal(count(*state), 0);
}

/* Devices that follow each other at one place, faster than anybody can plug. */
static void swap_for_ever(const char *root)
{
	char one[PATH_MAX], other[PATH_MAX];

	(void)snprintf(one, sizeof(one), "%s/sys/" XHCI "/usb1/1-3", root);
	(void)snprintf(other, sizeof(other), "%s/sys/" XHCI "/usb1/other/1-3", root);
	for (unsigned n = 1; n < 1U << 20; n++) {
		fake_attribute(root, XHCI "/usb1/other/1-3", "dev", "189:%u\n", n);
		fake_attribute(root, XHCI "/usb1/other/1-3", "serial", "%u\n", n);
		if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) != 0)
			break;
	}
	_exit(1);
}

static void test_two_devices_are_never_mixed(void **state)
{
	size_t seen = 0, mixed = 0;
	pid_t pid;

	fake_device(*state, XHCI "/usb1/1-3", "00", 1, 17);
	fake_device(*state, XHCI "/usb1/other/1-3", "00", 1, 18); /* the bus shows the first */
	fake_attribute(*state, XHCI "/usb1/1-3", "serial", "16\n");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		swap_for_ever(*state);
	while (seen < 500) {
		struct usb_device d;
		struct err e = { 0 };
		bool found = usb_tree_find(*state, PCI "/usb2/3", &d, &e) == 0;

		seen += found;
		mixed += found && strtoul(d.serial, NULL, 10) != minor(d.dev);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(mixed, 0);
}

static void test_absurd_names_are_passed_over(void **state)
{
	static const char *const names[] = { "1-", "-1", "1-0", "1-3..1", "1-3.", "01-3", "1-03",
		"1-3:1.0", "1-3:", "usb", "x-1", "1-x", "1-3.x", "1-1.2.3.4.5.6.7", "1-256", "1",
		"1-3-4", "999999-1", "1-1111111111111111111111111111111111111111" };

	for (size_t i = 0; i < COUNT(names); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), XHCI "/usb1/%s", names[i]);
		fake_device(*state, path, "00", 1, 17);
	}
	assert_int_equal(count(*state), 0);
}

/* A root hub that says too little gives no place, and so does one that does not exist. */
static void test_what_can_not_be_placed_is_not_there(void **state)
{
	fake_root_hub(*state, "devices/platform/hcd one", "platform", 7, " 2.00");
	fake_device(*state, "devices/platform/hcd one/usb7/7-1", "00", 7, 2);
	fake_root_hub(*state, "devices/platform/a", "platform", 8, " 9.00");
	fake_device(*state, "devices/platform/a/usb8/8-1", "00", 8, 2);
	fake_root_hub(*state, "devices/platform/b", "platform", 9, "");
	fake_device(*state, "devices/platform/b/usb9/9-1", "00", 9, 2);
	fake_device(*state, "devices/platform/c/usb10/10-1", "00", 10, 2);
	assert_int_equal(count(*state), 0);
}

int main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_machine_without_usb_has_no_devices),
		cmocka_unit_test(test_an_unreadable_tree_is_an_error),
		EACH(test_root_hubs_are_not_devices),
		EACH(test_a_device_is_described),
		EACH(test_speeds),
		EACH(test_places_go_through_hubs_and_are_ordered),
		EACH(test_a_companion_is_a_controller_of_its_own),
		EACH(test_a_bus_number_is_in_no_place),
		EACH(test_the_other_half_of_a_connector),
		EACH(test_an_absurd_peer_is_none),
		EACH(test_texts_are_printable),
		EACH(test_a_device_without_strings),
		EACH(test_strings_do_not_leak_into_the_next),
		EACH(test_a_composite_acm_device_has_a_port),
		EACH(test_two_ports_need_a_number),
		EACH(test_several_ports_of_one_interface_are_none),
		EACH(test_what_lacks_what_it_must_have_is_not_there),
		EACH(test_an_interface_that_is_not_whole_is_not_there),
		EACH(test_interfaces_have_a_bound),
		EACH(test_a_device_that_vanishes_is_not_there),
		EACH(test_two_devices_are_never_mixed),
		EACH(test_absurd_names_are_passed_over),
		EACH(test_what_can_not_be_placed_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
