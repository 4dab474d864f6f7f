#include "cmd_doctor.h"
#include "../station/fake_usb.h"

static const struct config_slot slot = { .name = "1",
	.places = { FAKE_USB2 "3", FAKE_USB3 "3" },
	.place_count = 2 };

/* The folder of a machine with USB, its device nodes, and nothing plugged in. */
static char *machine(void)
{
	char *root = testing_folder();

	fake_usb_open(root);
	fake_usb_write(root, "dev/bus/usb/001", "001", "");
	return root;
}

static void test_the_machine(void **state)
{
	char *none = testing_folder(), *root = machine();
	char path[4300];
	const char *warning = NULL;
	struct err e = { 0 };

	(void)state;
	assert_err(doctor_check_usb(none, &warning, &e), &e, "usb.controller");
	assert_ok(doctor_check_usb(root, &warning, &e), &e);
	assert_non_null(strstr(warning, "70-kiln.rules"));
	fake_usb_write(root, "etc/udev/rules.d", "70-kiln.rules", "");
	assert_ok(doctor_check_usb(root, &warning, &e), &e);
	assert_null(warning);
	(void)snprintf(path, sizeof(path), "rm -r '%s/dev/bus'", root);
	assert_int_equal(system(path), 0);
	assert_err(doctor_check_usb(root, &warning, &e), &e, "usb.nodes");
	testing_folder_remove(none);
	testing_folder_remove(root);
}

static int examine(const char *root, const struct config_slot *s, struct buf *ret, struct err *e)
{
	static const struct profile p = { .link = LINK_USB_MCTP };
	struct usb_view view = { .root = root };
	struct usb_device *devices = NULL;
	int rc;

	buf_clear(ret);
	assert_ok(usb_tree_read(root, &devices, &view.count, e), e);
	view.devices = devices;
	rc = doctor_check_places(&view, s, &p, ret, e);
	assert_true(rc != 0 || buf_str(ret, e) != NULL);
	free(devices);
	return rc;
}

static void test_one_slot(void **state)
{
	static const struct config_slot elsewhere = { .name = "2",
		.places = { "pci-0000:00:1a.0/usb2/1" },
		.place_count = 1 };
	struct fake_usb_device d = { .name = "1-3", .number = 4, .class = 0x14 };
	const struct fake_usb_device second = { .name = "2-3", .number = 9, .class = 0x14 };
	AUTO_STRUCT(buf) text = { 0 };
	char *root = machine();
	struct err e = { 0 };

	(void)state;
	assert_err(examine(root, &elsewhere, &text, &e), &e, "usb.controller");
	assert_ok(examine(root, &slot, &text, &e), &e);
	assert_string_equal((char *)text.data, FAKE_USB2 "3: nothing plugged in");
	fake_usb_plug(root, &d);
	assert_ok(examine(root, &slot, &text, &e), &e);
	assert_string_equal((char *)text.data, FAKE_USB2 "3");
	fake_usb_plug(root, &second);
	assert_err(examine(root, &slot, &text, &e), &e, "slot.two-devices");
	fake_usb_unplug(root, "2-3");
	fake_usb_unplug(root, "1-3");
	d.class = 0x0b;
	fake_usb_plug(root, &d);
	assert_err(examine(root, &slot, &text, &e), &e, "link.absent");
	fake_usb_unplug(root, "1-3");
	d.hub = true;
	fake_usb_plug(root, &d);
	assert_err(examine(root, &slot, &text, &e), &e, "slot.hub");
	testing_folder_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_machine),
		cmocka_unit_test(test_one_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
