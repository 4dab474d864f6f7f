#include "testing.h"

#include <string.h>

#include "slot_address.h"

static const struct config_slot placed = { .name = "1",
	.places = { "pci-0000:00:14.0/usb2/3" },
	.place_count = 1 };
static const struct config_slot addressed = { .name = "1",
	.address = "serial:/dev/ttyUSB0?baud=9600" };

static void test_made_of_place_and_link(void **state)
{
	static const struct {
		struct profile profile;
		const char *address;
	} rows[] = {
		{ { .link = LINK_SERIAL, .baud = 115200, .tty_interface = -1 },
		    "serial:pci-0000:00:14.0/usb2/3?baud=115200" },
		{ { .link = LINK_SERIAL, .baud = 9600, .tty_interface = 2 },
		    "serial:pci-0000:00:14.0/usb2/3?baud=9600&interface=2" },
		{ { .link = LINK_USB_MCTP }, "usb:pci-0000:00:14.0/usb2/3?interface=mctp" },
		{ { .link = LINK_USB_CCID }, "usb:pci-0000:00:14.0/usb2/3?interface=ccid" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_STRUCT(buf) address = { 0 };
		struct err e = { 0 };

		assert_ok(slot_address_check(&placed, &rows[i].profile, &e), &e);
		assert_ok(slot_address(&placed, placed.places[0], &rows[i].profile, &address, &e),
		    &e);
		assert_string_equal((const char *)address.data, rows[i].address);
	}
}

static void test_an_address_stays_as_it_is(void **state)
{
	const struct profile p = { .link = LINK_SERIAL, .baud = 115200, .tty_interface = -1 };
	AUTO_STRUCT(buf) address = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(slot_address_check(&addressed, &p, &e), &e);
	assert_ok(slot_address(&addressed, NULL, &p, &address, &e), &e);
	assert_string_equal((const char *)address.data, addressed.address);
}

static void test_a_port_is_not_in_usb(void **state)
{
	static const char text[] = "a:\n  b: 1\n";
	const struct profile p = { .link = LINK_USB_MCTP, .name = (char[]){ "p.yaml" } };
	struct config_slot slot = addressed;
	AUTO_PTR(yaml) *y = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(yaml_parse(&y, "s.yaml", text, strlen(text), &e), &e);
	slot.at = yaml_get(yaml_root(y), "a");
	assert_err(slot_address_check(&slot, &p, &e), &e, "yaml");
	assert_non_null(strstr(e.message, "s.yaml:2:3: slot 1 has a serial port's address"));
	assert_non_null(strstr(e.message, "write place: KEY"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_of_place_and_link),
		cmocka_unit_test(test_an_address_stays_as_it_is),
		cmocka_unit_test(test_a_port_is_not_in_usb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
